from __future__ import annotations

from collections.abc import Callable

import pytest

from sparsesearch.printing import GAP, column_widths, fitting
from sparsesearch.record import StudyRecord
from sparsesearch.tables import trials_table

Searched = Callable[..., StudyRecord]


@pytest.mark.parametrize("width", [20, 80, 120, 160, 400])
def test_as_many_columns_are_shown_as_fit(searched: Searched, width: int) -> None:
    table = trials_table(searched(trials=4))
    widths = column_widths(table)
    shown = fitting(table.columns, widths, width)
    left_out = [column for column in table.columns if column not in shown]
    assert [column for column in table.columns if column in shown] == shown, "their order is kept"
    taken = sum(widths[column.title] + GAP for column in shown) - GAP
    assert taken <= width or all(column.rank == 0 for column in shown)
    if left_out:
        assert min(column.rank for column in left_out) >= max(column.rank for column in shown)
    assert (len(left_out) == 0) == (width == 400)


def test_the_recap_has_what_the_articles_print(searched: Searched) -> None:
    record = searched(trials=4)
    table = trials_table(record)
    cells = {column.title: column.text(record.trials[0]) for column in table.columns}
    zeros = record.trials[0].measurement.zeros[0].zeros  # type: ignore[union-attr]
    assert (cells["weights"], cells["zeros"]) == ("100,000", f"{zeros:,}")
    assert {"schedule", "h5", "zipped h5", "tflite", "zipped tflite", "compression", "test accuracy", "smaller"} <= set(
        cells
    )
