"""MLflow as the place where people look at a search while it runs and afterwards."""

from __future__ import annotations

import contextlib
import getpass
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

# Before MLflow's import: they are read once.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sparsesearch.errors import TrackingError
from sparsesearch.executor import EpochEnd
from sparsesearch.mlflow_views import saved_views
from sparsesearch.process import is_gone, this_process
from sparsesearch.record import StudyRecord
from sparsesearch.trial import BASELINE, Measurement, Trial, TrialStatus

PARENT_TAG = "mlflow.parentRunId"
OWNER_TAG = "sparsesearch.owner"
TRIAL_TAG = "sparsesearch.trial"
SEARCH_TAG = "sparsesearch.search"  # identifies one search, whatever others are called
FRONT_TAG = "front"
FRONT_FILTER = f"tags.{FRONT_TAG} = 'yes'"
ZEROS_FILE = "zeros.json"
EPOCH_SECONDS = 1.0  # epochs of a trial that follow each other faster are sent together
BATCH_METRICS = 1000  # MLflow takes no more at a time

STATUSES = {
    TrialStatus.COMPLETE: "FINISHED",
    TrialStatus.FAILED: "FAILED",
    TrialStatus.STOPPED: "KILLED",
}

for name in ("mlflow", "alembic"):
    logging.getLogger(name).setLevel(logging.WARNING)


