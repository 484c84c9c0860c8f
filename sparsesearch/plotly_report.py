"""The report: one self-contained HTML page, and the figures on it for notebooks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sparsesearch import formatting, tables
from sparsesearch.objective import Direction, Objective
from sparsesearch.record import StudyRecord
from sparsesearch.trial import Trial, TrialStatus

# Okabe & Ito 2008: told apart by colour-blind readers; symbols differ as well.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
INK = "#737373"  # readable on white and on the dark page
STYLE = Path(__file__).with_name("report.css")

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
        figure.add_trace(trace.update(mode="lines+markers", line={"shape": _step_shape(across, up), "width": 1.5}))
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
    figure.update_xaxes(title=_axis_title(across), **_size_axis(across))
    figure.update_yaxes(title=_axis_title(up))
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
    figure.update_xaxes(title="complete trials")
    figure.update_yaxes(title="hypervolume, share of the box", rangemode="tozero")
    return _styled(figure, height=320)


def importance_figure(importances: Importances) -> go.Figure:
    """How much of each objective's variance each parameter explains, as grouped bars."""
    names = sorted({name for shares in importances.values() for name in shares})
    figure = go.Figure()
    for (metric, shares), color in zip(importances.items(), (BLUE, ORANGE, GREY), strict=False):
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


def report_page(record: StudyRecord, importances: Importances) -> str:
    """The whole report as HTML that opens offline; everything a user named is escaped."""
    sections = [_header(record), _numbers(record)]
    if len(record.objectives) > 1:
        sections.append(
            _section(
                "Sparsity against quality",
                _figure(front_figure(record), "front"),
                "Hover a point to see its pruning schedule. Points further up and to the left are better.",
            )
        )
    sections.append(
        _section(
            "The front",
            _table(tables.front_table(record)),
            "No other trial is better in every objective. Selected on validation data; "
            "test columns are for reading only.",
        )
    )
    sections.append(
        _section(
            "Progress of the search",
            _figure(hypervolume_figure(record), "hypervolume"),
            "A flat end says that more trials found nothing better.",
        )
    )
    if importances:
        sections.append(
            _section(
                "What mattered",
                _figure(importance_figure(importances), "importances"),
                "Parameters that every trial has; those of one schedule type only are left out.",
            )
        )
    sections.append(_section("Every trial", _table(tables.trials_table(record)), ""))
    sections.append(_section("What was run", _facts(record), ""))
    title = escape(f"{record.name} - sparsesearch")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def plot_axes(record: StudyRecord) -> tuple[Objective, Objective]:
    """The objectives across and up: a size goes across."""
    if len(record.objectives) < 2:
        raise ValueError(f"a front needs two objectives, study {record.name!r} has {len(record.objectives)}")
    first, second = record.objectives[:2]
    return (first, second) if first.metric.endswith("_bytes") else (second, first)


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
        f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in trial.candidate_parameters.items()
    )
    smaller = formatting.format_times(record.times_smaller(trial))
    steps = formatting.format_steps(trial)
    head = f"<b>trial {trial.number}</b>, {smaller} smaller"
    return "<br>".join((head, _values(record, trial.metrics), parameters, f"steps {steps}"))


def _values(record: StudyRecord, metrics: Mapping[str, float]) -> str:
    shown = [goal.metric for goal in record.objectives]
    shown += [f"test_{goal.metric}" for goal in formatting.quality_metrics(record)]
    return "<br>".join(
        f"{escape(formatting.label(name))} {formatting.format_metric(name, metrics[name])}"
        for name in shown
        if name in metrics
    )


def _size_axis(goal: Objective) -> dict[str, Any]:
    """A logarithmic axis for sizes, with ticks at 1, 2 and 5 times the powers of ten."""
    if not goal.metric.endswith("_bytes"):
        return {}
    ticks = [digit * 10**power for power in range(1, 11) for digit in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [formatting.format_round_bytes(tick) for tick in ticks]}


def _step_shape(across: Objective, up: Objective) -> str:
    # The attained region's border: as long as nothing better is met, the last value holds.
    same = across.direction is Direction.MINIMIZE
    return "hv" if same else "vh"


def _axis_title(goal: Objective) -> str:
    better = "higher" if goal.direction is Direction.MAXIMIZE else "lower"
    on = "" if goal.metric.endswith("_bytes") else ", validation"
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


def _figure(figure: go.Figure, name: str) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config={"responsive": True, "displaylogo": False}
    )
    return html


def _header(record: StudyRecord) -> str:
    description = f"<p>{escape(record.description)}</p>" if record.description else ""
    return f"<header><h1>How sparse can {escape(record.name)} become?</h1>{description}</header>\n"


def _numbers(record: StudyRecord) -> str:
    if not record.front or record.baseline is None:
        return '<p class="note">No trial is complete yet.</p>'
    quality = formatting.quality_metrics(record)
    cards = [("dense baseline", _brief(record, record.baseline.metrics), "no pruning")]
    best, smallest = record.front[0], record.front[-1]
    for title, trial in (("best on the front", best), ("smallest on the front", smallest)):
        change = "".join(
            f", {formatting.label(goal.metric)} "
            f"{formatting.format_change(trial.metrics[goal.metric] - record.baseline.metrics[goal.metric])}"
            for goal in quality
        )
        cards.append(
            (
                title,
                _brief(record, trial.metrics),
                f"trial {trial.number}: {formatting.format_times(record.times_smaller(trial))} smaller{change}",
            )
        )
    drawn = "".join(
        f"<div><h2>{escape(title)}</h2><p class='big'>{escape(value)}</p><p>{escape(text)}</p></div>"
        for title, value, text in cards
    )
    return f'<section class="cards">{drawn}</section>\n'


def _brief(record: StudyRecord, metrics: Mapping[str, float]) -> str:
    return " at ".join(formatting.format_metric(goal.metric, metrics[goal.metric]) for goal in record.objectives)


def _section(title: str, body: str, note: str) -> str:
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>\n"


def _table(table: tables.Table) -> str:
    head = "".join(f'<th scope="col"{_align(column)}>{escape(column.title)}</th>' for column in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td{_align(column)}>{escape(column.text(trial))}</td>" for column in table.columns) + "</tr>"
        for trial in table.trials
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _align(column: tables.Column) -> str:
    return ' class="number"' if column.numeric else ""


def _facts(record: StudyRecord) -> str:
    facts: dict[str, object] = {
        "finished trials": f"{record.finished}, of them {len(record.complete)} complete",
        "report written": time.strftime("%Y-%m-%d %H:%M %Z"),
    }
    if record.inspection:
        facts |= {
            "weights": f"{record.inspection.weights:,}, of them {record.inspection.prunable_weights:,} prunable",
            "optimizer steps of a trial": f"{record.inspection.total_steps:,}",
            "data from": record.inspection.data_source or "the study file",
            **{f"{name} examples": f"{count:,}" for name, count in record.inspection.examples.items()},
        }
        facts |= {
            f"stays dense: {layer.name}": f"{layer.kind}, {layer.weights:,} weights"
            for layer in record.inspection.dense_layers
        }
    facts |= dict(record.definition)
    if record.inspection:
        facts |= {f"version of {name}": version for name, version in record.inspection.versions.items()}
    for trial in record.trials:
        if trial.status is TrialStatus.FAILED:
            facts[f"trial {trial.number} failed"] = trial.reason
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_text(value))}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
