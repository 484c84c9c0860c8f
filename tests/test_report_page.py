from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from sparsesearch import maximize, minimize
from sparsesearch.inspection import RegressionSample
from sparsesearch.plotly_figures import (
    front_figure,
    hypervolume_figure,
    importance_figure,
    prediction_figure,
    sparsity_figure,
    target_curve,
)
from sparsesearch.problems import AnalyticProblem
from sparsesearch.record import StudyRecord
from sparsesearch.report_page import report_page
from sparsesearch.schedule import PolynomialDecay
from sparsesearch.tables import front_table

Searched = Callable[..., StudyRecord]


def test_the_plane_shows_the_front_the_dominated_and_the_baseline(searched: Searched) -> None:
    record = searched(trials=12)
    dominated, front, baseline = front_figure(record).data
    assert set(front.customdata) == {trial.number for trial in record.front}
    assert set(dominated.customdata) == {trial.number for trial in record.complete} - set(front.customdata)
    by_number = {trial.number: trial.metrics for trial in record.trials}
    assert list(front.y) == [by_number[number]["accuracy"] for number in front.customdata]
    assert list(front.x) == sorted(by_number[number]["zipped_tflite_bytes"] for number in front.customdata)
    assert list(baseline.x) == [100_001]


def with_metric(record: StudyRecord, name: str, values: tuple[float, ...]) -> StudyRecord:
    """The record without a baseline, its trials' metric ``name`` replaced."""
    trials = tuple(
        dataclasses.replace(
            trial, measurement=dataclasses.replace(trial.measurement, metrics={**trial.metrics, name: value})
        )
        for trial, value in zip(record.trials, values, strict=True)
    )
    return dataclasses.replace(record, baseline=None, trials=trials)


@pytest.mark.parametrize(
    ("sizes", "axis"), [((1e4, 1e6), ("log", "20 kB")), ((2900, 6400), ("log", "4 kB")), ((3000, 3900), (None, None))]
)
def test_sizes_have_ticks_that_can_be_read(
    searched: Searched, sizes: tuple[float, float], axis: tuple[str | None, str | None]
) -> None:
    drawn = front_figure(with_metric(searched(trials=2), "zipped_tflite_bytes", sizes)).layout.xaxis
    assert drawn.type == axis[0]
    inside = [
        text
        for tick, text in zip(drawn.tickvals or [], drawn.ticktext or [], strict=True)
        if sizes[0] <= tick <= sizes[1]
    ]
    assert axis[1] in inside if axis[1] else drawn.ticksuffix == "B"
    assert len(inside) >= 4 or axis[0] is None


def test_errors_of_several_magnitudes_lie_on_a_logarithmic_axis(searched: Searched) -> None:
    record = searched(trials=2, objectives=(minimize("loss"), minimize("zipped_tflite_bytes")))
    for losses, scale in (((1e-4, 0.9), "log"), ((0.4, 0.9), None), ((0.0, 0.9), None)):
        changed = with_metric(record, "loss", losses)
        assert front_figure(changed).layout.yaxis.type == scale


def test_a_study_of_one_objective_has_no_plane_but_a_report(searched: Searched) -> None:
    record = searched(trials=5, objectives=(maximize("accuracy"),))
    with pytest.raises(ValueError, match="needs two objectives"):
        front_figure(record)
    assert "Every trial" in report_page(record, {})


def test_hypervolume_is_drawn_over_trials(searched: Searched) -> None:
    record = searched(trials=6)
    (curve,) = hypervolume_figure(record).data
    assert list(curve.x) == [1, 2, 3, 4, 5, 6]
    assert list(curve.y) == record.hypervolume().tolist()
    assert 0 < curve.y[-1] <= 1


def test_curves_show_what_was_asked_and_what_was_held(searched: Searched) -> None:
    record = searched(trials=8)
    lines, points = sparsity_figure(record).data[::2], sparsity_figure(record).data[1::2]
    assert len(lines) == len(points) == len(record.front)
    for trial, line, held in zip(record.front, lines, points, strict=True):
        assert trial.schedule is not None
        assert line.y[-1] == trial.schedule.final_sparsity
        assert [line.y[line.x.index(step)] for step in line.x] == [trial.schedule.sparsity_at(step) for step in line.x]
        assert list(held.x) == [100, 200, 300, 400]
        assert list(held.y) == [trial.schedule.sparsity_at(step) for step in held.x]
    assert [line.visible for line in lines].count(True) == min(3, len(lines))


