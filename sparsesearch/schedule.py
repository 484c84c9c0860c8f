"""Pruning schedules as values, and the rule that makes each of them reach its target.

tensorflow-model-optimization changes a mask only at steps where ``begin <= step <= end`` and
``(step - begin) % frequency == 0``, with steps counted from 1. A schedule whose end is not aligned
to its frequency therefore stops short of its final sparsity. `snap` turns a candidate's fractions
into whole steps such that the last update falls on ``end_step``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsesearch.errors import StudyError
from sparsesearch.space import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Steps:
    begin_step: int  # optimizer steps, >= 0; step 0 is before the first one
    end_step: int  # optimizer steps, > begin_step; the last update of the masks
    frequency: int  # optimizer steps between updates, a divisor of end_step - begin_step
    final_sparsity: float  # fraction of each kernel's weights at zero, in (0, 1)

    def __post_init__(self) -> None:
        if not 0 < self.final_sparsity < 1:
            raise StudyError(f"final_sparsity must be a fraction between 0 and 1, got {self.final_sparsity}")
        if not 0 <= self.begin_step < self.end_step:
            raise StudyError(f"need 0 <= begin_step < end_step, got {self.begin_step} and {self.end_step}")
        if self.frequency < 1 or (self.end_step - self.begin_step) % self.frequency:
            raise StudyError(
                f"frequency must divide end_step - begin_step = {self.end_step - self.begin_step}, "
                f"got {self.frequency}",
                hint="snap() finds whole steps that fit",
            )

    @property
    def update_steps(self) -> range:
        """Optimizer steps at which the masks change; the last is ``end_step``."""
        first = self.begin_step or self.frequency
        return range(first, self.end_step + 1, self.frequency)

    def _last_update(self, step: int) -> int | None:
        """The update whose masks hold at ``step``, if there was one."""
        held = min(step, self.end_step)
        if held < self.update_steps[0]:
            return None
        return held - (held - self.begin_step) % self.frequency


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantSparsity(_Steps):
    """The final sparsity from the first update on.

    Raises:
        StudyError: steps or a fraction out of range, or an ``end_step`` that no update falls on.
    """

    def sparsity_at(self, step: int) -> float:
        """Fraction of zeros that the masks hold at ``step``.

        >>> ramp = ConstantSparsity(final_sparsity=0.5, begin_step=10, end_step=30, frequency=10)
        >>> ramp.sparsity_at(9), ramp.sparsity_at(10)
        (0.0, 0.5)
        """
        return 0.0 if self._last_update(step) is None else self.final_sparsity


@dataclass(frozen=True, slots=True, kw_only=True)
class PolynomialDecay(_Steps):
    """A ramp from ``initial_sparsity`` to ``final_sparsity`` between two steps.

    Raises:
        StudyError: steps or fractions out of range, or an ``end_step`` that no update falls on.
    """

    initial_sparsity: float  # fraction, in [0, final_sparsity]
    power: float  # exponent, > 0

    def __post_init__(self) -> None:
        # super() needs the class cell that slots=True replaces.
        _Steps.__post_init__(self)
        if not 0 <= self.initial_sparsity <= self.final_sparsity:
            raise StudyError(
                f"initial_sparsity must be between 0 and final_sparsity {self.final_sparsity}, "
                f"got {self.initial_sparsity}"
            )
        if self.power <= 0:
            raise StudyError(f"power must be above 0, got {self.power}")

    def sparsity_at(self, step: int) -> float:
        """Fraction of zeros that the masks hold at ``step``: the ramp's value at the last update.

        The ramp is ``s_f + (s_i - s_f) * (1 - t) ** power`` with ``t`` running from 0 at
        ``begin_step`` to 1 at ``end_step`` (Zhu & Gupta 2017, arXiv:1710.01878).

        >>> ramp = PolynomialDecay(initial_sparsity=0.0, final_sparsity=0.8, power=3,
        ...                        begin_step=0, end_step=100, frequency=50)
        >>> [round(ramp.sparsity_at(step), 3) for step in (49, 50, 99, 100)]
        [0.0, 0.7, 0.7, 0.8]
        """
        update = self._last_update(step)
        if update is None:
            return 0.0
        t = (update - self.begin_step) / (self.end_step - self.begin_step)
        remaining: float = (1 - t) ** self.power
        return self.final_sparsity + (self.initial_sparsity - self.final_sparsity) * remaining


Schedule = ConstantSparsity | PolynomialDecay


def snap(candidate: Candidate, *, total_steps: int) -> Schedule:
    """Whole optimizer steps for ``candidate`` in a training of ``total_steps``.

    Begin is rounded to a step. A frequency longer than the span from begin to end becomes that
    span; otherwise the end moves back, by less than one frequency, onto the last update that fits.

    Raises:
        StudyError: ``total_steps`` below 1.

    >>> asked = Candidate(schedule="constant", final_sparsity=0.875, begin_fraction=0.0,
    ...                   end_fraction=1.0, frequency=100)
    >>> snap(asked, total_steps=144).end_step
    100
    """
    if total_steps < 1:
        raise StudyError(f"a training needs at least one optimizer step, got {total_steps}")
    begin = min(round(candidate.begin_fraction * total_steps), total_steps - 1)
    end = min(max(round(candidate.end_fraction * total_steps), begin + 1), total_steps)
    frequency = min(candidate.frequency, end - begin)
    steps = {
        "begin_step": begin,
        "end_step": end - (end - begin) % frequency,
        "frequency": frequency,
    }
    initial = candidate.initial_sparsity
    if candidate.schedule == "constant" or initial == candidate.final_sparsity:
        return ConstantSparsity(final_sparsity=candidate.final_sparsity, **steps)
    if initial is None or candidate.power is None:
        raise StudyError("a polynomial schedule needs initial_sparsity and power, got a candidate without")
    return PolynomialDecay(
        initial_sparsity=initial, final_sparsity=candidate.final_sparsity, power=candidate.power, **steps
    )


def schedule_to_json(schedule: Schedule) -> dict[str, Any]:
    """The schedule's type and fields, as plain values."""
    return {"type": type(schedule).__name__, **dataclasses.asdict(schedule)}


def schedule_from_json(fields: Mapping[str, Any]) -> Schedule:
    """Inverse of `schedule_to_json`."""
    kinds: dict[str, type[Schedule]] = {kind.__name__: kind for kind in (ConstantSparsity, PolynomialDecay)}
    return kinds[fields["type"]](**{name: value for name, value in fields.items() if name != "type"})
