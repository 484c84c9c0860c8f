"""The loop: ask -> submit -> tell -> track, until the study has its number of finished trials."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, Protocol

from sparsesearch.errors import EvaluationError, SparsesearchError, StudyError
from sparsesearch.executor import Assignment, EpochEnd, Executor, Outcome
from sparsesearch.inspection import Inspection
from sparsesearch.record import StudyRecord
from sparsesearch.schedule import snap
from sparsesearch.study import Study
from sparsesearch.tracking import Tracker
from sparsesearch.trial import BASELINE, Evaluation, Trial, TrialStatus

ATTEMPTS = "attempts"  # the sampler that proposes a study's named candidates, and nothing of its own
POLL_SECONDS = 0.2  # how long a request to stop may wait

Event = Trial | EpochEnd


class Sampler(Protocol):
    """Proposes candidates and remembers trials: the search's memory."""

    def ask(self) -> Trial | None:
        """A new RUNNING trial and its seed, stopped candidates first; None when there is nothing to try."""
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
    baseline is the first to start, unless the study has one. ``should_start`` is asked before each new
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
            while run.wants_more(trials) and should_start() and not should_stop():
                yield from run.start_next()
            if not run.running:
                break
            event = executor.next_event(POLL_SECONDS)
            if event is not None:
                yield from run.take(event)
        # What is done already is not given up.
        while interrupted and (event := executor.next_event(0)) is not None:
            yield from run.take(event)
        failed = False
    except (GeneratorExit, KeyboardInterrupt):
        interrupted, failed = True, False
        raise
    finally:
        reason = "interrupted" if interrupted else "the search ended"
        stopped = run.give_up(reason, interrupted=interrupted, failed=failed)
    yield from stopped


class _Run:
    """What one call of `search` has asked for and not yet told."""

    def __init__(
        self, study: Study, inspection: Inspection, sampler: Sampler, executor: Executor, tracker: Tracker
    ) -> None:
        self._study = study
        self._total_steps = inspection.total_steps
        self._sampler, self._executor, self._tracker = sampler, executor, tracker
        self.record = sampler.record()
        self._finished = self.record.finished
        self._open: dict[int, Trial] = {}  # asked and not told
        self.running: set[int] = set()  # of these, submitted to the executor
        # Of these, the others: they wait for an equal one that is being trained.
        self._waiting: defaultdict[int, list[int]] = defaultdict(list)
        self._trained = {(trial.schedule, trial.seed): trial for trial in self.record.complete if trial.same_as is None}
        self._complete = list(self.record.complete)
        self._exhausted = False  # the sampler has nothing more to try

    def wants_more(self, trials: int) -> bool:
        """Whether a slot is free and the total not yet reached by what is finished and open."""
        proposed = len(self._open) - (BASELINE in self._open)
        free = len(self.running) < self._executor.slots
        return free and not self._exhausted and self._finished + proposed < trials

    def start_baseline(self) -> Iterator[Event]:
        if self.record.baseline is None:
            seed = self._study.seed
            asked = Trial(number=BASELINE, status=TrialStatus.RUNNING, candidate=None, seed=seed)
            yield self._submit(self._open_trial(asked))

    def start_next(self) -> Iterator[Event]:
        asked = self._sampler.ask()
        if asked is None:
            self._exhausted = True
            return
        trial = self._open_trial(asked)
        key = trial.schedule, trial.seed
        running = (self._open[number] for number in self.running)
        leader = next((one for one in running if (one.schedule, one.seed) == key), None)
        if key in self._trained:
            yield trial
            yield from self._copy(self._trained[key], trial)
        elif leader is not None:
            self._waiting[leader.number].append(trial.number)
            yield trial
        else:
            yield self._submit(trial)

    def take(self, event: EpochEnd | Outcome) -> Iterator[Event]:
        if isinstance(event, EpochEnd):
            self._tracker.epoch(event)
            yield event
        else:
            yield from self._finish(event)

    def give_up(self, reason: str, *, interrupted: bool, failed: bool) -> list[Trial]:
        """Close what is still open, here and in the tracker, whatever of it fails; the first error is raised."""
        stopped = [self._ended(trial, TrialStatus.STOPPED, reason=reason) for trial in self._open.values()]
        errors: list[Exception] = []
        # The source of truth first: the tracker may be what failed.
        steps: list[Callable[[], None]] = [partial(self._sampler.tell, trial) for trial in stopped]
        steps += [partial(self._tracker.finish, trial, {}) for trial in stopped]
        steps.append(lambda: self._tracker.end(self._sampler.record(), interrupted=interrupted, failed=failed))
        for step in steps:
            try:
                step()
            except SparsesearchError as error:
                errors.append(error)
        if errors and not failed:
            raise errors[0]
        return stopped

    def _open_trial(self, asked: Trial) -> Trial:
        """Give an asked trial its steps, and record that it started."""
        self._open[asked.number] = asked
        schedule = snap(asked.candidate, total_steps=self._total_steps) if asked.candidate else None
        trial = dataclasses.replace(asked, schedule=schedule, started=time.time())
        self._open[trial.number] = trial
        self._tracker.start(trial)
        return trial

    def _submit(self, trial: Trial) -> Trial:
        self.running.add(trial.number)
        self._executor.submit(Assignment(number=trial.number, schedule=trial.schedule, seed=trial.seed))
        return trial

    def _finish(self, outcome: Outcome) -> Iterator[Event]:
        started = self._open[outcome.number]
        result = self._checked(outcome.result)
        if isinstance(result, EvaluationError):
            trial = self._ended(started, TrialStatus.FAILED, reason=str(result))
            files = {}
        else:
            trial = self._ended(started, TrialStatus.COMPLETE, measurement=result.measurement)
            files = dict(result.files) if self._is_on_front(trial) else {}
        self.running.discard(trial.number)
        self._close(trial, files)
        yield trial
        if trial.number == BASELINE:
            if trial.status is TrialStatus.FAILED:
                raise StudyError(
                    f"the dense baseline of study {self._study.name!r} failed: {trial.reason}",
                    hint="trials are measured against it, so it must train",
                )
            return
        if trial.status is TrialStatus.COMPLETE:
            self._complete.append(trial)
            self._trained[trial.schedule, trial.seed] = trial
        for number in self._waiting.pop(trial.number, []):
            yield from self._copy(trial, self._open[number])

    def _copy(self, trained: Trial, follower: Trial) -> Iterator[Event]:
        trial = self._ended(
            follower,
            trained.status,
            measurement=trained.measurement,
            reason=trained.reason,
            same_as=trained.number,
        )
        self._close(trial, {})
        yield trial

    def _close(self, trial: Trial, files: dict[str, bytes]) -> None:
        self._sampler.tell(trial)
        del self._open[trial.number]
        self._finished += trial.number != BASELINE
        self._tracker.finish(trial, files)

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
