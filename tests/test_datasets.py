from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sparsesearch.datasets import Data, image_classification
from sparsesearch.errors import DataError


def test_digits_are_scaled_resized_split_and_stratified() -> None:
    data = image_classification("digits", size=28)()
    assert {name: x.shape for name, (x, _) in data.splits.items()} == {
        "train": (1077, 28, 28, 1),
        "validation": (360, 28, 28, 1),
        "test": (360, 28, 28, 1),
    }
    for x, y in data.splits.values():
        assert x.dtype == np.float32
        assert x.min() >= 0 and x.max() <= 1
        shares = np.bincount(y, minlength=10) / len(y)
        assert shares.min() > 0.09 and shares.max() < 0.11


def test_no_digit_is_in_two_splits() -> None:
    data = image_classification("digits", size=8)()
    images = [{image.tobytes() for image in x} for x, _ in data.splits.values()]
    assert sum(map(len, images)) == len(set.union(*images)) == 1797


def test_enlarging_keeps_the_picture() -> None:
    small, large = image_classification("digits", size=8)(), image_classification("digits", size=28)()
    means = [np.abs(s.mean() - b.mean()) for s, b in zip(small.train[0], large.train[0], strict=True)]
    assert max(means) < 0.02


def test_the_fingerprint_is_of_the_values() -> None:
    first, again = image_classification("digits")(), image_classification("digits")()
    assert first.fingerprint() == again.fingerprint()
    again.train[0][0, 0, 0, 0] += 0.5
    assert first.fingerprint() != again.fingerprint()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_are_read(name: str, real_data: Path) -> None:
    data = image_classification(name)()
    assert [len(x) for x, _ in data.splits.values()] == [48_000, 12_000, 10_000]
    assert data.source == f"$SPARSESEARCH_DATA/{name}"
    if name == "mnist":
        # Published counts of the test labels 0..9.
        assert np.bincount(data.test[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_damaged_idx_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + b"\0" * 20)[:-9])
    monkeypatch.setenv("SPARSESEARCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz is missing or damaged"):
        image_classification("mnist")()


def test_missing_data_say_both_ways_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import tf_keras

    def no_internet() -> None:
        raise OSError("URL fetch failure")

    monkeypatch.setattr(tf_keras.datasets.mnist, "load_data", no_internet)
    monkeypatch.delenv("SPARSESEARCH_DATA", raising=False)
    with pytest.raises(
        DataError, match=r"SPARSESEARCH_DATA is not set, and the download failed.*set SPARSESEARCH_DATA .* or connect"
    ):
        image_classification("mnist")()


X, Y = np.zeros((4, 2)), np.zeros(4)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ((X, Y[:3]), "as many inputs as targets, got 4 and 3"),
        ((X[:0], Y[:0]), "validation is empty"),
        ((X[:, :1], Y), r"x \(1,\) and y \(\) beside \(2,\) and \(\)"),
        (X, "must be a pair"),
    ],
)
def test_splits_must_fit_together(split: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Data(train=(X, Y), validation=split, test=(X, Y))  # type: ignore[arg-type]
