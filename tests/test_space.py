from __future__ import annotations

from typing import Any

import pytest

from sparsesearch.errors import StudyError
from sparsesearch.space import Choice, Domain, Float, Int, SearchSpace, Value


def low_end(name: str, domain: Domain) -> Value:
    return domain.values[0] if isinstance(domain, Choice) else domain.low


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(0.9, 0.1), r"reversed: 0.9 is above 0.1 \(Float\(0.1, 0.9\)\)"),
        (lambda: Float(0.0, float("nan")), "finite numbers, got 0.0 and nan"),
        (lambda: Float(0.0, 1.0, log=True), "above 0, got 0.0"),
        (lambda: Int(1.5, 3), "whole numbers, got 1.5 and 3"),  # type: ignore[arg-type]
        (lambda: Choice(), r"different values, got \[\]"),
        (lambda: Choice(1, 1), r"different values, got \[1, 1\]"),
    ],
)
def test_domains_refuse_nonsense(make: Any, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        make()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"final_sparsity": 87.5}, r"final_sparsity must be a fraction, above 0 and below 1, got 87.5 \(87.5 % is written 0.875\)"),
        ({"final_sparsity": Float(50, 98)}, r"got 50.0..98.0 \(98 % is written 0.98\)"),
        ({"final_sparsity": 0.0}, "final_sparsity must be a fraction, above 0"),
        ({"final_sparsity": 1.0}, "below 1, got 1.0"),
        ({"initial_sparsity": Float(0.0, 0.6)}, "initial_sparsity up to 0.6 and final_sparsity from 0.5"),
        ({"initial_sparsity": -0.1}, "initial_sparsity must be a fraction, at least 0"),
        ({"begin_fraction": 1.2}, "begin_fraction must be a fraction"),
        ({"begin_fraction": Float(0.0, 0.8), "end_fraction": Float(0.5, 1.0)}, "begin_fraction up to 0.8 and end_fraction from 0.5"),
        ({"begin_fraction": 0.5, "end_fraction": 0.5}, "must stay below"),
        ({"end_fraction": 1.5}, "end_fraction must be a fraction, above 0 and at most 1"),
        ({"power": 0}, "power must be above 0, got 0"),
        ({"frequency": 0}, "frequency must be whole optimizer steps, at least 1, got 0"),
        ({"frequency": 2.5}, "whole optimizer steps"),
        ({"frequency": Float(1, 100)}, "whole optimizer steps"),
        ({"schedule": "linear"}, "schedule must be one of constant, polynomial, got 'linear'"),
        ({"power": "three"}, "power must be a number or a domain of numbers, got 'three'"),
        ({"power": True}, "power must be a number"),
    ],
)  # fmt: skip
def test_search_space_refuses_what_makes_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        SearchSpace(**{"final_sparsity": Float(0.5, 0.9), **changes})


def test_constant_schedules_have_neither_initial_sparsity_nor_power() -> None:
    space = SearchSpace(
        schedule=Choice("constant", "polynomial"),
        initial_sparsity=Float(0.1, 0.2),
        final_sparsity=0.5,
        power=Float(1, 3),
    )
    asked: list[str] = []

    def suggest(name: str, domain: Domain) -> Value:
        asked.append(name)
        return low_end(name, domain)

    candidate = space.candidate(suggest)
    assert asked == ["schedule"]
    assert candidate.initial_sparsity is None
    assert candidate.power is None
    assert "power" not in candidate.parameters


def test_polynomial_schedules_ask_for_everything_that_is_searched() -> None:
    space = SearchSpace(schedule="polynomial", initial_sparsity=Float(0.1, 0.2), final_sparsity=0.5, power=Float(1, 3))
    candidate = space.candidate(low_end)
    assert (candidate.initial_sparsity, candidate.power, candidate.final_sparsity) == (0.1, 1, 0.5)


def test_initial_above_final_is_no_matter_for_constant_schedules() -> None:
    space = SearchSpace(schedule="constant", initial_sparsity=0.9, final_sparsity=0.5)
    assert space.candidate(low_end).initial_sparsity is None
