"""Attempts: candidates with a name that a study wants tried, whatever its sampler proposes."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesearch.errors import StudyError
from sparsesearch.space import FREQUENCY, POLYNOMIAL_ONLY, POWER, Candidate, SearchSpace

SEEDS = 2**32  # NumPy takes no larger ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A candidate by name; it may lie outside the study's search space.

    Raises:
        StudyError: no name, a value that no schedule can have, or a seed out of range.
    """

    name: str
    candidate: Candidate
    seed: int | None = None  # of weights, data order and dropout; None takes the study's

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise StudyError(f"an attempt needs a name, got {self.name!r}")
        self._check_parameters()
        if self.seed is not None:
            check_seed(self.seed)
        try:
            SearchSpace(**self.candidate.parameters)  # type: ignore[arg-type]
        except StudyError as error:
            raise StudyError(f"attempt {self.name!r}: {error.message}", hint=error.hint) from error

    def _check_parameters(self) -> None:
        kind = self.candidate.schedule
        for name in POLYNOMIAL_ONLY:
            value = getattr(self.candidate, name)
            if (value is not None) != (kind == "polynomial"):
                rule = "needs" if value is None else "has no"
                raise StudyError(
                    f"attempt {self.name!r}: a {kind} schedule {rule} {name}, got {value}",
                    hint="attempts.constant(...) and attempts.polynomial(...) make whole ones",
                )

    def seed_in(self, study_seed: int) -> int:
        """Seed of the training, in a study of that seed."""
        return study_seed if self.seed is None else self.seed


def check_seed(seed: object) -> None:
    """Raise a StudyError unless ``seed`` is a whole number that NumPy takes."""
    if not isinstance(seed, int) or not 0 <= seed < SEEDS:
        raise StudyError(f"seed must be a whole number from 0 to {SEEDS - 1}, got {seed!r}")


def constant(
    final_sparsity: float, *, begin_fraction: float = 0.0, frequency: int = FREQUENCY, name: str = ""
) -> Attempt:
    """The final sparsity from the begin to the end of the training.

    >>> constant(0.875).name
    'const 0.875'
    """
    return Attempt(
        name=name or f"const {final_sparsity:g}",
        candidate=Candidate(
            schedule="constant",
            final_sparsity=final_sparsity,
            begin_fraction=begin_fraction,
            end_fraction=1.0,
            frequency=frequency,
        ),
    )


def polynomial(
    initial_sparsity: float,
    final_sparsity: float,
    *,
    begin_fraction: float = 0.0,
    power: float = POWER,
    frequency: int = FREQUENCY,
    name: str = "",
) -> Attempt:
    """A ramp between two sparsities from the begin to the end of the training; its name has them in percent.

    >>> polynomial(0.1, 0.5).name
    'poly 10/50'
    """
    return Attempt(
        name=name or f"poly {100 * initial_sparsity:g}/{100 * final_sparsity:g}",
        candidate=Candidate(
            schedule="polynomial",
            initial_sparsity=initial_sparsity,
            final_sparsity=final_sparsity,
            begin_fraction=begin_fraction,
            end_fraction=1.0,
            power=power,
            frequency=frequency,
        ),
    )


# The eleven of the articles that this project grew from.
PUBLISHED = (
    *(polynomial(*ends) for ends in ((0.1, 0.5), (0.2, 0.5), (0.3, 0.6), (0.3, 0.7), (0.4, 0.5), (0.1, 0.9))),
    *(constant(sparsity) for sparsity in (0.1, 0.4, 0.5, 0.6, 0.9)),
)
