"""Optuna as the sampler of a search: asks it for candidates, tells it what became of them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sparsesearch.attempts import Attempt
from sparsesearch.errors import StudyError, close_names
from sparsesearch.inspection import Inspection
from sparsesearch.optuna_storage import (
    ATTRIBUTE,
    BASELINE_ATTRIBUTE,
    OWNER,
    OptunaStorage,
    read_record,
    read_trial,
    storage_errors,
    trial_fields,
)
from sparsesearch.process import is_gone, this_process
from sparsesearch.record import StudyRecord
from sparsesearch.search import ATTEMPTS
from sparsesearch.space import POLYNOMIAL_ONLY, Choice, Domain, Int, SearchSpace, Value
from sparsesearch.study import Study
from sparsesearch.trial import BASELINE, Trial, TrialStatus

SAMPLERS = ("tpe", "nsga2", "random", ATTEMPTS)
OWNERLESS_SECONDS = 60


class OptunaSampler:
    """Implements `sparsesearch.search.Sampler` on an Optuna study.

    Trials that a dead process left running are stopped when the sampler is made, and asked again.

    Raises:
        StudyError: an unknown sampler.
        StorageError: the storage holds a differently defined study of that name.
    """

    def __init__(
        self, study: Study, inspection: Inspection, *, storage: OptunaStorage, sampler: str = "tpe", fresh: bool = False
    ) -> None:
        check_sampler(sampler, study)
        self._space: SearchSpace = study.space
        self._seed = study.seed
        self._attempts = study.attempts if sampler == ATTEMPTS else None
        self._url = storage.shown_url
        self._owner = this_process()
        self._study = storage.open(study, inspection, fresh=fresh)
        with storage_errors(self._url):
            # A resumed search must not draw the random numbers of the first one again.
            seeds = np.random.SeedSequence([study.seed, len(self._study.get_trials(deepcopy=False))])
            self._study.sampler = _sampler(sampler, seed=int(seeds.generate_state(1)[0]), trials=study.trials)
            self._running: dict[int, optuna.Trial] = {}
            for name in storage.names():
                self._recover(optuna.load_study(study_name=name, storage=storage.rdb))

    def ask(self) -> Trial | None:
        """See `sparsesearch.search.Sampler.ask`."""
        with storage_errors(self._url):
            if self._attempts is None:
                asked = self._study.ask()
                candidate = self._space.candidate(lambda name, domain: _suggest(asked, name, domain))
                # One seed for the whole study: trials differ by their schedule, not by their luck.
                return self._started(asked, candidate=candidate, seed=self._seed)
            missing = self.record().missing(self._attempts, seed=self._seed)
            return self._attempted(missing[0]) if missing else None

    def tell(self, trial: Trial) -> None:
        """See `sparsesearch.search.Sampler.tell`."""
        with storage_errors(self._url):
            if trial.number == BASELINE:
                if trial.measurement:
                    self._study.set_user_attr(BASELINE_ATTRIBUTE, trial.measurement.to_json())
                return
            running = self._running[trial.number]
            running.set_user_attr(ATTRIBUTE, trial_fields(trial))
            if trial.status is TrialStatus.COMPLETE:
                goals = read_objectives(self._study)
                self._study.tell(running, [trial.metrics[metric] for metric in goals])
            else:
                if trial.status is TrialStatus.STOPPED:
                    _repeat(self._study, trial)
                self._study.tell(running, state=TrialState.FAIL)
            del self._running[trial.number]

    def record(self) -> StudyRecord:
        """See `sparsesearch.search.Sampler.record`."""
        with storage_errors(self._url):
            return read_record(self._study)

    def _attempted(self, attempt: Attempt) -> Trial:
        parameters = attempt.candidate.parameters
        # Not asked of the study, which would give what is in its queue first.
        template = create_trial(state=TrialState.RUNNING, system_attrs={"fixed_params": parameters})
        asked = optuna.Trial(self._study, self._study._storage.create_new_trial(self._study._study_id, template))
        for name, domain in self._space.domains.items():
            # Optuna learns from what lies inside the space, and is not told of the rest.
            if parameters.get(name) in domain:
                _suggest(asked, name, domain)
        seed = attempt.seed_in(self._seed)
        return self._started(asked, candidate=attempt.candidate, seed=seed, attempt=attempt.name)

    def _started(self, asked: optuna.Trial, **fields: Any) -> Trial:
        trial = Trial(number=asked.number, status=TrialStatus.RUNNING, **fields)
        asked.set_user_attr(OWNER, self._owner)
        asked.set_user_attr(ATTRIBUTE, trial_fields(trial))
        self._running[trial.number] = asked
        return trial

    def _recover(self, study: optuna.Study) -> None:
        for frozen in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            if _is_abandoned(frozen):
                self._close(study, frozen)

    def _close(self, study: optuna.Study, frozen: FrozenTrial) -> None:
        running = optuna.Trial(study, frozen._trial_id)
        if ATTRIBUTE in frozen.user_attrs:
            died = "the search that ran it died"
            trial = dataclasses.replace(read_trial(frozen), status=TrialStatus.STOPPED, reason=died, measurement=None)
            running.set_user_attr(ATTRIBUTE, trial_fields(trial))
            _repeat(study, trial)
        study.tell(running, state=TrialState.FAIL)


def check_sampler(name: str, study: Study) -> None:
    """Raise a StudyError unless ``name`` is one of SAMPLERS, and ``study`` has what it needs."""
    if name not in SAMPLERS:
        raise StudyError(f"there is no sampler {name!r}", hint=close_names(name, SAMPLERS))
    if name == ATTEMPTS and not study.attempts:
        raise StudyError(
            f"study {study.name!r} has no attempts", hint="attempts=(attempts.constant(0.5), ...) in the study file"
        )


def read_objectives(study: optuna.Study) -> list[str]:
    """Metrics of the objectives, in the order of Optuna's values."""
    return [metric for metric, _ in study.user_attrs[ATTRIBUTE]["objectives"]]


