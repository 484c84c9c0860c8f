"""Series of numbers in time, and the windows that a recurrent network reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparsesearch.datasets.data import Array, Split
from sparsesearch.datasets.files import fetch_file, local_path
from sparsesearch.errors import DataError

PM25_FILE = "regression/beijing_pm25_hourly.csv"
PM25_URL = "https://raw.githubusercontent.com/jbrownlee/Datasets/master/pollution.csv"
PM25_SHA256 = "892e9559205d16d32623135c127a3951c12e46ea1e0b3093e107ce89a9fd60e2"
PM25_COLUMNS = {"year": 1, "pm2.5": 5}


def windows(series: Array, length: int) -> Split:
    """Every stretch of ``length`` values, shape (n, length, 1), and the value after it, shape (n, 1).

    Stretches that touch a gap, a value that is not finite, are left out.

    Raises:
        DataError: no stretch is whole.

    >>> x, y = windows(np.array([1.0, 2.0, 3.0, np.nan, 5.0, 6.0, 7.0]), 2)
    >>> x[..., 0].tolist(), y.tolist()
    ([[1.0, 2.0], [5.0, 6.0]], [[3.0], [7.0]])
    """
    if len(series) <= length:
        raise DataError(f"windows of {length} values need a series of more, got {len(series)}")
    stretches = np.lib.stride_tricks.sliding_window_view(series, length + 1)
    whole = stretches[np.isfinite(stretches).all(axis=1)].astype(np.float32)
    if len(whole) == 0:
        raise DataError(f"the series has no {length + 1} values in a row without a gap")
    return whole[:, :-1, None], whole[:, -1:]


def beijing_pm25() -> tuple[Array, Array]:
    """Year and PM2.5 concentration (micrograms per cubic metre, NaN in gaps) of each hour from 2010 to 2014.

    Measured at the US embassy in Beijing: Liang et al., Proc. R. Soc. A 471 (2015) 20150257, CC BY 4.0.

    Raises:
        DataError: the file is neither here nor to be downloaded, or is another one.
    """
    path = local_path(PM25_FILE) or fetch_file(PM25_URL, name="pm25", wanted=PM25_FILE, sha256=PM25_SHA256)
    return _read_pm25(path)


def _read_pm25(path: Path) -> tuple[Array, Array]:
    try:
        with path.open(encoding="utf-8") as file:
            titles = file.readline().strip().replace('"', "").split(",")
        if any(titles[position : position + 1] != [name] for name, position in PM25_COLUMNS.items()):
            raise ValueError(f"its columns are {', '.join(titles)}")
        years, values = np.genfromtxt(
            path, delimiter=",", skip_header=1, usecols=tuple(PM25_COLUMNS.values()), unpack=True
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not the hourly PM2.5 file: {error}", hint="fetch the original file again"
        ) from error
    return years, values
