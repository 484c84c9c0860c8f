"""What a person reads in the terminal after a search: tables of its trials, one trial, a comparison."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from sparsesearch import formatting, tables
from sparsesearch.comparison import CONFIDENCE, Comparison
from sparsesearch.record import StudyRecord
from sparsesearch.trial import BASELINE, Trial, TrialStatus

GAP = 2  # blanks between the columns of a table
FILE_WIDTH = 200
SPARKLINE = 40  # letters


def print_table(console: Console, table: tables.Table, *, title: str = "") -> None:
    """Print a table with as many columns as fit into the console, and say which ones do not."""
    width = console.width if console.is_terminal else FILE_WIDTH
    _print(console, draw(table, width, title=title))
    shown = fitting(table.columns, column_widths(table), width)
    left_out = ", ".join(column.title for column in table.columns if column not in shown)
    if left_out:
        console.print(f"no room for: {left_out}", style="dim", highlight=False)


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print what was found: the mean and the deviation of every arm, and a sentence for each difference."""
    drawn = RichTable(
        "mean ± deviation",
        *(f"{comparison.over} {formatting.format_value(arm)}" for arm in comparison.arms),
        box=None,
        pad_edge=False,
        padding=(0, GAP // 2),
    )
    for metric in comparison.metrics:
        values = (
            f"{formatting.format_metric(metric, mean)} ± {formatting.format_metric(metric, deviation)}"
            for mean, deviation in comparison.means[metric]
        )
        drawn.add_row(formatting.label(metric), *values)
    _print(console, drawn)
    console.print("")
    for line in comparison_lines(comparison):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def comparison_lines(comparison: Comparison) -> list[str]:
    """What the intervals say, a sentence for each metric and arm."""
    first = formatting.format_value(comparison.arms[0])
    together = " together" if len(comparison.arms) > 2 else ""
    lines = []
    for found in comparison.differences:
        arm = formatting.format_value(found.arm)
        verdict = f"{arm} is {'better' if found.is_better else 'worse'} than {first}"
        if not found.is_told:
            verdict = f"{arm} and {first} cannot be told apart"
        mean, low, high = (
            formatting.format_difference(found.metric, value) for value in (found.mean, found.low, found.high)
        )
        lines.append(
            f"{formatting.label(found.metric)}: {verdict}; difference {mean} "
            f"({CONFIDENCE:.0%} confidence{together}: {low} to {high}), "
            f"better in {found.better} of {comparison.pairs} pairs"
        )
    lines += [f"left out: {lost}" for lost in comparison.lost]
    return lines


def print_trial(console: Console, record: StudyRecord, trial: Trial) -> None:
    """Print one trial: its schedule, metrics, the zeros of every kernel and bias, and curves."""
    console.print(f"{record.name}, {trial_line(record, trial)}", highlight=False, markup=False, soft_wrap=True)
    parameters = ", ".join(
        f"{name} {formatting.format_value(value)}" for name, value in trial.candidate_parameters.items()
    )
    console.print(f"asked:   {parameters}", highlight=False)
    if trial.schedule:
        steps = trial.schedule
        console.print(
            f"snapped: {type(steps).__name__} from step {steps.begin_step} to {steps.end_step}, every "
            f"{steps.frequency}: {len(steps.update_steps)} updates of the masks",
            highlight=False,
        )
    if trial.measurement is None:
        return
    dense: Mapping[str, float] = record.baseline.metrics if record.baseline else {}
    metrics = RichTable("metric", "trial", "dense", box=None, pad_edge=False, padding=(0, 2))
    for name, value in trial.metrics.items():
        beside = formatting.format_metric(name, dense[name]) if name in dense else "-"
        metrics.add_row(name, formatting.format_metric(name, value), beside)
    console.print("", metrics, sep="\n")
    columns = ("weights of", "count", "zeros", "non-zero", "target", "sparsity")
    zeros = RichTable(*columns, box=None, pad_edge=False, padding=(0, 2))
    for count in trial.measurement.zeros:
        zeros.add_row(
            count.name,
            f"{count.weights:,}",
            f"{count.zeros:,}",
            f"{count.weights - count.zeros:,}",
            f"{count.target_zeros:,}" if count.prunable else "not pruned",
            f"{count.zeros / count.weights:.4f}",
        )
    console.print("", zeros, sep="\n")
    for name in curve_names(trial):
        values = [epoch[name] for epoch in trial.measurement.history]
        console.print(f"{name:<16} {sparkline(values)}  {values[0]:.4f} to {values[-1]:.4f}", highlight=False)


def curve_names(trial: Trial) -> list[str]:
    """Metrics that have a value in every epoch."""
    history = trial.measurement.history if trial.measurement else ()
    return [name for name in (history[0] if history else ()) if all(name in epoch for epoch in history)]


def sparkline(values: list[float]) -> str:
    """A curve in one line of text, of at most SPARKLINE letters.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    blocks = "▁▂▃▄▅▆▇█"
    if len(values) > SPARKLINE:
        values = [values[round(position * (len(values) - 1) / (SPARKLINE - 1))] for position in range(SPARKLINE)]
    low, high = min(values), max(values)
    size = (high - low) or 1.0
    return "".join(blocks[min(int((value - low) / size * len(blocks)), len(blocks) - 1)] for value in values)


def trial_line(record: StudyRecord, trial: Trial) -> str:
    """How a trial ended, in one line."""
    name = "dense baseline" if trial.number == BASELINE else f"trial {trial.number} {formatting.format_schedule(trial)}"
    if trial.status is not TrialStatus.COMPLETE:
        return f"{name}: {trial.status}, {trial.reason}"
    values = [
        f"{formatting.label(goal.metric)} {formatting.format_metric(goal.metric, trial.metrics[goal.metric])}"
        for goal in record.objectives
    ]
    factor = None if trial.number == BASELINE else record.times_smaller(trial)
    smaller = "" if factor is None else f", {formatting.format_times(factor)} smaller"
    same = f" (same schedule as trial {trial.same_as})" if trial.same_as is not None else ""
    return f"{name}: {', '.join(values)}{smaller}{same}"


def draw(table: tables.Table, width: int, *, rows: int | None = None, title: str = "") -> RichTable:
    """A table as rich draws it, with as many of its columns as fit into ``width``."""
    widths = column_widths(table)
    shown = fitting(table.columns, widths, width)
    drawn = RichTable(
        box=None,
        title=title or None,
        title_justify="left",
        caption=table.note or None,
        caption_justify="left",
        pad_edge=False,
        padding=(0, GAP // 2),
    )
    for column in shown:
        drawn.add_column(
            column.title,
            justify="right" if column.numeric else "left",
            no_wrap=not column.title.count(" "),
            width=widths[column.title],
        )
    chosen = table.trials[: rows + 1] if rows else table.trials
    for trial in chosen:
        style = "dim" if trial.number == BASELINE else ""
        drawn.add_row(*(Text(column.text(trial), no_wrap=True) for column in shown), style=style)
    if len(chosen) < len(table.trials):
        drawn.add_row("...", f"{len(table.trials) - len(chosen)} more", *[""] * (len(shown) - 2))
    return drawn


def column_widths(table: tables.Table) -> dict[str, int]:
    """Letters that each column takes, by title: titles break between words, cells do not."""
    return {
        column.title: max(map(len, (*column.title.split(), *(column.text(trial) for trial in table.trials))))
        for column in table.columns
    }


def fitting(columns: Sequence[tables.Column], widths: Mapping[str, int], width: int) -> list[tables.Column]:
    """The columns that fit into ``width``; the highest ranks are left out first, those of rank 0 never."""
    shown = list(columns)
    while sum(widths[column.title] + GAP for column in shown) - GAP > width:
        last = max(shown, key=lambda column: column.rank)
        if last.rank == 0:
            break
        shown.remove(last)
    return shown


def _print(console: Console, drawn: RenderableType) -> None:
    """Print at the console's width; in a file or a pipe wide, and with no trailing blanks."""
    if console.is_terminal:
        console.print(drawn)
        return
    wide = Console(width=FILE_WIDTH, file=io.StringIO())
    wide.print(drawn)
    for line in wide.file.getvalue().splitlines():  # type: ignore[attr-defined]
        console.file.write(f"{line.rstrip()}\n")