def importances(storage: OptunaStorage, record: StudyRecord) -> dict[str, dict[str, float]]:
    """Share of each objective's variance that each searched parameter explains, by metric and parameter.

    fANOVA (Hutter et al. 2014) over the complete trials that have all of these parameters, which attempts outside
    the space have not; parameters of one schedule type only are left out. Empty while there are too few trials.
    """
    study = optuna.load_study(study_name=record.name, storage=storage.rdb)
    found: dict[str, dict[str, float]] = {}
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    names = {name for trial in complete for name in trial.params}
    if "schedule" in names:
        names -= set(POLYNOMIAL_ONLY)
    inside = [trial for trial in complete if names <= trial.params.keys()]
    if len(inside) < 4:
        return found
    study = optuna.create_study(directions=study.directions)
    study.add_trials(inside)
    for position, goal in enumerate(record.objectives):
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        try:
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator, target=_value(position))
        except (ValueError, RuntimeError):
            # Optuna refuses objectives that did not vary: then no parameter explains anything.
            continue
        found[goal.metric] = {name: float(share) for name, share in shares.items()}
    return found


def _value(position: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[position]


def _sampler(name: str, *, seed: int, trials: int) -> BaseSampler:
    if name == "tpe":
        return TPESampler(seed=seed)
    if name in ("random", ATTEMPTS):
        return RandomSampler(seed=seed)
    # Optuna's population of 50 would never see a second generation in a study of 24 trials.
    return NSGAIISampler(seed=seed, population_size=min(50, max(8, trials // 4)))


def _is_abandoned(frozen: FrozenTrial) -> bool:
    owner = frozen.user_attrs.get(OWNER)
    if owner is not None:
        return is_gone(owner)
    # Cut off between ask and its first attribute, unless that is happening right now.
    started = frozen.datetime_start
    return started is None or (datetime.datetime.now() - started).total_seconds() > OWNERLESS_SECONDS


def _repeat(study: optuna.Study, stopped: Trial) -> None:
    """Have the candidate asked again; an attempt is repeated when attempts are asked for."""
    if not stopped.attempt:
        study.enqueue_trial(stopped.candidate_parameters, skip_if_exists=False)


def _suggest(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    if isinstance(domain, Choice):
        chosen: Any = trial.suggest_categorical(name, domain.values)
        return chosen  # type: ignore[no-any-return]
    if isinstance(domain, Int):
        return trial.suggest_int(name, domain.low, domain.high, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.high, log=domain.log)
