"""What several test modules need: small trials, searches over the analytic problem, real data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparsesearch.executor import InlineExecutor
from sparsesearch.optuna_sampler import OptunaSampler
from sparsesearch.optuna_storage import OptunaStorage
from sparsesearch.problems import AnalyticProblem, analytic_study
from sparsesearch.record import StudyRecord
from sparsesearch.search import search
from sparsesearch.tracking import NullTracker

# TensorFlow reads it at its first import, whichever test module that is.
os.environ["TF_USE_LEGACY_KERAS"] = "1"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own, with no setting from the outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "SPARSESEARCH_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def storage_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/optuna.db"


@pytest.fixture
def searched(storage_url: str) -> Callable[..., StudyRecord]:
    """A function that searches the analytic problem and gives its record."""

    def run(
        trials: int = 12, problem: AnalyticProblem | None = None, *, fresh: bool = False, **changes: object
    ) -> StudyRecord:
        study = analytic_study(**changes)
        executor = InlineExecutor(problem or AnalyticProblem())
        inspection = executor.inspect()
        storage = OptunaStorage(storage_url, create=True)
        sampler = OptunaSampler(study, inspection, storage=storage, sampler="random", fresh=fresh)
        list(
            search(
                study, inspection=inspection, sampler=sampler, executor=executor, tracker=NullTracker(), trials=trials
            )
        )
        return sampler.record()

    return run


@pytest.fixture
def real_data() -> Iterator[Path]:
    folder = os.environ.get("SPARSESEARCH_DATA")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("no MNIST files: SPARSESEARCH_DATA names no folder with mnist/ in it")
    yield Path(folder)
