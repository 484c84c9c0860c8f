"""Loaders of image sets."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsesearch.datasets.data import Array, Data, Split
from sparsesearch.datasets.files import DATA_FOLDER, fetch, fetch_file, local_path
from sparsesearch.errors import DataError, close_names

IDX_FILES: Mapping[str, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
# Splits are the same for every seed: what is compared across seeds is training, not luck of the draw.
SPLIT_SEED = 0
VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
HELD_OUT_SHARE = 0.1  # of photos, for validation and for testing each
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png")


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


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """Loader of photos that lie in one folder per class: uint8 ``(n, size, size, 3)`` and whole-number labels.

    They are looked for in the folder ``name`` of the user's data sets, as folders or in a tar archive,
    else an archive is downloaded. Classes are counted in the order of their names. 80 % are for training,
    10 % for validation, 10 % for testing, stratified and fixed. A byte per colour is what a worker keeps in
    memory: a ``Rescaling`` layer is the place to turn them into fractions.

    Raises:
        DataError: no photos, fewer than two classes, a file that is no photo.
    """

    name: str
    size: int  # pixels a side
    url: str  # of a tar archive

    def __call__(self) -> Data:
        """Read, resize and split the photos."""
        local = local_path(self.name)
        path = local or fetch_file(self.url, name=self.name, wanted=f"{self.name}/ with a folder for each class")
        photos = sorted(
            ((file, self._decoded(file, content)) for file, content in _photos(path)), key=lambda photo: photo[0]
        )
        names = [Path(file).parent.name for file, _ in photos]
        classes, labels = np.unique(np.array(names), return_inverse=True)
        if len(classes) < 2:
            raise DataError(
                f"{path} must hold photos in a folder for each class, got {len(photos)} photos in {len(classes)}",
                hint=f"photos are files that end in {', '.join(PHOTO_ENDINGS)}",
            )
        x, y = np.stack([photo for _, photo in photos]), labels.astype(np.int32)
        photos.clear()
        rows, held_out = _split((np.arange(len(y)), y), 2 * HELD_OUT_SHARE)
        validation, test = _split(held_out, 0.5)
        return Data(
            train=(x[rows[0]], rows[1]),
            validation=(x[validation[0]], validation[1]),
            test=(x[test[0]], test[1]),
            source=f"${DATA_FOLDER}/{self.name}" if local else "download",
        )

    def _decoded(self, file: str, content: bytes) -> Array:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(content)) as photo:
                rgb = photo.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:  # Pillow's, for files broken in different ways
            raise DataError(f"{file} is no photo: {error}", hint="take it out, or fetch it again") from error
        if rgb.size != (self.size, self.size):
            rgb = rgb.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.asarray(rgb)


def class_folders(name: str, *, size: int, url: str) -> ClassFolders:
    """Loader of the photos in the data set ``name``, resized to ``size`` pixels a side."""
    return ClassFolders(name, size, url)


def _photos(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name, with its folders, and content of every photo under ``path``, in any order."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.suffix.lower() in PHOTO_ENDINGS]
        for file in files:
            yield file.relative_to(path).as_posix(), file.read_bytes()
        for archive in [] if files else sorted(path.iterdir()):
            if archive.is_file() and tarfile.is_tarfile(archive):
                yield from _photos(archive)
        return
    try:
        with tarfile.open(path) as opened:
            # In the order in which they lie there: going back in a compressed archive means reading it again.
            for member in opened:
                content = opened.extractfile(member) if Path(member.name).suffix.lower() in PHOTO_ENDINGS else None
                if content:
                    yield member.name, content.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}", hint="fetch the archive again") from error


def _split(split: Split, share: float) -> tuple[Split, Split]:
    from sklearn.model_selection import train_test_split

    examples, labels = split
    try:
        kept_x, taken_x, kept_y, taken_y = train_test_split(
            examples, labels, test_size=share, stratify=labels, random_state=SPLIT_SEED
        )
    except ValueError as error:
        raise DataError(f"{len(labels)} examples are too few to be split: {error}") from error
    return (kept_x, kept_y), (taken_x, taken_y)


def _digits(_name: str) -> tuple[Split, Split | None, str]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images, bunch.target), None, "scikit-learn"


def _idx(name: str) -> tuple[Split, Split | None, str]:
    folder = local_path(name)
    if folder:
        train, test = (
            (_read_idx(folder / images), _read_idx(folder / labels)) for images, labels in IDX_FILES.values()
        )
        return train, test, f"${DATA_FOLDER}/{name}"
    return *_download(name), "download"


def _read_idx(path: Path) -> Array:
    """Array of an IDX file of bytes: two zeros, type 8, the rank, big-endian sizes, the values."""
    try:
        raw = gzip.decompress(path.read_bytes())
        rank = raw[3]
        shape = tuple(int(size) for size in np.frombuffer(raw, dtype=">u4", count=rank, offset=4))
        return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is missing or damaged: {error}", hint="fetch the original file again") from error


def _download(name: str) -> tuple[Split, Split]:
    def download() -> tuple[Split, Split]:
        import tf_keras

        train, test = getattr(tf_keras.datasets, name).load_data()
        return train, test

    return fetch(download, name=name, wanted=f"{name}/{IDX_FILES['train'][0]} and its three companions")


_Load = Callable[[str], tuple[Split, Split | None, str]]
# By name: how the images are loaded and the value of their brightest pixel.
_SOURCES: dict[str, tuple[_Load, int]] = {
    "digits": (_digits, 16),
    "mnist": (_idx, 255),
    "fashion_mnist": (_idx, 255),
}
