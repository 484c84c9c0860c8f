"""What a search optimises: a named metric and a direction."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from sparsesearch.errors import StudyError


class Direction(enum.StrEnum):
    """Which way a metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A metric of the measurement and the direction in which it gets better.

    Raises:
        StudyError: a metric of the test data, which are for reports only.
    """

    metric: str
    direction: Direction

    def __post_init__(self) -> None:
        if self.metric.startswith("test_"):
            raise StudyError(
                f"test metrics must not steer a search, got {self.metric!r}",
                hint=f"{self.metric.removeprefix('test_')!r} is the same metric on validation data",
            )

    def loss(self, metrics: Mapping[str, float]) -> float:
        """Value of this objective where smaller is always better."""
        return self.sign * metrics[self.metric]

    @property
    def is_quality(self) -> bool:
        """Whether the metric is measured on data, and not of the files, the weights or the clock."""
        return not self.metric.endswith(("_bytes", "_seconds", "sparsity"))

    @property
    def sign(self) -> int:
        """Factor between the metric and its loss: 1 or -1."""
        return -1 if self.direction is Direction.MAXIMIZE else 1


def maximize(metric: str) -> Objective:
    """Objective that grows better with ``metric``."""
    return Objective(metric=metric, direction=Direction.MAXIMIZE)


def minimize(metric: str) -> Objective:
    """Objective that grows better as ``metric`` falls."""
    return Objective(metric=metric, direction=Direction.MINIMIZE)
