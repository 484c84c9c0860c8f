"""Figures of a search: numbers in, a plotly figure out, for the report and for notebooks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sparsesearch import formatting
from sparsesearch.objective import Direction, Objective
from sparsesearch.record import StudyRecord
from sparsesearch.trial import Trial

# Okabe & Ito 2008: told apart by colour-blind readers; symbols differ as well.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
COLORS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
ERROR_MAGNITUDES = 30  # errors that differ by a larger factor are drawn on a logarithmic scale
FEW_TRIALS = 12
CURVE_POINTS = 200  # of a schedule's curve: more cannot be told apart
SHOWN = 3  # trials of the front that a figure of curves begins with
INK = "#737373"  # readable on white and on the dark page

Importances = Mapping[str, Mapping[str, float]]


def front_figure(record: StudyRecord) -> go.Figure:
    """Every complete trial, the front and the dense baseline over the first two objectives.

    A size lies on the horizontal axis, on a logarithmic scale.

    Raises:
        ValueError: a study of one objective has no such plane.
    """
    across, up = plot_axes(record)
    front = record.front
    on_front = {trial.number for trial in front}
    dominated = [trial for trial in record.complete if trial.number not in on_front]
    figure = go.Figure()
    if dominated:
        figure.add_trace(_points(record, dominated, across, up, name="dominated", color=GREY, symbol="circle-open"))
    if front:
        ordered = sorted(front, key=lambda trial: trial.metrics[across.metric])
        trace = _points(record, ordered, across, up, name="Pareto front", color=BLUE, symbol="circle")
        figure.add_trace(trace.update(mode="lines+markers", line={"shape": _step_shape(across), "width": 1.5}))
    if record.baseline:
        metrics = record.baseline.metrics
        figure.add_trace(
            go.Scatter(
                x=[metrics[across.metric]],
                y=[metrics[up.metric]],
                mode="markers",
                name="dense baseline",
                marker={"symbol": "diamond", "size": 12, "color": ORANGE},
                hovertemplate=f"dense baseline<br>{_values(record, metrics)}<extra></extra>",
            )
        )
    for goal, update in ((across, figure.update_xaxes), (up, figure.update_yaxes)):
        update(title=_axis_title(record, goal), **_scale(goal, _seen(record, goal.metric)))
    return _styled(figure, height=460)


def hypervolume_figure(record: StudyRecord) -> go.Figure:
    """Share of the box between the best and the worst values seen that is dominated, over trials."""
    volumes = record.hypervolume()
    figure = go.Figure(
        go.Scatter(
            x=list(range(1, len(volumes) + 1)),
            y=[float(volume) for volume in volumes],
            mode="lines",
            line={"shape": "hv", "color": BLUE},
            hovertemplate="after %{x} trials: %{y:.3f}<extra></extra>",
        )
    )
    # Few trials would get ticks between them.
    figure.update_xaxes(title="complete trials", dtick=1 if len(volumes) <= FEW_TRIALS else None)
    figure.update_yaxes(title="hypervolume, share of the box", rangemode="tozero")
    return _styled(figure, height=320)


def importance_figure(importances: Importances) -> go.Figure:
    """How much of each objective's variance each parameter explains, as grouped bars."""
    names = sorted({name for shares in importances.values() for name in shares})
    figure = go.Figure()
    for (metric, shares), color in zip(importances.items(), itertools.cycle((BLUE, ORANGE, GREY)), strict=False):
        figure.add_trace(
            go.Bar(
                y=[name.replace("_", " ") for name in names],
                x=[shares.get(name, 0.0) for name in names],
                orientation="h",
                name=formatting.label(metric),
                marker_color=color,
                hovertemplate="%{y}: %{x:.1%}<extra></extra>",
            )
        )
    figure.update_xaxes(title="share of the variance explained", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(automargin=True)
    return _styled(figure, height=320)


def sparsity_figure(record: StudyRecord) -> go.Figure:
    """Sparsity over the optimizer steps of the front's trials: what the schedule asks, and what the masks held.

    A line per trial for the target, points at the ends of the epochs for what was achieved.
    """
    figure = go.Figure()
    for trial, color, visible in _leading(record.front):
        steps, targets = target_curve(trial, record)
        name = _name(trial)
        look: dict[str, Any] = {"legendgroup": str(trial.number), "visible": visible}
        line = {"shape": "hv", "width": 1.5, "color": color}
        figure.add_trace(go.Scatter(x=steps, y=targets, mode="lines", name=name, line=line, hoverinfo="skip", **look))
        steps, held = achieved_curve(trial, record)
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=held,
                mode="markers",
                showlegend=False,
                marker={"color": color, "size": 7},
                hovertemplate=f"{escape(name)}<br>step %{{x:,}}: sparsity %{{y:.4f}}<extra></extra>",
                **look,
            )
        )
    figure.update_xaxes(title="optimizer step")
    figure.update_yaxes(title="sparsity of the prunable weights", rangemode="tozero")
    return _styled(figure, height=380)