class MlflowTracker:
    """Implements `sparsesearch.tracking.Tracker`.

    One experiment per study, one parent run per search, one child run per trial and one for the dense
    baseline. Runs of this study that a dead process left running are closed as KILLED at `begin`.

    Args:
        uri: tracking URI; SQLite paths are taken from the current folder.
        artifacts: folder for artifacts of local experiments; servers have their own.

    Raises:
        TrackingError: the URI is none, or its store cannot be reached.
    """

    def __init__(self, uri: str, *, artifacts: Path | None = None) -> None:
        self._uri = absolute_uri(uri)
        self._artifacts = artifacts
        self._owner = this_process()
        self._runs: dict[int, str] = {}
        self._epochs: dict[int, list[Metric]] = {}  # by trial: what was not sent yet
        self._sent: dict[int, float] = {}  # by trial: when
        self._uncompared: list[tuple[str, Trial]] = []
        with tracking_errors(uri), _impatient():
            self._client = MlflowClient(tracking_uri=self._uri)
            # Says at once whether the store answers.
            self._client.search_experiments(max_results=1)

    def begin(self, record: StudyRecord) -> None:
        """See `sparsesearch.tracking.Tracker.begin`."""
        self._record = record
        with tracking_errors(self._uri):
            self._experiment = self._find_experiment(record)
            self._close_orphans()
            self._parent = self._create_run(
                f"{record.name} {time.strftime('%Y-%m-%d %H:%M:%S')}", {SEARCH_TAG: record.search}
            )
            params = {name: value for name, value in record.definition.items() if value is not None}
            if record.inspection:
                params |= {
                    "data.source": record.inspection.data_source,
                    "model.weights": record.inspection.weights,
                    "model.prunable_weights": record.inspection.prunable_weights,
                    **{f"data.{split}": count for split, count in record.inspection.examples.items()},
                    **{f"version.{name}": version for name, version in record.inspection.versions.items()},
                }
            self._client.log_batch(self._parent, params=_params(params))

    def start(self, trial: Trial) -> None:
        """See `sparsesearch.tracking.Tracker.start`."""
        with tracking_errors(self._uri):
            run = self._create_run(
                _title(trial),
                {SEARCH_TAG: self._record.search, TRIAL_TAG: str(trial.number), PARENT_TAG: self._parent},
            )
            self._runs[trial.number] = run
            asked: dict[str, Any] = {"seed": trial.seed, **trial.candidate_parameters}
            if trial.attempt:
                asked["attempt"] = trial.attempt
            if trial.schedule:
                steps = ("begin_step", "end_step", "frequency")
                asked |= {f"snapped.{name}": getattr(trial.schedule, name) for name in steps}
            self._client.log_batch(run, params=_params(asked))

    def epoch(self, event: EpochEnd) -> None:
        """See `sparsesearch.tracking.Tracker.epoch`."""
        if event.number not in self._runs:  # its last words came after its end
            return
        self._epochs.setdefault(event.number, []).extend(_metrics(event.metrics, step=event.epoch))
        # Small networks have many epochs in a second, and every request costs milliseconds.
        if time.monotonic() - self._sent.get(event.number, 0.0) > EPOCH_SECONDS:
            with tracking_errors(self._uri):
                self._send_epochs(event.number, self._runs[event.number])
            self._sent[event.number] = time.monotonic()

    def finish(self, trial: Trial, files: Mapping[str, bytes]) -> None:
        """See `sparsesearch.tracking.Tracker.finish`."""
        run = self._runs.pop(trial.number, None)
        if run is None:
            return  # its start could not be recorded either
        with tracking_errors(self._uri):
            self._send_epochs(trial.number, run)
            if trial.measurement:
                self._log_measurement(run, trial, trial.measurement)
                self._log_times_smaller(run, trial)
            tags = {"reason": trial.reason} if trial.reason else {}
            if trial.same_as is not None:
                tags["same_as"] = f"trial {trial.same_as}"
            self._client.log_batch(run, tags=_tags(tags))
            self._log_files(run, files)
            self._client.set_terminated(run, STATUSES[trial.status])

    def end(self, record: StudyRecord, *, interrupted: bool, failed: bool) -> None:
        """See `sparsesearch.tracking.Tracker.end`."""
        status = "FAILED" if failed else "KILLED" if interrupted else "FINISHED"
        with tracking_errors(self._uri):
            self._mark_front(record)
            volumes = record.hypervolume()
            summary: dict[str, float] = {"trials_finished": record.finished, "trials_on_front": len(record.front)}
            if len(volumes):
                summary["hypervolume"] = float(volumes[-1])
            self._client.log_batch(self._parent, metrics=_metrics(summary, step=0))
            self._client.set_terminated(self._parent, status)

    def attach_report(self, path: Path) -> None:
        """Put the report of the study beside the parent run's numbers."""
        with tracking_errors(self._uri):
            self._client.log_artifact(self._parent, str(path))

    def _send_epochs(self, number: int, run: str) -> None:
        self._log_metrics(run, self._epochs.pop(number, []))

    def _log_metrics(self, run: str, metrics: list[Metric]) -> None:
        for begin in range(0, len(metrics), BATCH_METRICS):
            self._client.log_batch(run, metrics=metrics[begin : begin + BATCH_METRICS])

    def _find_experiment(self, record: StudyRecord) -> str:
        experiment = self._find_or_create_experiment(record)
        for name, value in saved_views(record, front_filter=FRONT_FILTER).items():
            self._client.set_experiment_tag(experiment, name, value)
        return experiment

    def _find_or_create_experiment(self, record: StudyRecord) -> str:
        found = self._client.get_experiment_by_name(record.name)
        if found and found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        if found:
            return str(found.experiment_id)
        local = self._uri.startswith(("sqlite:", "file:"))
        location = (self._artifacts / record.name).absolute().as_uri() if local and self._artifacts else None
        # The kind opens the UI's pages for training rather than those for agents.
        tags = {"mlflow.note.content": record.description, "mlflow.experimentKind": "custom_model_development"}
        return str(self._client.create_experiment(record.name, artifact_location=location, tags=tags))

    def _close_orphans(self) -> None:
        experiments = [found.experiment_id for found in self._client.search_experiments()]
        wanted = f"attributes.status = 'RUNNING' AND tags.`{OWNER_TAG}` != ''"
        for run in self._client.search_runs(experiments, wanted, max_results=1000):
            if is_gone(run.data.tags[OWNER_TAG]):
                self._client.set_tag(run.info.run_id, "reason", "the search that ran it died")
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _create_run(self, name: str, tags: Mapping[str, str]) -> str:
        user = {"mlflow.user": _user(), "mlflow.source.name": "sparsesearch"}
        run = self._client.create_run(self._experiment, run_name=name, tags={**user, OWNER_TAG: self._owner, **tags})
        return str(run.info.run_id)

    def _log_measurement(self, run: str, trial: Trial, measurement: Measurement) -> None:
        values = dict(measurement.metrics)
        if trial.same_as is not None:
            epochs = enumerate(measurement.history, start=1)
            self._log_metrics(run, [one for epoch, metrics in epochs for one in _metrics(metrics, step=epoch)])
        # The latest metric is the one with the highest step: final values come after the last epoch's.
        self._client.log_batch(run, metrics=_metrics(values, step=len(measurement.history)))
        columns = {
            "weights of": [count.name for count in measurement.zeros],
            "count": [count.weights for count in measurement.zeros],
            "zeros": [count.zeros for count in measurement.zeros],
            "sparsity": [count.zeros / count.weights for count in measurement.zeros],
        }
        self._client.log_table(run, columns, ZEROS_FILE)

    def _log_times_smaller(self, run: str, trial: Trial) -> None:
        """Compare with the dense baseline, as soon as there is one."""
        if trial.number == BASELINE:
            self._record = self._record.with_trial(trial)
        self._uncompared.append((run, trial))
        if self._record.baseline is None:
            return
        for measured, one in self._uncompared:
            factor = self._record.times_smaller(one)
            if factor is not None:
                self._client.log_metric(measured, "times_smaller", factor)
        self._uncompared.clear()

    def _log_files(self, run: str, files: Mapping[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                path = Path(folder) / name
                path.write_bytes(content)
                self._client.log_artifact(run, str(path), "model")

    def _mark_front(self, record: StudyRecord) -> None:
        front = {trial.number for trial in record.front}
        for run in self._search_trials(record):
            number = int(run.data.tags[TRIAL_TAG])
            marked, belongs = run.data.tags.get(FRONT_TAG), "yes" if number in front else "no"
            if run.info.status == "FINISHED" and number != BASELINE and marked != belongs:
                self._client.set_tag(run.info.run_id, FRONT_TAG, belongs)

    def _search_trials(self, record: StudyRecord) -> Iterator[Any]:
        wanted, token = f"tags.`{TRIAL_TAG}` != '' AND tags.`{SEARCH_TAG}` = '{record.search}'", None
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def absolute_uri(uri: str) -> str:
    """``uri`` with a relative SQLite path made absolute: MLflow resolves some against other folders.

    >>> absolute_uri("http://mlflow.example:5000")
    'http://mlflow.example:5000'
    """
    prefix = "sqlite:///"
    if uri.startswith(prefix):
        return f"{prefix}{Path(uri.removeprefix(prefix)).absolute()}"
    return uri


@contextlib.contextmanager
def tracking_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow, its database or its server reports into a TrackingError."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise TrackingError(
            _without_password(f"MLflow cannot use {uri}: {reason}", uri),
            hint="check MLFLOW_TRACKING_URI in mlflow.env, or search without it: --no-tracking",
        ) from error


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """MLflow asks a server for minutes before it gives up: right in the middle of a search, not at its start."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _without_password(text: str, uri: str) -> str:
    password = urlparse(uri).password
    return text.replace(password, "***") if password else text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        return "unknown"


def _title(trial: Trial) -> str:
    if trial.candidate is None:
        return "dense baseline"
    if trial.attempt:
        return f"{trial.number:03d} {trial.attempt}"
    # The UI cuts names after some fifteen letters.
    return f"{trial.number:03d} {trial.candidate.schedule[:5]} {trial.candidate.final_sparsity:.3f}"


def _params(values: Mapping[str, Any]) -> list[Param]:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    return [Param(name, text) for name, text in texts.items()]


def _metrics(values: Mapping[str, float], *, step: int) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, float(value), now, step) for name, value in values.items()]


def _tags(values: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value[:5000]) for name, value in values.items()]
