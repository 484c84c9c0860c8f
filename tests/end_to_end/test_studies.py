"""The shipped studies as users run them, shortened: few epochs, few photos."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from sparsesearch.api import read_study
from tests.end_to_end.conftest import Command

FEW = ("--workers", "1", "--no-tracking", "--json")


def test_the_mlp_runs_its_attempts_and_a_sampler_goes_on(in_empty_folder: Path, run: Command) -> None:
    few = ("--study", "mlp", "--set", "epochs=10", *FEW)
    done = run("optimize", "--sampler", "attempts", "--trials", "3", "--tensorboard", "logs", *few)
    found = json.loads(done.stdout)
    assert found["finished"] == 3
    assert {row["attempt"] for row in found["trials"]} <= {"poly 10/50", "poly 20/50", "poly 30/60"}
    assert sorted(path.name for path in Path("logs/mlp").iterdir()) == ["dense", "trial-000", "trial-001", "trial-002"]
    assert "compression" in run("trials", "--study", "mlp").stdout
    assert "Predictions against truth" in Path("reports/mlp.html").read_text()
    run("optimize", "--trials", "4", *few)
    record = read_study("mlp")
    assert [trial.attempt for trial in record.trials] == ["poly 10/50", "poly 20/50", "poly 30/60", ""]
    assert record.inspection is not None and record.inspection.weights == 4_289
    shown = run("show", "--study", "mlp", "--trial", "0").stdout
    assert "dense_1/kernel" in shown and "dense_1/bias" in shown


def test_the_lstm_runs_on_the_sine_and_on_pm25(in_empty_folder: Path, real_data: Path, run: Command) -> None:
    few = ("--study", "lstm", "--sampler", "attempts", "--trials", "1", *FEW)
    run("optimize", "--set", "epochs=10", *few)
    sine = read_study("lstm")
    assert sine.inspection is not None
    assert (sine.inspection.weights, sine.inspection.total_steps) == (26_321, 80)
    done = run("optimize", "--set", "dataset=pm25", "--set", "epochs=2", "--fresh", *few)
    assert "data pm25 from UCI Beijing PM2.5" in done.stderr
    # Saying that the next hour is like the last one misses by 0.06 of the variance; the mean misses by all of it.
    assert read_study("lstm").trials[0].metrics["test_mse"] < 0.5


def test_the_flowers_run_on_a_few_photos(
    in_empty_folder: Path, real_data: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = in_empty_folder / "data" / "tf_flowers"
    few.mkdir(parents=True)
    with tarfile.open(real_data / "tf_flowers" / "flower_photos_180.tar") as archive:
        photos = [member for member in archive.getmembers() if member.name.endswith(".jpg")][::60]
        archive.extractall(few, members=photos, filter="data")
    monkeypatch.setenv("SPARSESEARCH_DATA", str(few.parent))
    done = run(
        "optimize", "--study", "flowers", "--sampler", "attempts", "--trials", "1", "--set", "epochs=1",
        "--set", "batch_size=16", *FEW,
    )  # fmt: skip
    assert "data tf_flowers from $SPARSESEARCH_DATA/tf_flowers: 49 train, 6 validation, 7 test" in done.stderr
    record = read_study("flowers")
    assert record.inspection is not None and record.inspection.weights == 1_658_565
    assert record.trials[0].metrics["sparsity"] == pytest.approx(0.5, abs=1e-3)


def test_a_comparison_is_made_told_and_continued(in_empty_folder: Path, run: Command) -> None:
    line = ("compare", "--study", "mlp", "--over", "schedule", "--set", "epochs=3", "--set", "final_sparsity=0.8")
    found = json.loads(run(*line, "--pairs", "2", *FEW).stdout)
    assert found["arms"] == ["constant", "polynomial"] and found["pairs"] == 2
    assert {one["metric"] for one in found["differences"]} == {"mse", "test_mse", "zipped_tflite_bytes"}
    done = run(*line, "--pairs", "3", "--workers", "1", "--no-tracking")
    assert "continuing mlp-over-schedule: 4 of 6 trials are finished" in done.stderr
    assert "of 3 pairs" in done.stdout
