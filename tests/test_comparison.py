"""Comparisons over the analytic problem, where the effect of every parameter is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sparsesearch.comparison import Comparison, compare, comparison_study
from sparsesearch.errors import StudyError
from sparsesearch.executor import InlineExecutor
from sparsesearch.optuna_sampler import OptunaSampler
from sparsesearch.optuna_storage import OptunaStorage
from sparsesearch.printing import comparison_lines
from sparsesearch.problems import AnalyticProblem, analytic_study
from sparsesearch.search import search
from sparsesearch.space import Choice, Float, SearchSpace
from sparsesearch.study import Study
from sparsesearch.tracking import NullTracker

SPACE = SearchSpace(final_sparsity=Float(0.3, 0.6), begin_fraction=Choice(0.4, 0.0, 0.9), power=Float(1, 5))


def compared(
    study: Study, over: str, url: str, *, pairs: int = 6, problem: AnalyticProblem | None = None
) -> Comparison:
    derived = comparison_study(study, over=over, pairs=pairs)
    executor = InlineExecutor(problem or AnalyticProblem())
    inspection = executor.inspect()
    sampler = OptunaSampler(derived, inspection, storage=OptunaStorage(url, create=True), sampler="attempts")
    list(
        search(
            derived, inspection=inspection, sampler=sampler, executor=executor, tracker=NullTracker(),
            trials=len(derived.attempts),
        )
    )  # fmt: skip
    return compare(sampler.record(), derived, over=over)


def test_a_pair_differs_in_the_parameter_alone() -> None:
    study = comparison_study(analytic_study(space=SPACE), over="schedule", pairs=5)
    pairs = [study.attempts[begin : begin + 2] for begin in range(0, 10, 2)]
    for constant, polynomial in pairs:
        assert constant.seed == polynomial.seed
        different = {
            name for name in ("schedule", "final_sparsity", "begin_fraction", "frequency")
            if getattr(constant.candidate, name) != getattr(polynomial.candidate, name)
        }  # fmt: skip
        assert different == {"schedule"}
    assert len({pair[0].candidate.final_sparsity for pair in pairs}) == 5, "what is not fixed is drawn for each pair"
    assert [pair[0].seed for pair in pairs] == [0, 1, 2, 3, 4]
    longer = comparison_study(analytic_study(space=SPACE), over="schedule", pairs=7)
    assert longer.attempts[:10] == study.attempts, "more pairs go on from fewer"


def test_a_known_effect_is_found(storage_url: str) -> None:
    found = compared(analytic_study(space=SPACE), "begin_fraction", storage_url)
    assert (found.arms, found.pairs) == ((0.4, 0.0, 0.9), 6)
    early, late = (one for one in found.differences if one.metric == "accuracy")
    assert early.mean == pytest.approx(-0.5 * 0.4**2)
    assert late.mean == pytest.approx(-0.5 * 0.5**2)
    assert (early.is_better, early.better, early.is_told) == (False, 0, True)
    assert "accuracy: 0 is worse than 0.4; difference -0.0800" in "\n".join(comparison_lines(found))


def test_no_effect_is_not_told(storage_url: str) -> None:
    found = compared(analytic_study(space=SPACE), "power", storage_url)
    assert all(one.mean == 0 and not one.is_told for one in found.differences)
    assert "cannot be told apart" in comparison_lines(found)[0]


def test_the_interval_is_students(storage_url: str) -> None:
    space = SearchSpace(schedule="constant", final_sparsity=Float(0.3, 0.6), begin_fraction=Float(0.0, 0.9))
    found = compared(analytic_study(space=space), "final_sparsity", storage_url, pairs=8)
    sizes = next(one for one in found.differences if one.metric == "zipped_tflite_bytes")
    assert sizes.mean == pytest.approx(-30_000) and sizes.is_better
    values = np.random.default_rng(0).normal(1.0, 2.0, size=8)
    from sparsesearch.comparison import _difference

    one = _difference(0.6, "accuracy", values, -1, others=1)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (one.low, one.high) == pytest.approx((low, high))
    wider = _difference(0.6, "accuracy", values, -1, others=2)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.975)
    assert (wider.low, wider.high) == pytest.approx((low, high))


def test_pairs_that_lost_a_trial_are_left_out_and_named(storage_url: str) -> None:
    study = analytic_study(space=SearchSpace(final_sparsity=Choice(0.3, 0.5), begin_fraction=Float(0.0, 0.9)))
    with pytest.raises(
        StudyError, match="needs at least 2 complete pairs, got 0 .final_sparsity 0.5, pair 0: loss is nan"
    ):
        compared(study, "final_sparsity", storage_url, problem=AnalyticProblem(fails_above=0.4))
