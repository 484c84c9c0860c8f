"""Every executor keeps the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sparsesearch.dask_executor import DaskExecutor
from sparsesearch.errors import EvaluationError
from sparsesearch.executor import Assignment, EpochEnd, Evaluator, Executor, InlineExecutor, Outcome
from sparsesearch.problems import AnalyticProblem
from sparsesearch.schedule import ConstantSparsity
from sparsesearch.trial import Evaluation

Make = Callable[[Evaluator], Executor]


@pytest.fixture(params=["inline", "dask"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    opened: list[Executor] = []

    def start(evaluator: Evaluator) -> Executor:
        opened.append(InlineExecutor(evaluator) if request.param == "inline" else DaskExecutor(evaluator, workers=2))
        return opened[-1]

    yield start
    for executor in opened:
        executor.close()


def assignment(number: int, sparsity: float = 0.5) -> Assignment:
    schedule = ConstantSparsity(final_sparsity=sparsity, begin_step=0, end_step=400, frequency=1)
    return Assignment(number=number, schedule=schedule, seed=0)


def outcomes(executor: Executor, count: int) -> tuple[dict[int, Outcome], list[EpochEnd]]:
    done: dict[int, Outcome] = {}
    epochs = []
    while len(done) < count:
        event = executor.next_event(timeout=10)
        assert event is not None, "nothing happened for ten seconds"
        if isinstance(event, Outcome):
            done[event.number] = event
        else:
            epochs.append(event)
    return done, epochs


def test_results_are_the_evaluators(make: Make) -> None:
    executor = make(AnalyticProblem())
    assert executor.inspect() == AnalyticProblem().inspect()
    for number in range(4):
        executor.submit(assignment(number, sparsity=0.2 * (number + 1)))
    done, _ = outcomes(executor, 4)
    for number, outcome in done.items():
        expected = AnalyticProblem().evaluate(assignment(number, sparsity=0.2 * (number + 1)), lambda event: None)
        assert outcome.result == expected


def test_epochs_arrive_in_order_and_before_the_end(make: Make) -> None:
    executor = make(AnalyticProblem(epoch_seconds=0.05))
    executor.submit(assignment(3))
    _, epochs = outcomes(executor, 1)
    assert [(event.number, event.epoch) for event in epochs] == [(3, 1), (3, 2), (3, 3), (3, 4)]
    assert epochs[-1].metrics["sparsity"] == 0.5


def test_a_failed_evaluation_is_a_result(make: Make) -> None:
    executor = make(AnalyticProblem(fails_above=0.6))
    executor.submit(assignment(0, sparsity=0.9))
    executor.submit(assignment(1, sparsity=0.3))
    done, _ = outcomes(executor, 2)
    assert isinstance(done[0].result, EvaluationError)
    assert "loss is nan" in str(done[0].result)
    assert isinstance(done[1].result, Evaluation)


def test_a_bug_is_raised_with_its_traceback(make: Make) -> None:
    executor = make(AnalyticProblem(breaks_above=0.6))
    executor.submit(assignment(0, sparsity=0.9))
    with pytest.raises(ZeroDivisionError, match="a bug in the evaluator") as caught:
        outcomes(executor, 1)
    assert any(entry.name == "evaluate" for entry in caught.traceback)


def test_waiting_ends_after_its_timeout(make: Make) -> None:
    assert make(AnalyticProblem()).next_event(timeout=0.05) is None


def test_closing_gives_up_what_runs(make: Make) -> None:
    executor = make(AnalyticProblem(epoch_seconds=0.2))
    executor.submit(assignment(0))
    executor.submit(assignment(1))
    executor.close()
    while (event := executor.next_event(timeout=0.2)) is not None:
        assert isinstance(event, EpochEnd) or isinstance(event.result, EvaluationError)
