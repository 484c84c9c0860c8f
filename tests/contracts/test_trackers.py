"""Every tracker takes a whole search, an interrupted one, and a failing one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsesearch.executor import InlineExecutor
from sparsesearch.mlflow_tracker import MlflowTracker
from sparsesearch.optuna_sampler import OptunaSampler
from sparsesearch.optuna_storage import OptunaStorage
from sparsesearch.problems import AnalyticProblem, analytic_study
from sparsesearch.search import search
from sparsesearch.tracking import NullTracker, Tracker

Make = Callable[[], Tracker]


@pytest.fixture(params=["null", "mlflow"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "null":
        return NullTracker
    return lambda: MlflowTracker(f"sqlite:///{tmp_path}/mlflow.db", artifacts=tmp_path / "artifacts")


def run(
    tracker: Tracker, url: str, *, trials: int, problem: AnalyticProblem, interrupt_at: int | None = None
) -> OptunaSampler:
    """Search the analytic problem, and interrupt it when trial ``interrupt_at`` starts."""
    executor, study = InlineExecutor(problem), analytic_study()
    sampler = OptunaSampler(study, executor.inspect(), storage=OptunaStorage(url, create=True), sampler="random")
    events = search(
        study, inspection=executor.inspect(), sampler=sampler, executor=executor, tracker=tracker, trials=trials
    )
    with contextlib.closing(events):
        for event in events:
            if event.number == interrupt_at:
                break
    return sampler


def test_a_search_and_its_continuation(make: Make, storage_url: str) -> None:
    run(make(), storage_url, trials=3, problem=AnalyticProblem())
    assert run(make(), storage_url, trials=5, problem=AnalyticProblem()).record().finished == 5


def test_failed_trials(make: Make, storage_url: str) -> None:
    assert run(make(), storage_url, trials=3, problem=AnalyticProblem(fails_above=0.1)).record().complete == []


def test_an_interrupted_search(make: Make, storage_url: str) -> None:
    sampler = run(make(), storage_url, trials=9, problem=AnalyticProblem(), interrupt_at=2)
    assert sampler.record().finished < 9


def test_a_search_that_a_bug_ends(make: Make, storage_url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        run(make(), storage_url, trials=9, problem=AnalyticProblem(breaks_above=0.1))
