"""What a person sees in the terminal: live views of a search, and tables of its trials."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable
from rich.text import Text

from sparsesearch import formatting, tables
from sparsesearch.comparison import Comparison
from sparsesearch.executor import EpochEnd
from sparsesearch.inspection import Inspection
from sparsesearch.record import StudyRecord
from sparsesearch.search import Event
from sparsesearch.study import Study
from sparsesearch.trial import BASELINE, Trial, TrialStatus

GAP = 2  # blanks between the columns of a table
FILE_WIDTH = 200
SPARKLINE = 40  # letters
FRONT_ROWS = 8  # of the front while the search runs


class PlainView:
    """Lines for a log file: one when the search begins, one for every trial that ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()

    def notice(self, text: str) -> None:
        """See `sparsesearch.api.Observer.notice`."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begin(self, study: Study, inspection: Inspection, record: StudyRecord, trials: int) -> None:
        """See `sparsesearch.api.Observer.begin`."""
        self._record, self._epochs, self._total = record, study.training.epochs, trials
        for line in inspection_lines(study, inspection):
            self.notice(line)
        if record.finished:
            self.notice(f"continuing {record.name}: {record.finished} of {trials} trials are finished")

    def event(self, event: Event) -> None:
        """See `sparsesearch.api.Observer.event`."""
        if isinstance(event, Trial) and event.status is not TrialStatus.RUNNING:
            self._record = self._record.with_trial(event)
            self.notice(
                f"{time.monotonic() - self._started:6.0f} s  {self._record.finished}/{self._total}  "
                f"{trial_line(self._record, event)}"
            )

    def end(self) -> None:
        """See `sparsesearch.api.Observer.end`."""


class LiveView(PlainView):
    """A bar over the trials, a line for every running one, and the front so far."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._running: dict[int, tuple[Trial, EpochEnd | None]] = {}
        self._progress = Progress(
            TextColumn("trials"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._live: Live | None = None

    def begin(self, study: Study, inspection: Inspection, record: StudyRecord, trials: int) -> None:
        """See `sparsesearch.api.Observer.begin`."""
        super().begin(study, inspection, record, trials)
        self._task = self._progress.add_task("trials", total=trials, completed=min(record.finished, trials))
        self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=4, transient=True)
        self._live.start()

    def event(self, event: Event) -> None:
        """See `sparsesearch.api.Observer.event`."""
        if isinstance(event, EpochEnd):
            if event.number in self._running:
                self._running[event.number] = (self._running[event.number][0], event)
        elif event.status is TrialStatus.RUNNING:
            self._running[event.number] = (event, None)
        else:
            self._running.pop(event.number, None)
            self._record = self._record.with_trial(event)
            self._progress.update(self._task, completed=self._record.finished)
            if event.status is TrialStatus.FAILED:
                self.notice(trial_line(self._record, event))

    def end(self) -> None:
        """See `sparsesearch.api.Observer.end`."""
        if self._live:
            self._live.stop()
            self._live = None

    def _render(self) -> RenderableType:
        lines = [
            Text(running_line(trial, event, self._epochs), no_wrap=True, overflow="ellipsis")
            for trial, event in list(self._running.values())
        ]
        parts: list[RenderableType] = [self._progress, *lines]
        if self._record.front:
            parts.append(draw(tables.front_table(self._record), self.console.width, rows=FRONT_ROWS))
        return Group(*parts)


def view_for(console: Console) -> PlainView:
    """The live view where ``console`` is a terminal, plain lines elsewhere."""
    return LiveView(console) if console.is_terminal else PlainView(console)


def inspection_lines(study: Study, inspection: Inspection) -> list[str]:
    """What will be trained, on what, and what stays dense."""
    counts = ", ".join(f"{count:,} {name}" for name, count in inspection.examples.items())
    share = inspection.prunable_weights / inspection.weights
    lines = [
        f"data {study.dataset} from {inspection.data_source or 'the study file'}: {counts}",
        f"model: {inspection.weights:,} weights, {share:.1%} of them prunable; "
        f"{inspection.total_steps:,} optimizer steps a trial",
    ]
    if inspection.dense_layers:
        names = ", ".join(f"{layer.name} ({layer.kind}, {layer.weights:,})" for layer in inspection.dense_layers)
        dense = sum(layer.weights for layer in inspection.dense_layers) / inspection.weights
        lines.append(f"stays dense, {dense:.1%} of all weights: {names}")
    return lines


def draw(table: tables.Table, width: int, *, rows: int | None = None, title: str = "") -> RichTable:
    """A table as rich draws it, with as many of its columns as fit into ``width``."""
    widths = column_widths(table)
    shown = fitting(table.columns, widths, width)
    has_marks = any(column.title == "steps" for column in shown)
    drawn = RichTable(
        box=None,
        title=title or None,
        title_justify="left",
        caption=table.note if has_marks and table.note else None,
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


def running_line(trial: Trial, event: EpochEnd | None, epochs: int) -> str:
    """Where a running trial is."""
    name = "dense" if trial.number == BASELINE else f"{trial.number}"
    head = f"{name:>5}  {formatting.format_schedule(trial):<22}"
    if event is None:
        return f"{head}  starting"
    validation = "  ".join(
        f"{name} {formatting.format_metric(name, value)}"
        for name, value in event.metrics.items()
        if name.startswith("val_") and name != "val_loss"
    )
    loss = f"val_loss {event.metrics['val_loss']:.4f}" if "val_loss" in event.metrics else ""
    return f"{head}  epoch {event.epoch}/{epochs}  {validation or loss}  sparsity {event.metrics['sparsity']:.3f}"


def print_table(console: Console, table: tables.Table, *, title: str = "") -> None:
    """Print a table at the console's width; in a file or a pipe with all details and no trailing blanks."""
    if console.is_terminal:
        console.print(draw(table, console.width, title=title))
        shown = fitting(table.columns, column_widths(table), console.width)
        left_out = ", ".join(column.title for column in table.columns if column not in shown)
        if left_out:
            console.print(f"no room for: {left_out}", style="dim", highlight=False)
        return
    wide = Console(width=FILE_WIDTH, file=io.StringIO())
    wide.print(draw(table, FILE_WIDTH, title=title))
    for line in wide.file.getvalue().splitlines():  # type: ignore[attr-defined]
        console.file.write(f"{line.rstrip()}\n")


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print what was found: a table of the arms, and a sentence for each metric and arm."""
    drawn = RichTable(comparison.over, box=None, pad_edge=False, padding=(0, GAP // 2))
    for metric in comparison.metrics:
        drawn.add_column(f"{formatting.label(metric)}, mean and deviation", justify="right")
    for position, arm in enumerate(comparison.arms):
        cells = (comparison.means[metric][position] for metric in comparison.metrics)
        shown = zip(comparison.metrics, cells, strict=True)
        drawn.add_row(
            _short(arm),
            *(
                f"{formatting.format_metric(metric, mean)} ± {formatting.format_metric(metric, deviation)}"
                for metric, (mean, deviation) in shown
            ),
        )
    console.print(drawn)
    console.print("")
    for line in comparison_lines(comparison):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def comparison_lines(comparison: Comparison) -> list[str]:
    """What the intervals say, a sentence for each metric and arm."""
    first = _short(comparison.arms[0])
    lines = []
    for found in comparison.differences:
        arm, metric = _short(found.arm), formatting.label(found.metric)
        verdict = f"{arm} is {'better' if found.is_better else 'worse'} than {first}"
        if not found.is_told:
            verdict = f"{arm} and {first} cannot be told apart"
        values = (formatting.format_difference(found.metric, value) for value in (found.mean, found.low, found.high))
        lines.append(
            "{}: {}; difference {} (95 % confidence: {} to {}), better in {} of {} pairs".format(
                metric, verdict, *values, found.better, comparison.pairs
            )
        )
    lines += [f"left out: {lost}" for lost in comparison.lost]
    return lines


def print_trial(console: Console, record: StudyRecord, trial: Trial) -> None:
    """Print one trial: its schedule, metrics, zeros per kernel, and curves."""
    console.print(f"{record.name}, {trial_line(record, trial)}", highlight=False, markup=False, soft_wrap=True)
    parameters = ", ".join(f"{name} {_short(value)}" for name, value in trial.candidate_parameters.items())
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


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"
