"""The loop: ask -> submit -> tell -> track, until the study has its number of finished trials."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

from sparsesearch.errors import EvaluationError, StudyError
from sparsesearch.executor import Assignment, EpochEnd, Executor, Outcome
from sparsesearch.inspection import Inspection
from sparsesearch.record import StudyRecord
from sparsesearch.schedule import snap
from sparsesearch.study import Study
from sparsesearch.tracking import Tracker
from sparsesearch.trial import BASELINE, Evaluation, Trial, TrialStatus

POLL_SECONDS = 0.2  # how long a request to stop may wait

Event = Trial | EpochEnd


class Sampler(Protocol):
    """Proposes candidates and remembers trials: the search's memory."""

    def ask(self) -> Trial:
        """A new RUNNING trial; candidates of stopped trials come first."""
        ...

    def tell(self, trial: Trial) -> None:
        """Store a trial, or the baseline, that is no longer running; a STOPPED one will be asked again."""
        ...

    def record(self) -> StudyRecord:
        """The study as it is now."""
        ...


def search(
    study: Study,
    *,
    inspection: Inspection,
    sampler: Sampler,
    executor: Executor,
    tracker: Tracker,
    trials: int,
    should_stop: Callable[[], bool] = lambda: False,
    should_start: Callable[[], bool] = lambda: True,
) -> Generator[Event]:
    """Search ``study`` until it has ``trials`` finished trials, those of earlier searches included.

    Yields every trial twice, when it starts and when it ends, and the epochs between. The dense
    baseline is evaluated first, unless the study has one. ``should_start`` is asked before each new
    trial, ``should_stop`` at least every POLL_SECONDS: once it is true, running trials are given up
    as STOPPED. The same happens when the generator is closed or an error ends it.

    Raises:
        StudyError: the dense baseline cannot be trained.
    """
    run = _Run(study, inspection, sampler, executor, tracker)
    tracker.begin(run.record)
    interrupted, failed = False, True
    try:
        yield from run.start_baseline()
        while not (interrupted := should_stop()):
            while run.wants_more(trials) and should_start():
                yield from run.start_next()
            if not run.running:
                break
            event = executor.next_event(POLL_SECONDS)
            if isinstance(event, EpochEnd):
                tracker.epoch(event)
                yield event
            elif event is not None:
                yield from run.finish(event)
        failed = False
    except GeneratorExit:
        interrupted, failed = True, False
        raise
    finally:
        stopped = run.give_up("interrupted" if interrupted else "the search ended")
        tracker.end(sampler.record(), interrupted=interrupted, failed=failed)
    yield from stopped


