from __future__ import annotations

import pytest

from sparsesearch import attempts
from sparsesearch.attempts import Attempt
from sparsesearch.errors import StudyError
from sparsesearch.problems import analytic_study
from sparsesearch.space import Candidate


def test_the_published_attempts_have_the_articles_names() -> None:
    assert [attempt.name for attempt in attempts.PUBLISHED] == [
        "poly 10/50", "poly 20/50", "poly 30/60", "poly 30/70", "poly 40/50", "poly 10/90",
        "const 0.1", "const 0.4", "const 0.5", "const 0.6", "const 0.9",
    ]  # fmt: skip
    assert attempts.PUBLISHED[5].candidate == Candidate(
        schedule="polynomial", initial_sparsity=0.1, final_sparsity=0.9, begin_fraction=0.0, end_fraction=1.0,
        power=3.0, frequency=100,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: attempts.constant(1.0), "attempt 'const 1': final_sparsity must be a fraction"),
        (lambda: attempts.constant(90), "90 % is written 0.9"),
        (lambda: attempts.polynomial(0.6, 0.5), "attempt 'poly 60/50': initial_sparsity must not exceed"),
        (lambda: attempts.polynomial(0.1, 0.5, power=0), "power must be above 0"),
        (lambda: attempts.constant(0.5, frequency=0), "frequency must be whole optimizer steps"),
        (lambda: Attempt(name="bare", candidate=Candidate(schedule="polynomial", final_sparsity=0.5, begin_fraction=0.0, end_fraction=1.0, frequency=1)), "a polynomial schedule needs initial_sparsity, got None"),
        (lambda: Attempt(name="late", candidate=attempts.constant(0.5).candidate, seed=-1), "seed must be a whole number from 0 to 4294967295, got -1"),
        (lambda: Attempt(name=" ", candidate=attempts.constant(0.5).candidate), "needs a name"),
    ],
)  # fmt: skip
def test_attempts_that_no_schedule_can_be_are_refused(make: object, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        make()  # type: ignore[operator]


def test_names_are_given_once() -> None:
    with pytest.raises(StudyError, match="'const 0.5' more than once"):
        analytic_study(attempts=(attempts.constant(0.5), attempts.constant(0.5)))
    with pytest.raises(StudyError, match="must be a tuple of attempts"):
        analytic_study(attempts=attempts.constant(0.5))
