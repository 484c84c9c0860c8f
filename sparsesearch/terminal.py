"""What a person sees in the terminal while a search runs."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from sparsesearch import formatting, tables
from sparsesearch.executor import EpochEnd
from sparsesearch.inspection import Inspection
from sparsesearch.printing import draw, trial_line
from sparsesearch.record import StudyRecord
from sparsesearch.search import Event
from sparsesearch.study import Study
from sparsesearch.trial import BASELINE, Trial, TrialStatus

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
