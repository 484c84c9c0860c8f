from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsesearch.errors import StudyError
from sparsesearch.schedule import (
    ConstantSparsity,
    PolynomialDecay,
    Schedule,
    schedule_from_json,
    schedule_to_json,
    snap,
)
from sparsesearch.space import Candidate
from tests.strategies import candidates


@given(candidate=candidates(), total_steps=st.integers(1, 2000))
def test_every_snapped_schedule_reaches_its_target(candidate: Candidate, total_steps: int) -> None:
    schedule = snap(candidate, total_steps=total_steps)
    assert 0 <= schedule.begin_step < schedule.end_step <= total_steps
    assert len(schedule.update_steps) >= 1
    assert schedule.update_steps[-1] == schedule.end_step
    assert schedule.sparsity_at(schedule.end_step) == candidate.final_sparsity
    assert schedule.sparsity_at(total_steps) == candidate.final_sparsity


@given(candidate=candidates(), total_steps=st.integers(1, 2000))
def test_snapping_moves_no_step_further_than_it_must(candidate: Candidate, total_steps: int) -> None:
    schedule = snap(candidate, total_steps=total_steps)
    asked_begin = min(round(candidate.begin_fraction * total_steps), total_steps - 1)
    asked_end = max(round(candidate.end_fraction * total_steps), asked_begin + 1)
    assert schedule.begin_step == asked_begin
    assert asked_end - schedule.frequency < schedule.end_step <= asked_end
    assert schedule.frequency == min(candidate.frequency, asked_end - asked_begin)


@given(candidate=candidates(), total_steps=st.integers(1, 500))
def test_sparsity_never_falls(candidate: Candidate, total_steps: int) -> None:
    schedule = snap(candidate, total_steps=total_steps)
    held = [schedule.sparsity_at(step) for step in range(total_steps + 1)]
    assert held == sorted(held)
    assert held[0] == 0


@given(candidate=candidates(), total_steps=st.integers(1, 500))
def test_schedules_survive_json(candidate: Candidate, total_steps: int) -> None:
    schedule = snap(candidate, total_steps=total_steps)
    assert schedule_from_json(schedule_to_json(schedule)) == schedule


def test_a_flat_ramp_is_a_constant_schedule() -> None:
    flat = Candidate(
        schedule="polynomial", initial_sparsity=0.5, final_sparsity=0.5, power=3.0,
        begin_fraction=0.0, end_fraction=1.0, frequency=10,
    )  # fmt: skip
    assert snap(flat, total_steps=100) == ConstantSparsity(final_sparsity=0.5, begin_step=0, end_step=100, frequency=10)


STEPS = {"begin_step": 0, "end_step": 100, "frequency": 10}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConstantSparsity(final_sparsity=87.5, **STEPS), "between 0 and 1, got 87.5"),
        (lambda: ConstantSparsity(final_sparsity=0.5, **{**STEPS, "frequency": 30}), "divide .* = 100, got 30"),
        (lambda: ConstantSparsity(final_sparsity=0.5, **{**STEPS, "begin_step": 100}), "got 100 and 100"),
        (
            lambda: PolynomialDecay(initial_sparsity=0.6, final_sparsity=0.5, power=3, **STEPS),
            "between 0 and final_sparsity 0.5, got 0.6",
        ),
        (lambda: PolynomialDecay(initial_sparsity=0.1, final_sparsity=0.5, power=0, **STEPS), "power .* got 0"),
    ],
)
def test_schedules_refuse_what_cannot_reach_its_target(make: type[Schedule], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        make()


def test_snap_refuses_a_training_without_steps() -> None:
    candidate = Candidate(schedule="constant", final_sparsity=0.5, begin_fraction=0, end_fraction=1, frequency=1)
    with pytest.raises(StudyError, match="at least one optimizer step, got 0"):
        snap(candidate, total_steps=0)