def target_curve(trial: Trial, record: StudyRecord) -> tuple[list[int], list[float]]:
    """Steps at which the target changes, at most CURVE_POINTS of them, and the sparsity asked from there on."""
    if trial.schedule is None or record.inspection is None:
        return [], []
    updates = trial.schedule.update_steps
    every = -(-len(updates) // CURVE_POINTS)
    # The last update always belongs to them.
    steps = [0, *sorted(updates[::-every]), record.inspection.total_steps]
    return steps, [trial.schedule.sparsity_at(step) for step in steps]


def achieved_curve(trial: Trial, record: StudyRecord) -> tuple[list[int], list[float]]:
    """Last step of every epoch, and the sparsity that the masks held there."""
    history = trial.measurement.history if trial.measurement else ()
    if not history or record.inspection is None:
        return [], []
    steps = record.inspection.total_steps // len(history)
    return [steps * epoch for epoch in range(1, len(history) + 1)], [epoch["sparsity"] for epoch in history]


def prediction_figure(record: StudyRecord) -> go.Figure:
    """Predictions of the front's models on test data, beside the truth.

    Raises:
        ValueError: the study is no regression.
    """
    sample = record.inspection.sample if record.inspection else None
    if sample is None:
        raise ValueError(f"study {record.name!r} predicts no single number")
    truth = {"color": INK, "width": 4}
    order = sorted(range(len(sample.inputs)), key=lambda position: sample.inputs[position])
    across = [sample.inputs[position] for position in order]
    targets = [sample.targets[position] for position in order]
    figure = go.Figure(go.Scatter(x=across, y=targets, mode="lines", name="truth", line=truth, opacity=0.5))
    for trial, color, visible in _leading(record.front):
        if trial.measurement:
            figure.add_trace(
                go.Scatter(
                    x=across,
                    y=[trial.measurement.predictions[position] for position in order],
                    mode="lines",
                    name=_name(trial),
                    visible=visible,
                    line={"color": color, "width": 1.5},
                )
            )
    figure.update_xaxes(title=sample.input_name)
    figure.update_yaxes(title="output")
    return _styled(figure, height=380)


def _name(trial: Trial) -> str:
    return f"{trial.number}: {formatting.format_schedule(trial)}"


def _leading(front: list[Trial]) -> Iterator[tuple[Trial, str, bool | str]]:
    """The front with a colour for each trial; some spread over it are shown, the others wait in the legend."""
    shown = sorted({round(position * (len(front) - 1) / (SHOWN - 1)) for position in range(SHOWN)})
    others = itertools.cycle(COLORS[SHOWN:])
    for position, trial in enumerate(front):
        if position in shown:
            yield trial, COLORS[shown.index(position)], True
        else:
            yield trial, next(others), "legendonly"


def plot_axes(record: StudyRecord) -> tuple[Objective, Objective]:
    """The objectives across and up: a size goes across."""
    if len(record.objectives) < 2:
        raise ValueError(f"a front needs two objectives, study {record.name!r} has {len(record.objectives)}")
    first, second = record.objectives[:2]
    return (first, second) if first.metric.endswith("_bytes") else (second, first)


def better_corner(record: StudyRecord) -> str:
    """Where in the plane of `front_figure` the better trials lie, in words."""
    across, up = plot_axes(record)
    vertical = "up" if up.direction is Direction.MAXIMIZE else "down"
    return f"{vertical} and to the {'right' if across.direction is Direction.MAXIMIZE else 'left'}"


def plotly_script() -> str:
    """The JavaScript that draws figures, for one script element of a page that opens offline."""
    script: str = get_plotlyjs()
    return script


def figure_html(figure: go.Figure, name: str) -> str:
    """The figure as a div with the id ``name``; the page must hold `plotly_script`."""
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config={"responsive": True, "displaylogo": False}
    )
    return html


