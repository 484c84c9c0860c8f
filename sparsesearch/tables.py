"""Tables of trials as plain cells: the terminal and the report only draw them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sparsesearch import formatting
from sparsesearch.record import SHIPPED_BYTES, StudyRecord
from sparsesearch.trial import BASELINE, Trial, TrialStatus


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, and the text of each cell."""

    title: str
    text: Callable[[Trial], str]
    numeric: bool = True
    detail: bool = False  # left out where there is little room


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and the trials that are its rows."""

    columns: tuple[Column, ...]
    trials: tuple[Trial, ...]


def front_table(record: StudyRecord) -> Table:
    """The front, best quality first, below the dense baseline."""
    return Table(columns=_columns(record, status=False), trials=(*_baseline(record), *record.front))


def trials_table(record: StudyRecord) -> Table:
    """Every trial by number, below the dense baseline."""
    return Table(columns=_columns(record, status=True), trials=(*_baseline(record), *record.trials))


def _baseline(record: StudyRecord) -> tuple[Trial, ...]:
    if record.baseline is None:
        return ()
    return (Trial(number=BASELINE, status=TrialStatus.COMPLETE, candidate=None, measurement=record.baseline),)


def _columns(record: StudyRecord, *, status: bool) -> tuple[Column, ...]:
    columns = [
        Column("trial", lambda trial: "dense" if trial.number == BASELINE else f"{trial.number}"),
        Column("schedule", _schedule, numeric=False),
        Column("steps", formatting.format_steps, numeric=False, detail=True),
    ]
    if status:
        columns.append(Column("status", _status, numeric=False, detail=True))
    measured_on_data = formatting.quality_metrics(record)
    for position, goal in enumerate(record.objectives):
        # Where there is no room for a status, the first number's place says why it is missing.
        columns.append(_metric(goal.metric, status_if_missing=position == 0))
        if goal in measured_on_data:
            columns += [_change(record, goal.metric), _metric(f"test_{goal.metric}")]
    further = [
        _metric(SHIPPED_BYTES),
        _metric("zipped_h5_bytes", detail=True),
        Column("smaller", lambda trial: formatting.format_times(record.times_smaller(trial))),
        _metric("train_seconds", detail=True),
    ]
    shown = {column.title for column in columns}
    return (*columns, *(column for column in further if column.title not in shown))


def _schedule(trial: Trial) -> str:
    return "no pruning" if trial.number == BASELINE else formatting.format_schedule(trial)


def _status(trial: Trial) -> str:
    return f"as {trial.same_as}" if trial.same_as is not None else trial.status.value


def _metric(name: str, *, detail: bool = False, status_if_missing: bool = False) -> Column:
    def missing(trial: Trial) -> str:
        return trial.status.value if status_if_missing else "-"

    return Column(
        formatting.label(name),
        lambda trial: formatting.format_metric(name, trial.metrics[name]) if name in trial.metrics else missing(trial),
        detail=detail,
    )


def _change(record: StudyRecord, name: str) -> Column:
    def value(trial: Trial) -> float:
        if record.baseline is None or name not in trial.metrics:
            return math.nan
        return trial.metrics[name] - record.baseline.metrics[name]

    def text(trial: Trial) -> str:
        return "" if trial.number == BASELINE or math.isnan(value(trial)) else formatting.format_change(value(trial))

    return Column("vs dense", text)
