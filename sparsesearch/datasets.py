"""Data for studies: three splits, and loaders for well-known image sets."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsesearch.errors import DataError, close_names

Array = NDArray[Any]
Split = tuple[Array, Array]

DATA_FOLDER = "SPARSESEARCH_DATA"
IDX_FILES: Mapping[str, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
# Splits are the same for every seed: what is compared across seeds is training, not luck of the draw.
SPLIT_SEED = 0
VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2


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


@dataclass(frozen=True, slots=True)
class ImageClassification:
    """Loader of a named image set: float32 ``(n, size, size, 1)`` in [0, 1] and whole-number labels.

    ``digits`` are scikit-learn's bundled 1,797 handwritten digits, enlarged from 8x8 and split 60/20/20;
    ``mnist`` and ``fashion_mnist`` hold 70,000 images of 28x28 with their own test sets, a fifth of the
    rest for validation. Splits are stratified and fixed.

    Raises:
        DataError: an unknown name, or data that are neither here nor to be downloaded.
    """

    name: str
    size: int = 28

    def __post_init__(self) -> None:
        if self.name not in _SOURCES:
            raise DataError(f"there is no data set {self.name!r}", hint=close_names(self.name, _SOURCES))

    def __call__(self) -> Data:
        """Load, scale, resize and split the images."""
        load, _ = _SOURCES[self.name]
        rest, test, source = load(self.name)
        share = VALIDATION_SHARE
        if test is None:
            rest, test = _split(rest, TEST_SHARE)
            share /= 1 - TEST_SHARE
        train, validation = _split(rest, share)
        return Data(
            train=self._prepared(train),
            validation=self._prepared(validation),
            test=self._prepared(test),
            source=source,
        )

    def _prepared(self, split: Split) -> Split:
        images, labels = split
        _, brightest = _SOURCES[self.name]
        scaled = (images / brightest).astype(np.float32)
        if images.shape[1:] != (self.size, self.size):
            from scipy.ndimage import zoom

            factors = (1, self.size / images.shape[1], self.size / images.shape[2])
            scaled = zoom(scaled, factors, order=1, mode="nearest", grid_mode=True)
        return scaled[..., None], labels.astype(np.int32)


def image_classification(name: str, *, size: int = 28) -> ImageClassification:
    """Loader of the image set ``name``, resized to ``size`` pixels a side."""
    return ImageClassification(name, size)


def _split(split: Split, share: float) -> tuple[Split, Split]:
    from sklearn.model_selection import train_test_split

    images, labels = split
    kept_x, taken_x, kept_y, taken_y = train_test_split(
        images, labels, test_size=share, stratify=labels, random_state=SPLIT_SEED
    )
    return (kept_x, kept_y), (taken_x, taken_y)


def _digits(_name: str) -> tuple[Split, Split | None, str]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images, bunch.target), None, "scikit-learn"


def _idx(name: str) -> tuple[Split, Split | None, str]:
    folder = Path(os.environ[DATA_FOLDER]).expanduser() / name if os.environ.get(DATA_FOLDER) else None
    if folder and folder.is_dir():
        train, test = (
            (_read_idx(folder / images), _read_idx(folder / labels)) for images, labels in IDX_FILES.values()
        )
        return train, test, f"${DATA_FOLDER}/{name}"
    return *_download(name, folder), "download"


def _read_idx(path: Path) -> Array:
    """Array of an IDX file of bytes: two zeros, type 8, the rank, big-endian sizes, the values."""
    try:
        raw = gzip.decompress(path.read_bytes())
        rank = raw[3]
        shape = tuple(int(size) for size in np.frombuffer(raw, dtype=">u4", count=rank, offset=4))
        return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is missing or damaged: {error}", hint="fetch the original file again") from error


def _download(name: str, folder: Path | None) -> tuple[Split, Split]:
    import tf_keras

    try:
        train, test = getattr(tf_keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception for every failed download
        looked = f"not in {folder}" if folder else f"{DATA_FOLDER} is not set"
        raise DataError(
            f"data set {name!r} was not found: {looked}, and the download failed: {error}",
            hint=f"set {DATA_FOLDER} to a folder that holds {name}/{IDX_FILES['train'][0]} and its three "
            "companions, or connect to the internet",
        ) from error
    return train, test


_Load = Callable[[str], tuple[Split, Split | None, str]]
# By name: how the images are loaded and the value of their brightest pixel.
_SOURCES: dict[str, tuple[_Load, int]] = {
    "digits": (_digits, 16),
    "mnist": (_idx, 255),
    "fashion_mnist": (_idx, 255),
}
