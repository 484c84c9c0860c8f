"""What a search varies: domains, the search space made of them, and a candidate drawn from it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparsesearch.errors import StudyError

Value = float | int | str

SCHEDULES = ("constant", "polynomial")
# What tensorflow-model-optimization's own schedules default to.
POWER = 3.0
FREQUENCY = 100  # optimizer steps
# Parameters that mean nothing to a constant schedule.
POLYNOMIAL_ONLY = ("initial_sparsity", "power")


@dataclass(frozen=True, slots=True)
class Float:
    """Real numbers from ``low`` to ``high``, both included; ``log`` draws their logarithm uniformly.

    Raises:
        StudyError: reversed or non-finite bounds, or ``log`` with a bound that is not positive.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log, kind="Float")

    def __contains__(self, value: object) -> bool:
        return _is_number(value) and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        return f"{float(self.low)}..{float(self.high)}{' (log)' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Int:
    """Whole numbers from ``low`` to ``high``, both included; ``log`` draws their logarithm uniformly.

    Raises:
        StudyError: reversed or fractional bounds, or ``log`` with a bound that is not positive.
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log, kind="Int")
        if not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise StudyError(f"Int bounds must be whole numbers, got {self.low} and {self.high}")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low}..{self.high}{' (log)' if self.log else ''}"


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """One of the listed values.

    Raises:
        StudyError: no value, or one value listed twice.
    """

    values: tuple[Value, ...]

    def __init__(self, *values: Value) -> None:
        if not values or len(set(values)) < len(values):
            raise StudyError(f"Choice needs different values, got {list(values)}")
        object.__setattr__(self, "values", values)

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return " | ".join(f"{value}" for value in self.values)


Domain = Float | Int | Choice
Suggest = Callable[[str, Domain], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Parameter values proposed, not yet measured; ``None`` where the schedule has no such parameter."""

    schedule: str  # one of SCHEDULES
    final_sparsity: float  # fraction, in (0, 1)
    begin_fraction: float  # of all optimizer steps, in [0, 1)
    end_fraction: float  # of all optimizer steps, in (0, 1]
    frequency: int  # optimizer steps between two updates of the masks, >= 1
    initial_sparsity: float | None = None  # fraction, in [0, final_sparsity]
    power: float | None = None  # exponent of the ramp, > 0

    @property
    def parameters(self) -> dict[str, Value]:
        """The values that this candidate has, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """The parameters of a pruning schedule, each a domain to search or a fixed value.

    ``initial_sparsity`` and ``power`` exist only for the polynomial schedule.

    Raises:
        StudyError: a value outside its range, or ranges that make no sense together.
    """

    schedule: Choice | str = Choice(*SCHEDULES)
    initial_sparsity: Domain | float = 0.0
    final_sparsity: Domain | float
    begin_fraction: Domain | float = 0.0
    end_fraction: Domain | float = 1.0
    power: Domain | float = POWER
    frequency: Domain | int = FREQUENCY

    def __post_init__(self) -> None:
        self._check_types()
        for name in ("initial_sparsity", "final_sparsity"):
            self._check_range(name, above_zero=name == "final_sparsity", below_one=True)
        self._check_range("begin_fraction", above_zero=False, below_one=True)
        self._check_range("end_fraction", above_zero=True, below_one=False)
        if bounds(self.power)[0] <= 0:
            raise StudyError(f"power must be above 0, got {self.power}")
        if bounds(self.frequency)[0] < 1 or not _is_whole(self.frequency):
            raise StudyError(
                f"frequency must be whole optimizer steps, at least 1, got {self.frequency}",
                hint="Choice(1, 10, 100) or Int(1, 100)",
            )
        if "polynomial" in options(self.schedule):
            self._check_order("initial_sparsity", "final_sparsity", may_touch=True)
        self._check_order("begin_fraction", "end_fraction", may_touch=False)

    @property
    def domains(self) -> dict[str, Domain]:
        """The parameters to choose, by name; fixed values are none."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Float | Int | Choice)}

    def candidate(self, suggest: Suggest) -> Candidate:
        """Draw a candidate: ``suggest(name, domain)`` is called once for each parameter to choose."""
        schedule = str(_draw("schedule", self.schedule, suggest))
        values: dict[str, Any] = {
            field.name: _draw(field.name, getattr(self, field.name), suggest)
            for field in dataclasses.fields(self)
            if field.name != "schedule" and self._exists(field.name, (schedule,))
        }
        return Candidate(schedule=schedule, **values)

    @staticmethod
    def _exists(name: str, schedules: tuple[Value, ...]) -> bool:
        return name not in POLYNOMIAL_ONLY or "polynomial" in schedules

    def _check_types(self) -> None:
        unknown = [value for value in options(self.schedule) if value not in SCHEDULES]
        if unknown:
            raise StudyError(
                f"schedule must be one of {', '.join(SCHEDULES)}, got {unknown[0]!r}",
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "schedule" and not all(_is_number(bound) for bound in _ends(value)):
                raise StudyError(
                    f"{field.name} must be a number or a domain of numbers, got {value!r}",
                    hint="for example Float(0.1, 0.9)",
                )

    def _check_range(self, name: str, *, above_zero: bool, below_one: bool) -> None:
        low, high = bounds(getattr(self, name))
        too_low = low <= 0 if above_zero else low < 0
        too_high = high >= 1 if below_one else high > 1
        if too_low or too_high:
            value = high if too_high else low
            rule = f"{'above' if above_zero else 'at least'} 0 and {'below' if below_one else 'at most'} 1"
            hint = f"{value:g} % is written {value / 100:g}" if 1 < value <= 100 else ""
            raise StudyError(f"{name} must be a fraction, {rule}, got {getattr(self, name)}", hint=hint)

    def _check_order(self, lower: str, upper: str, *, may_touch: bool) -> None:
        highest, lowest = bounds(getattr(self, lower))[1], bounds(getattr(self, upper))[0]
        if highest > lowest or (highest == lowest and not may_touch):
            rule = "must not exceed" if may_touch else "must stay below"
            raise StudyError(
                f"{lower} {rule} {upper}, got {lower} up to {highest:g} and {upper} from {lowest:g}",
                hint="choose ranges that do not overlap",
            )


def options(value: Choice | str) -> tuple[Value, ...]:
    """The values that a choice, or a fixed string, can take."""
    return value.values if isinstance(value, Choice) else (value,)


def bounds(value: Domain | float) -> tuple[float, float]:
    """Lowest and highest number of a domain or of a fixed number."""
    ends = [float(end) for end in _ends(value)]
    return min(ends), max(ends)


def _ends(value: Domain | Value) -> tuple[Value, ...]:
    if isinstance(value, Choice):
        return value.values
    return (value.low, value.high) if isinstance(value, Float | Int) else (value,)


def _draw(name: str, value: Domain | Value, suggest: Suggest) -> Value:
    return suggest(name, value) if isinstance(value, Float | Int | Choice) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Domain | float) -> bool:
    return not isinstance(value, Float) and all(isinstance(end, int) for end in _ends(value))


def _check_bounds(low: float, high: float, log: bool, *, kind: str) -> None:
    if not (_is_number(low) and _is_number(high)):
        raise StudyError(f"{kind} bounds must be finite numbers, got {low!r} and {high!r}")
    if low > high:
        raise StudyError(f"{kind} bounds are reversed: {low} is above {high}", hint=f"{kind}({high}, {low})")
    if log and low <= 0:
        raise StudyError(f"{kind} with log=True needs bounds above 0, got {low}")