class _Run:
    """What is running in one call of `search`."""

    def __init__(
        self, study: Study, inspection: Inspection, sampler: Sampler, executor: Executor, tracker: Tracker
    ) -> None:
        self._study = study
        self._total_steps = inspection.total_steps
        self._sampler, self._executor, self._tracker = sampler, executor, tracker
        self.record = sampler.record()
        self.running: dict[int, Trial] = {}
        self._finished = self.record.finished
        # Trials wait for an equal one that is being trained; later ones take its measurement at once.
        self._waiting: defaultdict[int, list[Trial]] = defaultdict(list)
        self._trained = {(trial.schedule, trial.seed): trial for trial in self.record.complete if trial.same_as is None}
        self._complete = list(self.record.complete)

    def wants_more(self, trials: int) -> bool:
        """Whether a slot is free and the total not yet reached by what is finished and running."""
        waiting = sum(map(len, self._waiting.values()))
        proposed = len(self.running) - (BASELINE in self.running) + waiting
        return self._finished + proposed < trials and len(self.running) < self._executor.slots

    def start_baseline(self) -> Iterator[Event]:
        if self.record.baseline is None:
            yield self._start(Trial(number=BASELINE, status=TrialStatus.RUNNING, candidate=None, seed=self._study.seed))

    def start_next(self) -> Iterator[Event]:
        asked = self._sampler.ask()
        if asked.candidate is None:
            raise ValueError(f"the sampler proposed trial {asked.number} without a candidate")
        # One seed for the whole study: trials differ by their schedule, not by their luck.
        trial = dataclasses.replace(
            asked, schedule=snap(asked.candidate, total_steps=self._total_steps), seed=self._study.seed
        )
        key = trial.schedule, trial.seed
        if key in self._trained:
            self._tracker.start(trial)
            yield trial
            yield from self._copy(self._trained[key], trial)
        elif leader := next((one for one in self.running.values() if (one.schedule, one.seed) == key), None):
            self._tracker.start(trial)
            self._waiting[leader.number].append(trial)
            yield trial
        else:
            yield self._start(trial)

    def finish(self, outcome: Outcome) -> Iterator[Event]:
        started = self.running[outcome.number]
        result = self._checked(outcome.result)
        if isinstance(result, EvaluationError):
            trial = self._ended(started, TrialStatus.FAILED, reason=str(result))
            files = {}
        else:
            trial = self._ended(started, TrialStatus.COMPLETE, measurement=result.measurement)
            files = dict(result.files) if self._is_on_front(trial) else {}
        self._sampler.tell(trial)
        self._tracker.finish(trial, files)
        del self.running[trial.number]
        yield trial
        if trial.number == BASELINE:
            if trial.status is TrialStatus.FAILED:
                raise StudyError(
                    f"the dense baseline of study {self._study.name!r} failed: {trial.reason}",
                    hint="without pruning the training must work; check learning_rate and the data",
                )
            return
        self._count(trial)
        for follower in self._waiting.pop(trial.number, []):
            yield from self._copy(trial, follower)

    def give_up(self, reason: str) -> list[Trial]:
        """Close what is still open."""
        open_trials = [*self.running.values(), *(trial for group in self._waiting.values() for trial in group)]
        stopped = [self._ended(trial, TrialStatus.STOPPED, reason=reason) for trial in open_trials]
        self.running.clear()
        self._waiting.clear()
        # The source of truth first: the tracker may be what failed.
        for trial in stopped:
            self._sampler.tell(trial)
        for trial in stopped:
            self._tracker.finish(trial, {})
        return stopped

    def _start(self, trial: Trial) -> Trial:
        started = dataclasses.replace(trial, started=time.time())
        self.running[trial.number] = started
        self._tracker.start(started)
        self._executor.submit(Assignment(number=trial.number, schedule=trial.schedule, seed=trial.seed))
        return started

    def _copy(self, trained: Trial, follower: Trial) -> Iterator[Event]:
        trial = self._ended(
            follower,
            trained.status,
            measurement=trained.measurement,
            reason=trained.reason,
            same_as=trained.number,
        )
        self._sampler.tell(trial)
        self._tracker.finish(trial, {})
        self._finished += 1
        yield trial

    def _count(self, trial: Trial) -> None:
        self._finished += 1
        if trial.status is TrialStatus.COMPLETE:
            self._complete.append(trial)
            self._trained[trial.schedule, trial.seed] = trial

    def _checked(self, result: Evaluation | EvaluationError) -> Evaluation | EvaluationError:
        if isinstance(result, EvaluationError):
            return result
        metrics = result.measurement.metrics
        for goal in self._study.objectives:
            if not math.isfinite(metrics[goal.metric]):
                return EvaluationError(f"{goal.metric} is {metrics[goal.metric]}")
        return result

    def _is_on_front(self, trial: Trial) -> bool:
        if trial.number == BASELINE:
            return True
        known = dataclasses.replace(self.record, trials=(*self._complete, trial))
        return any(trial.number == other.number for other in known.front)

    @staticmethod
    def _ended(trial: Trial, status: TrialStatus, **changes: Any) -> Trial:
        return dataclasses.replace(trial, status=status, finished=time.time(), **changes)
