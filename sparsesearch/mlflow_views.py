"""Views of a study's experiment that the MLflow UI offers under "Views": columns, filter and order.

The UI keeps a saved view in an experiment tag whose value holds the state of the page, deflated. Seen
in MLflow 3.17; a UI that does not know such tags ignores them.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from typing import Any

from sparsesearch.record import SHIPPED_BYTES, StudyRecord

TAG_PREFIX = "mlflow.sharedViewState."
PARAMS = ("schedule", "final_sparsity", "begin_fraction", "frequency")


def saved_views(record: StudyRecord, *, front_filter: str) -> dict[str, str]:
    """Experiment tags, by name, that make the views "Pareto front" and "All trials"."""
    views = {"front": ("Pareto front", front_filter), "trials": ("All trials", "")}
    return {
        f"{TAG_PREFIX}sparsesearch-{key}": _view(title, _state(record, wanted))
        for key, (title, wanted) in views.items()
    }


def _state(record: StudyRecord, wanted: str) -> dict[str, Any]:
    first = record.objectives[0]
    metrics = [goal.metric for goal in record.objectives]
    metrics += [f"test_{goal.metric}" for goal in record.quality]
    metrics += [SHIPPED_BYTES, "times_smaller", "sparsity"]
    columns = [f"metrics.`{name}`" for name in dict.fromkeys(metrics)] + [f"params.`{name}`" for name in PARAMS]
    return {
        "searchFilter": wanted,
        "orderByKey": f"metrics.`{first.metric}`" if wanted else "attributes.start_time",
        "orderByAsc": bool(wanted) and first.sign > 0,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "SHOWALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _view(title: str, state: dict[str, Any]) -> str:
    now = int(time.time() * 1000)
    deflated = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    return json.dumps({"name": title, "createdAt": now, "updatedAt": now, "state": f"deflate;{deflated}"})
