from __future__ import annotations

import gzip
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sparsesearch.datasets import Data, beijing_pm25, class_folders, image_classification, windows
from sparsesearch.errors import DataError
from sparsesearch.study_file import load_study


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


def flower(name: str, color: tuple[int, int, int], folder: Path, size: int = 12) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), color).save(folder / name)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten red and ten blue photos, each in the folder of its class, in a data set called few."""
    for number in range(10):
        flower(f"rose/{number}.png", (255, 0, 10 * number), tmp_path / "data" / "few" / "photos")
        flower(f"iris/{number}.png", (10 * number, 0, 255), tmp_path / "data" / "few" / "photos", size=30)
    (tmp_path / "data" / "few" / "photos" / "LICENSE.txt").write_text("free")
    monkeypatch.setenv("SPARSESEARCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "few"


def few() -> Data:
    return class_folders("few", size=12, url="https://nowhere.invalid/few.tgz")()


def test_photos_are_read_from_folders_and_from_a_tar_alike(photos: Path) -> None:
    data = few()
    assert {name: (x.shape, x.dtype.name) for name, (x, _) in data.splits.items()} == {
        "train": ((16, 12, 12, 3), "uint8"), "validation": ((2, 12, 12, 3), "uint8"), "test": ((2, 12, 12, 3), "uint8"),
    }  # fmt: skip
    for x, y in data.splits.values():
        assert ((x[:, 0, 0, 0] > 200) == (y == 1)).all(), "iris is class 0, rose class 1"
    assert data.source == "$SPARSESEARCH_DATA/few"
    with tarfile.open(photos / "few.tar.gz", "w:gz") as archive:
        archive.add(photos / "photos", arcname="photos")
    shutil.rmtree(photos / "photos")
    assert few().fingerprint() == data.fingerprint()


def test_a_damaged_photo_and_too_few_classes_are_named(photos: Path) -> None:
    (photos / "photos" / "rose" / "3.png").write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"rose/3.png is no photo"):
        few()
    shutil.rmtree(photos / "photos" / "rose")
    with pytest.raises(DataError, match="a folder for each class, got 10 photos in 1"):
        few()


def test_photos_are_downloaded_where_there_are_none(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    expected = few().fingerprint()
    with tarfile.open(tmp_path / "few.tgz", "w:gz") as archive:
        archive.add(photos / "photos", arcname="photos")
    monkeypatch.delenv("SPARSESEARCH_DATA")
    data = class_folders("few", size=12, url=(tmp_path / "few.tgz").as_uri())()
    assert (data.fingerprint(), data.source) == (expected, "download")
    with pytest.raises(DataError, match="set SPARSESEARCH_DATA to a folder that holds few/ with a folder for each"):
        class_folders("few", size=12, url=(tmp_path / "missing.tgz").as_uri())()


def test_the_flowers_are_all_there(real_data: Path) -> None:
    data = load_study("flowers").load_data()
    assert [len(y) for _, y in data.splits.values()] == [2936, 367, 367]
    counts = sum(np.bincount(y) for _, y in data.splits.values())
    assert counts.tolist() == [633, 898, 641, 699, 799], "daisy, dandelion, roses, sunflowers, tulips"


def test_windows_never_span_a_gap() -> None:
    series = np.arange(100.0)
    series[[20, 21, 50]] = np.nan
    x, y = windows(series, 6)
    assert (x.shape, y.shape) == ((100 - 6 - 8 - 7, 6, 1), (79, 1))
    assert (np.diff(np.concatenate([x[..., 0], y], axis=1)) == 1).all()
    with pytest.raises(DataError, match="no 7 values in a row without a gap"):
        windows(np.full(20, np.nan), 6)
    with pytest.raises(DataError, match="windows of 6 values need a series of more, got 6"):
        windows(series[:6], 6)


def test_pm25_is_split_by_year_and_scaled_on_the_training_years(real_data: Path) -> None:
    years, values = beijing_pm25()
    assert len(values) == 43_824 and np.isnan(values).sum() == 2_067
    study = load_study("lstm", settings={"dataset": "pm25"})
    data = study.load_data()
    assert study.training.epochs == 20
    known = values[(years <= 2012) & np.isfinite(values)]
    first = values[24 : 24 + 6]
    assert data.train[0][0, :, 0] == pytest.approx((first - known.mean()) / known.std(), rel=1e-5)
    assert len(data.train[0]) > len(data.test[0]) > 7_000


def test_another_file_than_pm25_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "regression").mkdir()
    (tmp_path / "regression" / "beijing_pm25_hourly.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv("SPARSESEARCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is not the hourly PM2.5 file: its columns are a, b"):
        beijing_pm25()
