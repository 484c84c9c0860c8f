from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from sparsesearch import maximize, minimize
from sparsesearch.plotly_figures import front_figure, hypervolume_figure, importance_figure
from sparsesearch.problems import AnalyticProblem
from sparsesearch.record import StudyRecord
from sparsesearch.report_page import report_page
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
