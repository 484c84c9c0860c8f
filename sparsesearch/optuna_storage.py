"""Optuna's storage as the memory of searches: opening it, finding studies, reading them back.

A study of ours is an Optuna study whose user attribute ``sparsesearch`` holds its definition; a trial
of ours carries an attribute of the same name. Everything else in the storage is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from sparsesearch.errors import StorageError, close_names
from sparsesearch.inspection import Inspection
from sparsesearch.objective import Direction, Objective
from sparsesearch.record import StudyRecord
from sparsesearch.schedule import schedule_from_json, schedule_to_json
from sparsesearch.space import Candidate
from sparsesearch.study import Study, differences
from sparsesearch.trial import Measurement, Trial, TrialStatus

ATTRIBUTE = "sparsesearch"
OWNER = "owner"
BEGUN = "last begun"  # seconds since the epoch
BASELINE_ATTRIBUTE = "dense baseline"
SCHEMA = 2  # of the attributes; any other is refused

optuna.logging.set_verbosity(optuna.logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


class OptunaStorage:
    """An Optuna storage that holds studies of this program.

    Args:
        url: a database that SQLAlchemy knows, for example ``sqlite:///optuna.db``.
        create: make an empty database if there is none.

    Raises:
        StorageError: the database cannot be opened, is damaged or belongs to another program.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        self.url = url
        with storage_errors(self.shown_url):
            self._check_database(create=create)
            timeout = {"connect_args": {"timeout": 30}} if url.startswith("sqlite") else {}
            self.rdb = RDBStorage(url, engine_kwargs=timeout)

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        with contextlib.suppress(ArgumentError):
            return sqlalchemy.make_url(self.url).render_as_string(hide_password=True)
        return self.url

    def names(self) -> list[str]:
        """Names of our studies, oldest first."""
        with storage_errors(self.shown_url):
            studies = sorted(self.rdb.get_all_studies(), key=lambda study: study._study_id)
        return [study.study_name for study in studies if ATTRIBUTE in study.user_attrs]

    def latest(self, name: str) -> str:
        """The search of study ``name`` that was last begun or continued.

        Fresh searches of ``cnn`` are called ``cnn-2``, ``cnn-3`` and so on, and are found by these names;
        ``cnn-1`` is the first one.

        Raises:
            StorageError: there is none.
        """
        known = self.names()
        first, _, count = name.rpartition("-")
        if self._versions(name):
            return max(self._versions(name), key=self._last_begun)
        if name in known:
            return name
        if count == "1" and self._versions(first):
            return self._versions(first)[0]
        raise StorageError(
            f"there is no search of study {name!r} in {self.shown_url}",
            hint=close_names(name, known) if known else f"sparsesearch optimize --study {name}",
        )

    def read(self, name: str) -> StudyRecord:
        """The record of the study with exactly this name.

        Raises:
            StorageError: the study was made by another program or by a newer version of this one.
        """
        with storage_errors(self.shown_url):
            return read_record(self._load(name))

    def check(self, study: Study, *, fresh: bool, inspection: Inspection | None = None) -> str:
        """Name under which ``study`` is continued or will be created.

        Raises:
            StorageError: a study of that name exists and is defined differently.
        """
        same = self._versions(study.name)
        if fresh or not same:
            return self._free_name(study.name)
        now = _identity(study, inspection)
        found = {name: _known(self.read(name), now) for name in reversed(same)}
        for name, before in found.items():
            if before == now:
                return name
        name, before = next(iter(found.items()))
        raise StorageError(
            f"study {name!r} in {self.shown_url} was defined differently: {'; '.join(differences(before, now))}",
            hint="undo the change to continue it, or start a new search beside it with --fresh",
        )

    def open(self, study: Study, inspection: Inspection, *, fresh: bool) -> optuna.Study:
        """The Optuna study in which ``study`` is continued, or a new one.

        Raises:
            StorageError: as `check`.
        """
        name = self.check(study, fresh=fresh, inspection=inspection)
        with storage_errors(self.shown_url):
            if name in self.names():
                continued = self._load(name)
                continued.set_user_attr(BEGUN, time.time())
                return continued
            created = optuna.create_study(
                study_name=name,
                storage=self.rdb,
                directions=[goal.direction.value for goal in study.objectives],
                load_if_exists=True,  # of a process that died right here
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                created.set_metric_names([goal.metric for goal in study.objectives])
            created.set_user_attr(BEGUN, time.time())
            created.set_user_attr(
                ATTRIBUTE,
                {
                    "schema": SCHEMA,
                    "search": uuid.uuid4().hex,
                    "study": study.name,
                    "description": study.description,
                    "definition": _identity(study, inspection),
                    "objectives": [[goal.metric, goal.direction.value] for goal in study.objectives],
                    "inspection": inspection.to_json(),
                },
            )
            return created

    def _versions(self, name: str) -> list[str]:
        with storage_errors(self.shown_url):
            studies = sorted(self.rdb.get_all_studies(), key=lambda study: study._study_id)
        return [study.study_name for study in studies if study.user_attrs.get(ATTRIBUTE, {}).get("study") == name]

    def _last_begun(self, name: str) -> float:
        begun: float = self._load(name).user_attrs.get(BEGUN, 0.0)
        return begun

    def _free_name(self, name: str) -> str:
        with storage_errors(self.shown_url):
            studies = self.rdb.get_all_studies()
            # An empty study without attributes is what a process leaves that died while creating one.
            empty = {
                study.study_name
                for study in studies
                if not study.user_attrs and not self._load(study.study_name).trials
            }
        taken = {study.study_name for study in studies} - empty
        if name in taken and name not in self.names():
            raise StorageError(
                f"study {name!r} in {self.shown_url} was made by another program",
                hint="choose another --storage, or rename the study",
            )
        names = (name, *(f"{name}-{count}" for count in range(2, len(taken) + 3)))
        return next(free for free in names if free not in taken)

    def _load(self, name: str) -> optuna.Study:
        return optuna.load_study(study_name=name, storage=self.rdb)

    def _check_database(self, *, create: bool) -> None:
        url = sqlalchemy.make_url(self.url)
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise StorageError(
                f"{self.shown_url} forgets a search when it ends", hint="for example sqlite:///optuna.db"
            )
        if url.get_backend_name() == "sqlite" and not create and not Path(str(url.database)).is_file():
            raise StorageError(f"there is no search yet in {self.shown_url}", hint="`sparsesearch optimize` makes one")
        engine = sqlalchemy.create_engine(url)
        try:
            tables = set(sqlalchemy.inspect(engine).get_table_names())
        finally:
            engine.dispose()
        if tables and not {"studies", "trials", "version_info"} <= tables:
            some = ", ".join(sorted(tables)[:3])
            raise StorageError(
                f"{self.shown_url} belongs to another program: it holds the tables {some}, ...",
                hint="choose another --storage",
            )


@contextlib.contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what a database reports into a StorageError."""
    try:
        yield
    except (ArgumentError, NoSuchModuleError) as error:
        raise StorageError(f"{url!r} is not a database URL: {error}", hint="for example sqlite:///optuna.db") from error
    except ModuleNotFoundError as error:
        raise StorageError(f"no driver for {url}: {error}", hint=f"pip install {error.name}") from error
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StorageError(f"cannot use the storage {url}: {cause}", hint="check the path and --storage") from error
    except optuna.exceptions.StorageInternalError as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise StorageError(f"cannot use the storage {url}: {cause}", hint="check the path and --storage") from error
    except RuntimeError as error:
        if "version" not in str(error):
            raise
        raise StorageError(f"the storage {url} does not fit this Optuna: {error}") from error


def read_record(study: optuna.Study) -> StudyRecord:
    """Everything our attributes say about a study."""
    attributes = study.user_attrs.get(ATTRIBUTE)
    if attributes is None:
        raise StorageError(f"study {study.study_name!r} was made by another program")
    schema = attributes["schema"]
    if schema != SCHEMA:
        newer = schema > SCHEMA
        raise StorageError(
            f"study {study.study_name!r} was written by {'a newer' if newer else 'an older'} sparsesearch "
            f"(schema {schema}, this one reads {SCHEMA})",
            hint="upgrade sparsesearch" if newer else "start again in another --storage",
        )
    baseline = study.user_attrs.get(BASELINE_ATTRIBUTE)
    return StudyRecord(
        name=study.study_name,
        search=attributes["search"],
        description=attributes["description"],
        objectives=tuple(
            Objective(metric=metric, direction=Direction(direction)) for metric, direction in attributes["objectives"]
        ),
        definition=attributes["definition"],
        inspection=Inspection.from_json(attributes["inspection"]),
        baseline=Measurement.from_json(baseline) if baseline else None,
        trials=tuple(
            read_trial(frozen)
            for frozen in study.get_trials(deepcopy=False)
            if frozen.state is not TrialState.WAITING and ATTRIBUTE in frozen.user_attrs
        ),
    )


def read_trial(frozen: FrozenTrial) -> Trial:
    """Our trial in an Optuna trial."""
    fields = frozen.user_attrs[ATTRIBUTE]
    measurement, schedule = fields.get("measurement"), fields.get("schedule")
    # The status stands with the measurement, but only Optuna's state says that both were stored.
    status = TrialStatus(fields["status"]) if frozen.state.is_finished() else TrialStatus.RUNNING
    return Trial(
        number=frozen.number,
        status=status,
        candidate=Candidate(**fields["candidate"]),
        attempt=fields["attempt"],
        schedule=schedule_from_json(schedule) if schedule else None,
        seed=fields["seed"],
        measurement=Measurement.from_json(measurement) if measurement else None,
        reason=fields["reason"],
        same_as=fields["same_as"],
        started=fields["started"],
        finished=fields["finished"],
    )


def trial_fields(trial: Trial) -> dict[str, Any]:
    """What `read_trial` reads, as plain values."""
    return {
        "status": trial.status.value,
        "candidate": trial.candidate_parameters,
        "attempt": trial.attempt,
        "schedule": schedule_to_json(trial.schedule) if trial.schedule else None,
        "seed": trial.seed,
        "measurement": trial.measurement.to_json() if trial.measurement else None,
        "reason": trial.reason,
        "same_as": trial.same_as,
        "started": trial.started,
        "finished": trial.finished,
    }


def _identity(study: Study, inspection: Inspection | None) -> dict[str, Any]:
    return study.definition() | (inspection.identity() if inspection else {})


def _known(record: StudyRecord, now: dict[str, Any]) -> dict[str, Any]:
    # Before the inspection the model and the data are not known yet and cannot differ.
    return {name: value for name, value in record.definition.items() if name in now or name not in ("model", "data")}
