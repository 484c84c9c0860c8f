"""What a worker finds out about a study before the first trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """A layer with weights that cannot be pruned and stays dense."""

    name: str
    kind: str  # class of the layer
    weights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionSample:
    """The first test examples of a regression, for a picture of predictions against truth."""

    inputs: tuple[float, ...]  # the input where it is one number, else the position in the test data
    targets: tuple[float, ...]  # as many
    input_name: str  # what ``inputs`` are, for people

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RegressionSample:
        """Inverse of ``dataclasses.asdict``, for lists in the place of tuples."""
        return cls(inputs=tuple(fields["inputs"]), targets=tuple(fields["targets"]), input_name=fields["input_name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Facts about a study's model and data."""

    weights: int  # all weights of the model
    prunable_weights: int  # those in kernels that are pruned, > 0
    total_steps: int  # optimizer steps of one training
    dense_layers: tuple[DenseLayer, ...] = ()
    model_fingerprint: str = ""  # equal architectures, equal fingerprints
    data_fingerprint: str = ""  # equal data, equal fingerprints
    data_source: str = ""
    examples: Mapping[str, int] = field(default_factory=dict)  # train, validation, test
    versions: Mapping[str, str] = field(default_factory=dict)  # of the libraries in the worker
    sample: RegressionSample | None = None  # of a regression with one output

    def identity(self) -> dict[str, str]:
        """The part that decides whether two studies may share trials."""
        return {"model": self.model_fingerprint, "data": self.data_fingerprint}

    def to_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Inspection:
        """Inverse of `to_json`."""
        layers = tuple(DenseLayer(**layer) for layer in fields["dense_layers"])
        sample = RegressionSample.from_json(fields["sample"]) if fields["sample"] else None
        return cls(**{**fields, "dense_layers": layers, "sample": sample})