def _points(record: StudyRecord, trials: list[Trial], across: Objective, up: Objective, **look: str) -> go.Scatter:
    return go.Scatter(
        x=[trial.metrics[across.metric] for trial in trials],
        y=[trial.metrics[up.metric] for trial in trials],
        mode="markers",
        name=look["name"],
        marker={"symbol": look["symbol"], "size": 9, "color": look["color"]},
        customdata=[trial.number for trial in trials],
        text=[_hover(record, trial) for trial in trials],
        hovertemplate="%{text}<extra></extra>",
    )


def _hover(record: StudyRecord, trial: Trial) -> str:
    parameters = "<br>".join(
        f"{name.replace('_', ' ')} {formatting.format_value(value)}"
        for name, value in trial.candidate_parameters.items()
    )
    smaller = formatting.format_times(record.times_smaller(trial))
    steps = formatting.format_steps(trial)
    named = f" {escape(trial.attempt)}" if trial.attempt else ""
    head = f"<b>trial {trial.number}{named}</b>, {smaller} smaller"
    return "<br>".join((head, _values(record, trial.metrics), parameters, f"steps {steps}"))


def _values(record: StudyRecord, metrics: Mapping[str, float]) -> str:
    shown = [goal.metric for goal in record.objectives]
    shown += [f"test_{goal.metric}" for goal in record.quality]
    return "<br>".join(
        f"{escape(formatting.label(name))} {formatting.format_metric(name, metrics[name])}"
        for name in shown
        if name in metrics
    )


def _seen(record: StudyRecord, metric: str) -> list[float]:
    everything = [trial.metrics for trial in record.complete] + ([record.baseline.metrics] if record.baseline else [])
    return [metrics[metric] for metrics in everything]


def _scale(goal: Objective, values: list[float]) -> dict[str, Any]:
    """A logarithmic axis for sizes that differ, and for errors of several magnitudes; else a linear one."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if not goal.metric.endswith("_bytes"):
        wide = goal.direction is Direction.MINIMIZE and 0 < low * ERROR_MAGNITUDES < high
        return {"type": "log", "exponentformat": "power", "dtick": 1} if wide else {}
    if high < 2 * low:
        return {"tickformat": "~s", "ticksuffix": "B"}
    digits = (1, 2, 5) if high > 10 * low else range(1, 10)
    ticks = [digit * 10**power for power in range(1, 11) for digit in digits]
    return {"type": "log", "tickvals": ticks, "ticktext": [formatting.format_round_bytes(tick) for tick in ticks]}


def _step_shape(across: Objective) -> str:
    # The border of what is attained: from one point of the front to the next, the worse value holds.
    return "hv" if across.direction is Direction.MINIMIZE else "vh"


def _axis_title(record: StudyRecord, goal: Objective) -> str:
    better = "higher" if goal.direction is Direction.MAXIMIZE else "lower"
    on = ", validation" if goal in record.quality else ""
    return f"{formatting.label(goal.metric)}{on} ({better} is better)"


def _styled(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 70, "r": 20, "t": 20, "b": 60},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": INK},
        font={"color": INK, "family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    figure.update_xaxes(gridcolor="rgba(128,128,128,0.2)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.2)", zeroline=False)
    return figure
