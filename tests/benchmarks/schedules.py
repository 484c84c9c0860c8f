"""Constant or polynomial: draws what `sparsesearch compare --over schedule` has left in a storage, pair by pair.

python -m tests.benchmarks.schedules sqlite:///optuna.db mlp lstm cnn
"""

from __future__ import annotations

import sys

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sparsesearch import read_study
from tests.benchmarks.pictures import save

COLORS = {"constant": "#D55E00", "polynomial": "#0072B2"}


def main() -> None:
    storage, *studies = sys.argv[1:]
    records = [read_study(f"{study}-over-schedule", storage=storage) for study in studies]
    metrics = [f"test_{record.quality[0].metric}" for record in records]
    titles = [f"{study}: {metric.replace('_', ' ')}" for study, metric in zip(studies, metrics, strict=True)]
    figure = make_subplots(rows=1, cols=len(studies), subplot_titles=titles, horizontal_spacing=0.1)
    for column, (record, metric) in enumerate(zip(records, metrics, strict=True), start=1):
        for schedule, color in COLORS.items():
            trials = [one for one in record.complete if one.candidate and one.candidate.schedule == schedule]
            points = go.Scatter(
                x=[trial.seed for trial in trials],
                y=[trial.metrics[metric] for trial in trials],
                mode="markers",
                name=schedule,
                marker={"color": color, "size": 9, "symbol": "circle" if schedule == "polynomial" else "diamond"},
                showlegend=column == 1,
            )
            figure.add_trace(points, row=1, col=column)
        figure.update_xaxes(title="seed", row=1, col=column)
    figure.update_layout(legend={"orientation": "h", "y": -0.2})
    print(save(figure, "schedules"))


if __name__ == "__main__":
    main()
