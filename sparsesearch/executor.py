"""Where trials run: the protocol, the messages that cross it, and an executor in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sparsesearch.errors import EvaluationError
from sparsesearch.inspection import Inspection
from sparsesearch.schedule import Schedule
from sparsesearch.trial import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a worker is asked to evaluate."""

    number: int  # of the trial, or BASELINE
    schedule: Schedule | None  # None trains without pruning
    seed: int  # of weights, data order and dropout


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd:
    """Progress of one trial: what Keras reported at the end of an epoch, and the sparsity now."""

    number: int
    epoch: int  # counted from 1
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """End of one evaluation: its result, or the error that prevented it."""

    number: int
    result: Evaluation | EvaluationError


Report = Callable[[EpochEnd], None]


class Evaluator(Protocol):
    """Knows how to evaluate one study; the part of it that travels to the workers."""

    def warm(self) -> None:
        """Get ready as far as that goes without the study's data; what is wrong is said by `inspect`."""
        ...

    def inspect(self) -> Inspection:
        """Check the study's model and data, and get ready to evaluate.

        Raises:
            SparsesearchError: what the user has to mend before a trial can run.
        """
        ...

    def evaluate(self, assignment: Assignment, report: Report) -> Evaluation:
        """Train and measure; ``report`` is called at the end of every epoch.

        Raises:
            EvaluationError: this evaluation failed, others need not.
        """
        ...


class Executor(Protocol):
    """Runs evaluations somewhere; results arrive in the order in which they are done.

    An error that is no `EvaluationError` is raised by `next_event`: it concerns the whole search.
    """

    @property
    def slots(self) -> int:
        """How many evaluations run at a time."""
        ...

    def inspect(self) -> Inspection:
        """What the evaluator finds out about its study, where the evaluations will run."""
        ...

    def submit(self, assignment: Assignment) -> None:
        """Start an evaluation, or queue it."""
        ...

    def next_event(self, timeout: float) -> EpochEnd | Outcome | None:
        """The next message, or None after ``timeout`` seconds without one; 0 takes only what is there."""
        ...

    def close(self) -> None:
        """Give up what still runs and free every resource."""
        ...


class InlineExecutor:
    """Runs one evaluation at a time in the calling process, inside `next_event`."""

    slots = 1

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._waiting: deque[Assignment] = deque()
        self._events: deque[EpochEnd | Outcome] = deque()

    def inspect(self) -> Inspection:
        """See `Executor.inspect`."""
        return self._evaluator.inspect()

    def submit(self, assignment: Assignment) -> None:
        """See `Executor.submit`."""
        self._waiting.append(assignment)

    def next_event(self, timeout: float) -> EpochEnd | Outcome | None:
        """See `Executor.next_event`; runs a whole evaluation, unless ``timeout`` is 0."""
        if not self._events and self._waiting and timeout > 0:
            self._evaluate(self._waiting.popleft())
        return self._events.popleft() if self._events else None

    def close(self) -> None:
        """See `Executor.close`."""
        self._waiting.clear()
        self._events.clear()

    def _evaluate(self, assignment: Assignment) -> None:
        try:
            result: Evaluation | EvaluationError = self._evaluator.evaluate(assignment, self._events.append)
        except EvaluationError as error:
            result = error
        self._events.append(Outcome(number=assignment.number, result=result))
