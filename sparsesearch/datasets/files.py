"""Where the files of a data set are: in a folder of the user's, else downloaded as Keras does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sparsesearch.errors import DataError

DATA_FOLDER = "SPARSESEARCH_DATA"

T = TypeVar("T")


def local_path(name: str) -> Path | None:
    """The file or folder ``name`` in the user's folder of data sets; None where there is none."""
    root = os.environ.get(DATA_FOLDER)
    path = Path(root).expanduser() / name if root else None
    return path if path and path.exists() else None


def fetch(download: Callable[[], T], *, name: str, wanted: str) -> T:
    """What ``download`` gives.

    Raises:
        DataError: it failed; the message says how to provide ``wanted`` instead.
    """
    try:
        return download()
    except Exception as error:  # Keras raises a bare Exception for every failed download
        root = os.environ.get(DATA_FOLDER)
        looked = f"not in {Path(root).expanduser()}" if root else f"{DATA_FOLDER} is not set"
        raise DataError(
            f"data set {name!r} was not found: {looked}, and the download failed: {error}",
            hint=f"set {DATA_FOLDER} to a folder that holds {wanted}, or connect to the internet",
        ) from error


def fetch_file(url: str, *, name: str, wanted: str, sha256: str = "") -> Path:
    """Path of the file at ``url``, downloaded into Keras' cache once.

    Raises:
        DataError: it cannot be downloaded, or is not the file that ``sha256`` belongs to.
    """

    def download() -> Path:
        import tf_keras

        return Path(tf_keras.utils.get_file(origin=url, file_hash=sha256 or None, hash_algorithm="sha256"))

    return fetch(download, name=name, wanted=wanted)
