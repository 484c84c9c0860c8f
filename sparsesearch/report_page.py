"""The report: one self-contained HTML page that opens offline."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from html import escape
from pathlib import Path

from sparsesearch import formatting, tables
from sparsesearch.plotly_figures import (
    Importances,
    better_corner,
    figure_html,
    front_figure,
    hypervolume_figure,
    importance_figure,
    plotly_script,
    prediction_figure,
    sparsity_figure,
)
from sparsesearch.record import SHIPPED_BYTES, StudyRecord
from sparsesearch.trial import TrialStatus

STYLE = Path(__file__).with_suffix(".css")


def report_page(record: StudyRecord, importances: Importances) -> str:
    """The whole report as HTML that opens offline; everything a user named is escaped."""
    sections = [_header(record), _numbers(record)]
    if len(record.objectives) > 1:
        sections.append(
            _section(
                "Sparsity against quality",
                figure_html(front_figure(record), "front"),
                f"Hover a point to see its pruning schedule. Points further {better_corner(record)} are better.",
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
    if record.front:
        sections.append(
            _section(
                "Sparsity over the training",
                figure_html(sparsity_figure(record), "sparsity"),
                "Lines are what the schedules ask, points what the masks held at the end of each epoch. "
                "Click a name to show or hide it.",
            )
        )
    if record.front and record.inspection and record.inspection.sample:
        sections.append(
            _section(
                "Predictions against truth",
                figure_html(prediction_figure(record), "predictions"),
                f"The first {len(record.inspection.sample.targets)} test examples. Click a name to show or hide it.",
            )
        )
    sections.append(
        _section(
            "Progress of the search",
            figure_html(hypervolume_figure(record), "hypervolume"),
            "A flat end says that more trials found nothing better.",
        )
    )
    if importances:
        sections.append(
            _section(
                "What mattered",
                figure_html(importance_figure(importances), "importances"),
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
        f"<script>{plotly_script()}</script>\n</head>\n<body>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _header(record: StudyRecord) -> str:
    description = f"<p>{escape(record.description)}</p>" if record.description else ""
    return f"<header><h1>How sparse can {escape(record.name)} become?</h1>{description}</header>\n"


def _numbers(record: StudyRecord) -> str:
    if not record.front or record.baseline is None:
        return '<p class="note">No trial is complete yet.</p>'
    quality = record.quality
    cards = [("dense baseline", _brief(record, record.baseline.metrics), "no pruning")]
    chosen = {"smallest on the front": min(record.front, key=lambda trial: trial.metrics[SHIPPED_BYTES])}
    if quality:
        title = f"best {formatting.label(quality[0].metric)} on the front"
        chosen = {title: min(record.front, key=lambda trial: quality[0].loss(trial.metrics)), **chosen}
    for title, trial in chosen.items():
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
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'


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
