"""Tables of trials as plain cells: the terminal and the report only draw them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sparsesearch import formatting
from sparsesearch.record import SHIPPED_BYTES, StudyRecord
from sparsesearch.trial import BASELINE, Measurement, Trial, TrialStatus

MOVED = "* its end was moved to where an update of the masks falls, so that the final sparsity is reached"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, and the text of each cell."""

    title: str
    text: Callable[[Trial], str]
    numeric: bool = True
    rank: int = 0  # where there is little room, the highest is left out first; 0 is always shown


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and the trials that are its rows."""

    columns: tuple[Column, ...]
    trials: tuple[Trial, ...]
    note: str = ""  # what a mark in a cell means


def front_table(record: StudyRecord) -> Table:
    """The front, best quality first, below the dense baseline."""
    columns = (*_identity(record), *_objectives(record), *_shipped(record))
    return _table(record, columns, record.front)


def trials_table(record: StudyRecord) -> Table:
    """Every trial by number, below the dense baseline: what it is, what it weighs, how good it is."""
    columns = (
        *_identity(record),
        Column("status", _status, numeric=False, rank=5),
        *_objectives(record),
        _count("weights", lambda measurement: measurement.weights, rank=6),
        _count("zeros", lambda measurement: measurement.zero_weights, rank=2),
        _metric("h5_bytes", rank=7),
        _metric("tflite_bytes", rank=7),
        *_shipped(record),
        Column("compression", _compression, rank=4),
    )
    return _table(record, columns, record.trials)


def _table(record: StudyRecord, columns: tuple[Column, ...], trials: Sequence[Trial]) -> Table:
    # An objective may be one of the further columns too: its first place is the right one.
    different = {column.title: column for column in reversed(columns)}
    shown = tuple(column for column in columns if different.get(column.title) is column)
    rows = (*_baseline(record), *trials)
    moved = any(_is_moved(record, trial) for trial in trials)
    return Table(columns=shown, trials=rows, note=MOVED if moved else "")


def _baseline(record: StudyRecord) -> tuple[Trial, ...]:
    if record.baseline is None:
        return ()
    return (Trial(number=BASELINE, status=TrialStatus.COMPLETE, candidate=None, measurement=record.baseline),)


def _identity(record: StudyRecord) -> tuple[Column, ...]:
    return (
        Column("trial", lambda trial: "dense" if trial.number == BASELINE else f"{trial.number}"),
        Column("schedule", lambda trial: _schedule(record, trial), numeric=False),
        Column("steps", formatting.format_steps, numeric=False, rank=9),
    )


def _objectives(record: StudyRecord) -> tuple[Column, ...]:
    columns: list[Column] = []
    measured_on_data = record.quality
    for position, goal in enumerate(record.objectives):
        # Where there is no room for a status, the first number's place says why it is missing.
        columns.append(_metric(goal.metric, status_if_missing=position == 0))
        if goal in measured_on_data:
            columns += [_change(record, goal.metric), _metric(f"test_{goal.metric}", rank=1)]
    return tuple(columns)


def _shipped(record: StudyRecord) -> tuple[Column, ...]:
    return (
        _metric(SHIPPED_BYTES),
        _metric("zipped_h5_bytes", rank=3),
        Column("smaller", lambda trial: formatting.format_times(record.times_smaller(trial))),
        _metric("train_seconds", rank=10),
    )


def _schedule(record: StudyRecord, trial: Trial) -> str:
    if trial.number == BASELINE:
        return "no pruning"
    return formatting.format_schedule(trial) + ("*" if _is_moved(record, trial) else "")


def _is_moved(record: StudyRecord, trial: Trial) -> bool:
    """Whether an attempt has other steps than it asks for; what a sampler draws is moved as a rule."""
    if not trial.attempt or record.inspection is None or trial.schedule is None or trial.candidate is None:
        return False
    asked = round(trial.candidate.end_fraction * record.inspection.total_steps)
    return (trial.schedule.end_step, trial.schedule.frequency) != (asked, trial.candidate.frequency)


def _status(trial: Trial) -> str:
    return f"as {trial.same_as}" if trial.same_as is not None else trial.status.value


def _count(title: str, count: Callable[[Measurement], int], *, rank: int) -> Column:
    return Column(title, lambda trial: f"{count(trial.measurement):,}" if trial.measurement else "-", rank=rank)


def _compression(trial: Trial) -> str:
    """Share of the HDF5 file that zipping saves."""
    if "h5_bytes" not in trial.metrics:
        return "-"
    return f"{1 - trial.metrics['zipped_h5_bytes'] / trial.metrics['h5_bytes']:.0%}"


def _metric(name: str, *, rank: int = 0, status_if_missing: bool = False) -> Column:
    def missing(trial: Trial) -> str:
        return trial.status.value if status_if_missing else "-"

    return Column(
        formatting.label(name),
        lambda trial: formatting.format_metric(name, trial.metrics[name]) if name in trial.metrics else missing(trial),
        rank=rank,
    )


def _change(record: StudyRecord, name: str) -> Column:
    def value(trial: Trial) -> float:
        if record.baseline is None or name not in trial.metrics:
            return math.nan
        return trial.metrics[name] - record.baseline.metrics[name]

    def text(trial: Trial) -> str:
        return "" if trial.number == BASELINE or math.isnan(value(trial)) else formatting.format_change(value(trial))

    return Column("vs dense", text, rank=2)
