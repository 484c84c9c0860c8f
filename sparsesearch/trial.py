"""What one evaluation is: where it stands, what was measured, and what it left behind."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsesearch.schedule import Schedule
from sparsesearch.space import Candidate, Value

# Number of the dense baseline, which is evaluated like a trial but is none.
BASELINE = -1

# Sizes that every measurement holds, in bytes; smaller is better.
SIZE_METRICS = ("h5_bytes", "zipped_h5_bytes", "tflite_bytes", "zipped_tflite_bytes")


class TrialStatus(enum.StrEnum):
    """RUNNING -> COMPLETE | STOPPED (given up early, will be repeated) | FAILED (counts, has a reason)."""

    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def counts(self) -> bool:
        """Whether a trial in this status is one of the study's total."""
        return self in (TrialStatus.COMPLETE, TrialStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroCount:
    """Zeros counted in one finished array of weights: a kernel, a bias, a normalisation's scale."""

    name: str  # layer and weight, for example conv2d/kernel
    weights: int  # > 0
    zeros: int  # exact zeros among them
    target_zeros: int = 0  # what the schedule asks for
    prunable: bool = True  # False for biases and for layers that stay dense

    @property
    def missed(self) -> int:
        """How many weights the zeros are away from their target; 0 where nothing can be pruned."""
        return abs(self.zeros - self.target_zeros) if self.prunable else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one evaluation found.

    ``metrics`` hold the loss and the study's metrics on validation data under their plain names, on
    test data as ``test_...``, the sizes of `SIZE_METRICS` in bytes, ``sparsity`` over the prunable
    weights and ``total_sparsity`` over all of them as fractions, and ``train_seconds``, the wall clock of
    training. ``zeros`` counts every array of weights, ``history`` has one mapping per epoch, and
    ``predictions`` are a regression's outputs for the inspection's sample.
    """

    metrics: Mapping[str, float]
    zeros: tuple[ZeroCount, ...] = ()
    history: tuple[Mapping[str, float], ...] = ()
    predictions: tuple[float, ...] = ()

    @property
    def kernels(self) -> tuple[ZeroCount, ...]:
        """The arrays that can be pruned."""
        return tuple(count for count in self.zeros if count.prunable)

    @property
    def weights(self) -> int:
        """How many weights were counted, trained or not."""
        return sum(count.weights for count in self.zeros)

    @property
    def zero_weights(self) -> int:
        """How many of them are exactly zero."""
        return sum(count.zeros for count in self.zeros)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {
            "metrics": dict(self.metrics),
            "zeros": [dataclasses.asdict(count) for count in self.zeros],
            "history": [dict(epoch) for epoch in self.history],
            "predictions": list(self.predictions),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Measurement:
        """Inverse of `to_json`."""
        return cls(
            metrics=fields["metrics"],
            zeros=tuple(ZeroCount(**count) for count in fields["zeros"]),
            history=tuple(fields["history"]),
            predictions=tuple(fields["predictions"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A measurement and the files it was taken from, by file name."""

    measurement: Measurement
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One evaluation of a candidate, as far as it has come."""

    number: int  # counted from 0 within the study; BASELINE for the dense network
    status: TrialStatus
    candidate: Candidate | None  # None for the dense baseline
    attempt: str = ""  # name of the study's attempt that the candidate is, if it is one
    schedule: Schedule | None = None  # the candidate in whole steps
    seed: int = 0
    measurement: Measurement | None = None  # COMPLETE only
    reason: str = ""  # why it FAILED or was STOPPED
    same_as: int | None = None  # the trial that was trained in its place: equal schedule, equal seed
    started: float | None = None  # seconds since the epoch
    finished: float | None = None  # seconds since the epoch

    @property
    def candidate_parameters(self) -> dict[str, Value]:
        """Parameter values by name, none for the dense baseline."""
        return self.candidate.parameters if self.candidate else {}

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the measurement, empty while there is none."""
        return self.measurement.metrics if self.measurement else {}
