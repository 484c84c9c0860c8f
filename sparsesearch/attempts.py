"""Attempts: candidates with a name that a study wants tried, whatever its sampler proposes."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesearch.errors import StudyError
from sparsesearch.space import Candidate, SearchSpace

# The defaults of tensorflow-model-optimization's own schedules.
POWER = 3.0
FREQUENCY = 100  # optimizer steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A candidate by name; it may lie outside the study's search space.

    Raises:
        StudyError: no name, or a value that no schedule can have.
    """

    name: str
    candidate: Candidate
    seed: int | None = None  # of weights, data order and dropout; None takes the study's

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise StudyError(f"an attempt needs a name, got {self.name!r}")
        try:
            SearchSpace(**self.candidate.parameters)  # type: ignore[arg-type]
        except StudyError as error:
            raise StudyError(f"attempt {self.name!r}: {error.message}", hint=error.hint) from error


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
