from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable

import pytest
from rich.console import Console

from sparsesearch.printing import GAP, column_widths, fitting, print_table
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


@pytest.mark.parametrize("width", [60, 200])
def test_a_moved_attempt_is_marked_and_explained(searched: Searched, width: int) -> None:
    record = searched(trials=1)
    moved = dataclasses.replace(record.trials[0], attempt="mine")
    assert record.trials[0].schedule is not None and record.trials[0].candidate is not None
    marked = dataclasses.replace(
        moved,
        candidate=dataclasses.replace(record.trials[0].candidate, frequency=record.trials[0].schedule.frequency + 1),
    )
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    print_table(console, trials_table(dataclasses.replace(record, trials=(marked,))))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "mine*" in printed and "* its end was moved" in " ".join(printed.split())
    assert "*" not in "".join(column.text(record.trials[0]) for column in trials_table(record).columns)