def test_a_curve_of_many_updates_is_thinned_and_keeps_its_end(searched: Searched) -> None:
    record = searched(trials=1)
    assert record.inspection is not None
    record = dataclasses.replace(record, inspection=dataclasses.replace(record.inspection, total_steps=100_000))
    ramp = PolynomialDecay(
        initial_sparsity=0.0, final_sparsity=0.9, power=3, begin_step=0, end_step=100_000, frequency=1
    )
    steps, targets = target_curve(dataclasses.replace(record.trials[0], schedule=ramp), record)
    assert len(steps) <= 203
    assert steps[-1] == 100_000 and targets[-1] == 0.9


def test_predictions_stand_beside_the_truth(searched: Searched) -> None:
    record = searched(trials=3)
    assert record.inspection is not None
    with pytest.raises(ValueError, match="predicts no single number"):
        prediction_figure(record)
    assert "Predictions against truth" not in report_page(record, {})
    sample = RegressionSample(inputs=(0.0, 1.0), targets=(0.5, 0.6), input_name="input")
    trials = tuple(
        dataclasses.replace(trial, measurement=dataclasses.replace(trial.measurement, predictions=(trial.number, 1.0)))
        for trial in record.trials
    )
    regression = dataclasses.replace(
        record, trials=trials, inspection=dataclasses.replace(record.inspection, sample=sample)
    )
    truth, *predicted = prediction_figure(regression).data
    assert list(truth.y) == [0.5, 0.6]
    assert [curve.y[0] for curve in predicted] == [trial.number for trial in regression.front]
    assert "Predictions against truth" in report_page(regression, {})


def test_importances_are_grouped_bars() -> None:
    figure = importance_figure({"accuracy": {"power": 0.2}, "loss": {"power": 0.1, "frequency": 0.9}})
    assert [list(bar.x) for bar in figure.data] == [[0.0, 0.2], [0.9, 0.1]]


def test_the_page_loads_nothing_from_elsewhere_and_names_failures(searched: Searched) -> None:
    record = searched(trials=8, problem=AnalyticProblem(fails_above=0.8))
    page = report_page(record, {})
    assert "loss is nan in epoch 4" in page
    body = page.partition("</head>")[2]
    assert 'src="' not in body and "@import" not in page
    assert len(page) < 8e6


def test_what_users_named_is_escaped(searched: Searched) -> None:
    record = dataclasses.replace(searched(trials=3), name="<script>alert(1)</script>", description="a < b & c")
    page = report_page(record, {})
    assert "<script>alert(1)" not in page
    assert "a &lt; b &amp; c" in page


def test_the_page_reads_right_whichever_way_is_better(searched: Searched) -> None:
    size_first = searched(trials=10, objectives=(minimize("zipped_tflite_bytes"), minimize("loss")))
    page = report_page(size_first, {})
    smallest = min(size_first.complete, key=lambda trial: trial.metrics["zipped_tflite_bytes"])
    assert "down and to the left are better" in page
    card = page.partition("smallest on the front")[2].partition("</div>")[0]
    assert f"trial {smallest.number}:" in card
    assert "best loss on the front" in page


def test_every_objective_has_its_column(searched: Searched) -> None:
    record = searched(trials=4, objectives=(maximize("accuracy"), maximize("sparsity"), minimize("train_seconds")))
    titles = [column.title for column in front_table(record).columns]
    assert {"accuracy", "test accuracy", "sparsity", "train seconds"} <= set(titles)
    assert len(titles) == len(set(titles))


def test_a_study_without_a_complete_trial_says_so(searched: Searched) -> None:
    record = dataclasses.replace(searched(trials=1), trials=(), baseline=None)
    assert "No trial is complete yet." in report_page(record, {})
