"""What a study trains, selects and reports on: three splits of arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsesearch.errors import DataError

Array = NDArray[Any]
Split = tuple[Array, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Examples to train on, to select on, and to report on: pairs ``(x, y)`` of arrays.

    ``x`` has shape ``(n, *input_shape)``, ``y`` shape ``(n,)`` or ``(n, *output_shape)``.

    Raises:
        DataError: a split that is no pair of arrays, is empty, has two lengths or another shape than ``train``.
    """

    train: Split
    validation: Split
    test: Split
    source: str = ""  # where the data came from, for people

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            if not (isinstance(split, tuple) and len(split) == 2):
                raise DataError(f"{name} must be a pair (x, y) of arrays, got {type(split).__name__}")
            for part in split:
                if not isinstance(part, np.ndarray) or part.dtype.kind not in "biuf" or part.ndim == 0:
                    kind = getattr(part, "dtype", "")
                    raise DataError(
                        f"{name} must hold NumPy arrays of numbers, got {type(part).__name__} {kind}".rstrip(),
                        hint="texts become numbers, for example with numpy.unique(y, return_inverse=True)",
                    )
            x, y = split
            if len(x) == 0:
                raise DataError(f"{name} is empty", hint="each of train, validation and test needs examples")
            if len(x) != len(y):
                raise DataError(f"{name} must hold as many inputs as targets, got {len(x)} and {len(y)}")
            if x.shape[1:] != self.train[0].shape[1:] or y.shape[1:] != self.train[1].shape[1:]:
                raise DataError(
                    f"{name} must have the shapes of train, got x {x.shape[1:]} and y {y.shape[1:]} "
                    f"beside {self.train[0].shape[1:]} and {self.train[1].shape[1:]}"
                )

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def fingerprint(self) -> str:
        """Digest of every value, type and shape: equal data have equal fingerprints (12 hex digits)."""
        digest = hashlib.sha256()
        for x, y in self.splits.values():
            for part in (x, y):
                digest.update(f"{part.dtype} {part.shape}".encode())
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()[:12]
