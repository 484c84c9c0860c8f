"""`sparsesearch optimize` as users run it, on a tiny real network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sparsesearch.api import read_study
from sparsesearch.record import StudyRecord
from sparsesearch.trial import TrialStatus
from tests.end_to_end.conftest import Command, command

OPTIMIZE = ("optimize", "--study", "tiny.py", "--workers", "2")


def runs(folder: Path) -> list[Run]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    return list(client.search_runs([experiment.experiment_id]))


def statuses(folder: Path) -> list[str]:
    return sorted(run.info.status for run in runs(folder))


def same_values(one: StudyRecord, other: StudyRecord, number: int) -> bool:
    first, second = ({**record.trials[number].metrics, "train_seconds": 0} for record in (one, other))
    return first == second and one.trials[number].candidate == other.trials[number].candidate


def start(*words: str, trials: int) -> subprocess.Popen[str]:
    line = command(*OPTIMIZE, "--trials", str(trials), *words)
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_trial(process: subprocess.Popen[str], number: int) -> None:
    """Return once a trial of at least that number was finished and others run."""
    assert process.stderr is not None
    for line in process.stderr:
        if f"trial {number} " in line:
            return
    pytest.fail(f"the search ended before trial {number}")


def test_a_search_is_tracked_reported_continued_and_read(tiny: Path, run: Command) -> None:
    done = run(*OPTIMIZE, "--trials", "3", "--json")
    assert json.loads(done.stdout)["finished"] == 3
    assert "1,077 train, 360 validation, 360 test" in done.stderr
    assert "stays dense" in done.stderr and "BatchNormalization" in done.stderr
    assert "0000 00:00" not in done.stderr, "TensorFlow's log lines are kept away"
    assert (tiny / "reports" / "tiny.html").is_file()
    assert statuses(tiny) == ["FINISHED"] * 5
    first = read_study("tiny")
    assert [trial.status for trial in first.trials] == [TrialStatus.COMPLETE] * 3
    for trial in first.trials:
        assert trial.measurement is not None
        assert trial.metrics["accuracy"] == pytest.approx(trial.measurement.history[-1]["val_accuracy"])
        assert all(kernel.missed <= 1 for kernel in trial.measurement.kernels)

    done = run(*OPTIMIZE, "--trials", "4")
    assert "continuing tiny: 3 of 4 trials are finished" in done.stderr
    assert "dense baseline" not in done.stderr, "the baseline is trained once"
    assert "Pareto front of tiny" in done.stdout
    again = read_study("tiny")
    assert again.trials[:3] == first.trials
    assert statuses(tiny) == ["FINISHED"] * 7

    # The same candidate and seed give the same values, on another worker of another search.
    run(*OPTIMIZE, "--trials", "2", "--fresh", "--no-tracking", "--workers", "1")
    fresh = read_study("tiny")
    assert fresh.name == "tiny-2"
    assert same_values(first, fresh, 0)

    done = run(*OPTIMIZE, "--set", "epochs=5", code=1)
    assert "training.epochs was 4 and is now 5" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_closes_everything_and_the_search_continues(tiny: Path, run: Command) -> None:
    process = start(trials=30)
    wait_for_trial(process, 1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "to continue: sparsesearch optimize --study tiny.py --workers 2 --trials 30" in err
    assert "Traceback" not in err
    assert "Pareto front of tiny" in out
    record = read_study("tiny")
    assert {trial.status for trial in record.trials} == {TrialStatus.COMPLETE, TrialStatus.STOPPED}
    assert "RUNNING" not in statuses(tiny)
    assert statuses(tiny).count("KILLED") == 1 + sum(trial.status is TrialStatus.STOPPED for trial in record.trials)
    finished = record.finished
    run(*OPTIMIZE, "--trials", str(finished + 2))
    after = read_study("tiny")
    assert after.finished == finished + 2
    stopped = [trial.candidate for trial in record.trials if trial.status is TrialStatus.STOPPED]
    repeated = [trial.candidate for trial in after.trials[len(record.trials) :]]
    assert stopped and repeated[: len(stopped)] == stopped


def test_a_killed_search_leaves_no_process_and_the_next_one_cleans_up(tiny: Path, run: Command) -> None:
    process = start(trials=30)
    wait_for_trial(process, 1)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "workers end when their search is gone"
    before = read_study("tiny")
    assert TrialStatus.RUNNING in {trial.status for trial in before.trials}
    run(*OPTIMIZE, "--trials", str(before.finished + 2))
    after = read_study("tiny")
    assert after.finished == before.finished + 2
    assert TrialStatus.RUNNING not in {trial.status for trial in after.trials}
    assert "RUNNING" not in statuses(tiny)


def test_a_timeout_ends_the_search_in_order(tiny: Path, run: Command) -> None:
    done = run(*OPTIMIZE, "--trials", "500", "--timeout", "14s")
    record = read_study("tiny")
    assert "to continue:" in done.stderr
    assert {trial.status for trial in record.trials} <= {TrialStatus.COMPLETE}
    assert set(statuses(tiny)) == {"FINISHED"}


def test_data_that_do_not_fit_are_said_before_the_first_trial(tiny: Path, run: Command) -> None:
    text = (tiny / "tiny.py").read_text()
    (tiny / "tiny.py").write_text(text.replace("size=8", "size=10"))
    started = time.monotonic()
    done = run(*OPTIMIZE, code=1)
    assert "inputs have shape (10, 10, 1), the model takes (8, 8, 1)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 60
    (tiny / "tiny.py").write_text(text)
    run("front", "--study", "tiny", code=1)


def test_mnist_files_are_trained_on(real_data: Path, run: Command) -> None:
    done = run(
        "optimize", "--study", "cnn", "--set", "dataset=mnist", "--set", "epochs=1", "--set", "batch_size=1000",
        "--trials", "1", "--no-tracking", "--json",
    )  # fmt: skip
    assert "data mnist from $SPARSESEARCH_DATA/mnist: 48,000 train, 12,000 validation, 10,000 test" in done.stderr
    found = json.loads(done.stdout)
    assert found["baseline"]["accuracy"] > 0.9
