"""What people find in MLflow after a search."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sparsesearch.errors import TrackingError
from sparsesearch.mlflow_tracker import FRONT_FILTER, FRONT_TAG, PARENT_TAG, TRIAL_TAG, MlflowTracker, absolute_uri
from sparsesearch.problems import AnalyticProblem
from sparsesearch.trial import BASELINE
from tests.contracts.test_trackers import run


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def tracker(uri: str, tmp_path: Path) -> MlflowTracker:
    return MlflowTracker(uri, artifacts=tmp_path / "artifacts")


def runs(uri: str, wanted: str = "") -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("analytic")
    return list(client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time"]))


def children(uri: str) -> dict[int, Run]:
    return {int(run.data.tags[TRIAL_TAG]): run for run in runs(uri) if TRIAL_TAG in run.data.tags}


def test_one_parent_and_one_child_for_the_baseline_and_every_trial(
    tracker: MlflowTracker, uri: str, storage_url: str
) -> None:
    run(tracker, storage_url, trials=3, problem=AnalyticProblem())
    parents = [one for one in runs(uri) if PARENT_TAG not in one.data.tags]
    assert len(parents) == 1
    assert parents[0].data.params["objectives"] == "maximize accuracy, minimize zipped_tflite_bytes"
    assert sorted(children(uri)) == [BASELINE, 0, 1, 2]
    assert {one.data.tags[PARENT_TAG] for one in children(uri).values()} == {parents[0].info.run_id}
    assert {one.info.status for one in runs(uri)} == {"FINISHED"}
    assert children(uri)[BASELINE].info.run_name == "dense baseline"


def test_a_child_holds_parameters_metrics_and_zeros(tracker: MlflowTracker, uri: str, storage_url: str) -> None:
    record = run(tracker, storage_url, trials=2, problem=AnalyticProblem()).record()
    trial, child = record.trials[0], children(uri)[0]
    assert trial.candidate is not None and trial.schedule is not None
    assert float(child.data.params["final_sparsity"]) == trial.candidate.final_sparsity
    assert int(child.data.params["snapped.end_step"]) == trial.schedule.end_step
    assert child.data.metrics["accuracy"] == trial.metrics["accuracy"]
    assert child.data.metrics["times_smaller"] == pytest.approx(record.times_smaller(trial))
    client = MlflowClient(tracking_uri=uri)
    curve = client.get_metric_history(child.info.run_id, "val_accuracy")
    assert [point.step for point in curve] == [1, 2, 3, 4]
    table = client.load_table(
        child.data.tags["mlflow.parentRunId"] and child.info.experiment_id, "zeros.json", [child.info.run_id]
    )
    assert table["zeros"].tolist() == [record.trials[0].measurement.kernels[0].zeros]  # type: ignore[union-attr]


def test_files_are_kept_of_trials_that_were_not_dominated(tracker: MlflowTracker, uri: str, storage_url: str) -> None:
    record = run(tracker, storage_url, trials=8, problem=AnalyticProblem()).record()
    client = MlflowClient(tracking_uri=uri)
    kept = {number for number, child in children(uri).items() if client.list_artifacts(child.info.run_id, "model")}
    assert {trial.number for trial in record.front} <= kept
    assert len(kept) < len(record.trials) + 1


def test_a_filter_shows_the_final_front(tracker: MlflowTracker, uri: str, storage_url: str, tmp_path: Path) -> None:
    run(tracker, storage_url, trials=6, problem=AnalyticProblem())
    again = MlflowTracker(uri, artifacts=tmp_path / "artifacts")
    record = run(again, storage_url, trials=12, problem=AnalyticProblem()).record()
    shown = {int(one.data.tags[TRIAL_TAG]) for one in runs(uri, FRONT_FILTER)}
    assert shown == {trial.number for trial in record.front}
    assert {one.data.tags[FRONT_TAG] for number, one in children(uri).items() if number != BASELINE} == {"yes", "no"}


def test_failed_trials_say_why(tracker: MlflowTracker, uri: str, storage_url: str) -> None:
    run(tracker, storage_url, trials=2, problem=AnalyticProblem(fails_above=0.1))
    for number in (0, 1):
        child = children(uri)[number]
        assert (child.info.status, child.data.tags["reason"]) == ("FAILED", "loss is nan in epoch 4")
    assert [one.info.status for one in runs(uri) if PARENT_TAG not in one.data.tags] == ["FINISHED"]


def test_an_interrupted_search_is_killed_everywhere(tracker: MlflowTracker, uri: str, storage_url: str) -> None:
    record = run(tracker, storage_url, trials=9, problem=AnalyticProblem(), interrupt_at=2).record()
    stopped = record.trials[-1].number
    assert children(uri)[stopped].info.status == "KILLED"
    assert [one.info.status for one in runs(uri) if PARENT_TAG not in one.data.tags] == ["KILLED"]
    assert "RUNNING" not in {one.info.status for one in runs(uri)}


def test_a_bug_fails_the_search_and_kills_its_trial(tracker: MlflowTracker, uri: str, storage_url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        run(tracker, storage_url, trials=9, problem=AnalyticProblem(breaks_above=0.1))
    assert [one.info.status for one in runs(uri) if PARENT_TAG not in one.data.tags] == ["FAILED"]
    assert children(uri)[0].info.status == "KILLED"


def test_runs_of_a_dead_process_are_closed(tracker: MlflowTracker, uri: str, storage_url: str, tmp_path: Path) -> None:
    import socket

    sampler = run(tracker, storage_url, trials=1, problem=AnalyticProblem())
    dead = MlflowTracker(uri, artifacts=tmp_path / "artifacts")
    dead._owner = f"{socket.gethostname()}:0:0"
    dead.begin(sampler.record())
    dead.start(sampler.ask())
    assert [one.info.status for one in runs(uri)].count("RUNNING") == 2
    run(MlflowTracker(uri, artifacts=tmp_path / "artifacts"), storage_url, trials=1, problem=AnalyticProblem())
    assert [one.info.status for one in runs(uri)].count("RUNNING") == 0
    closed = [one.data.tags.get("reason") for one in runs(uri) if one.info.status == "KILLED"]
    assert closed == ["the search that ran it died"] * 2


def test_saved_views_have_the_columns_people_compare_on(tracker: MlflowTracker, uri: str, storage_url: str) -> None:
    run(tracker, storage_url, trials=1, problem=AnalyticProblem())
    tags = MlflowClient(tracking_uri=uri).get_experiment_by_name("analytic").tags
    views: dict[str, Any] = {}
    for name, value in tags.items():
        if name.startswith("mlflow.sharedViewState."):
            view = json.loads(value)
            views[view["name"]] = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    assert set(views) == {"Pareto front", "All trials"}
    assert views["Pareto front"]["searchFilter"] == FRONT_FILTER
    assert "metrics.`times_smaller`" in views["All trials"]["selectedColumns"]


@pytest.mark.parametrize(
    "uri", ["sqlite:////proc/nowhere/mlflow.db", "nosuch://host/db", "http://me:secret@127.0.0.1:9"]
)
@pytest.mark.timeout(60)
def test_stores_that_do_not_answer_are_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match=r"MLflow cannot use .*--no-tracking") as caught:
        MlflowTracker(uri)
    assert "secret" not in str(caught.value)


def test_a_damaged_database_is_refused(uri: str, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(TrackingError, match="file is not a database"):
        MlflowTracker(uri)


def test_relative_databases_lie_in_this_folder(tmp_path: Path) -> None:
    assert absolute_uri("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
