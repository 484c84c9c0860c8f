"""A study as its storage remembers it: everything that reports and decisions are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsesearch.attempts import Attempt
from sparsesearch.inspection import Inspection
from sparsesearch.objective import Objective
from sparsesearch.pareto import Losses, hypervolume_curve, pareto_mask
from sparsesearch.trial import BASELINE, Measurement, Trial, TrialStatus

if TYPE_CHECKING:
    import pandas as pd

# The size that "times smaller" speaks of: what is shipped and downloaded.
SHIPPED_BYTES = "zipped_tflite_bytes"


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What was searched and what was found. Trials are ordered by number."""

    name: str  # in the storage; a fresh start of study cnn is called cnn-2
    search: str = ""  # identifier of this search wherever it is recorded
    objectives: tuple[Objective, ...]
    definition: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    inspection: Inspection | None = None
    baseline: Measurement | None = None  # of the dense network
    trials: tuple[Trial, ...] = ()

    @cached_property
    def complete(self) -> list[Trial]:
        """Trials that were measured."""
        return [trial for trial in self.trials if trial.status is TrialStatus.COMPLETE]

    @property
    def quality(self) -> list[Objective]:
        """Objectives that are measured on data, and so have a value on test data too."""
        return [goal for goal in self.objectives if goal.is_quality]

    @property
    def finished(self) -> int:
        """Trials that count towards the total: complete or failed."""
        return sum(trial.status.counts for trial in self.trials)

    @property
    def running(self) -> list[Trial]:
        """Trials that some search runs, or left running when it died."""
        return [trial for trial in self.trials if trial.status is TrialStatus.RUNNING]

    def missing(self, attempts: Iterable[Attempt], *, seed: int) -> list[Attempt]:
        """The attempts that no trial has finished or is running, in a study of that seed."""
        tried = {
            (trial.attempt, trial.candidate, trial.seed)
            for trial in self.trials
            if trial.status.counts or trial.status is TrialStatus.RUNNING
        }
        return [
            attempt for attempt in attempts if (attempt.name, attempt.candidate, attempt.seed_in(seed)) not in tried
        ]

    @cached_property
    def front(self) -> list[Trial]:
        """Non-dominated trials, best first in the first objective; of trials trained as one, the first."""
        originals = [trial for trial in self.complete if trial.same_as is None]
        if not originals:
            return []
        losses = self.losses(originals)
        kept = [
            (tuple(row), trial)
            for row, trial, on_front in zip(losses, originals, pareto_mask(losses), strict=True)
            if on_front
        ]
        return [trial for _, trial in sorted(kept, key=lambda pair: (pair[0], pair[1].number))]

    def losses(self, trials: list[Trial]) -> Losses:
        """Losses of ``trials``, shape (trials, objectives)."""
        rows = [[goal.loss(trial.metrics) for goal in self.objectives] for trial in trials]
        return np.array(rows, dtype=np.float64).reshape(len(trials), len(self.objectives))

    def hypervolume(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Share, in [0, 1], of the box from the best to the worst values seen that is dominated after
        each complete trial; the baseline counts among the values seen.
        """
        losses = self.losses(self.complete)
        if len(losses) == 0:
            return np.zeros(0)
        seen = losses
        if self.baseline:
            seen = np.vstack([losses, [goal.loss(self.baseline.metrics) for goal in self.objectives]])
        best, worst = seen.min(axis=0), seen.max(axis=0)
        size = np.where(worst > best, worst - best, 1.0)
        return hypervolume_curve((losses - best) / size, np.ones(losses.shape[1]))

    def with_trial(self, trial: Trial) -> StudyRecord:
        """The record after ``trial``, or the dense baseline, has ended."""
        if trial.number == BASELINE:
            return dataclasses.replace(self, baseline=trial.measurement)
        return dataclasses.replace(self, trials=(*self.trials, trial))

    def times_smaller(self, trial: Trial) -> float | None:
        """How many times smaller the trial's shipped file is than the dense baseline's."""
        if self.baseline is None or SHIPPED_BYTES not in trial.metrics:
            return None
        return self.baseline.metrics[SHIPPED_BYTES] / trial.metrics[SHIPPED_BYTES]

    def row(self, trial: Trial) -> dict[str, Any]:
        """One trial as flat values: objectives, comparison with the baseline, parameters, steps, other metrics.

        ``times_smaller`` is a factor; ``<metric>_change`` is the trial's value less the baseline's for
        every objective that is measured on data.
        """
        row: dict[str, Any] = {"trial": trial.number, "status": trial.status.value}
        for goal in self.objectives:
            if goal.metric in trial.metrics:
                row[goal.metric] = trial.metrics[goal.metric]
                if self.baseline and goal in self.quality:
                    row[f"{goal.metric}_change"] = trial.metrics[goal.metric] - self.baseline.metrics[goal.metric]
        row["times_smaller"] = self.times_smaller(trial)
        if trial.attempt:
            row["attempt"] = trial.attempt
        row |= trial.candidate_parameters
        if trial.schedule:
            row |= {name: getattr(trial.schedule, name) for name in ("begin_step", "end_step")}
            row["update_frequency"] = trial.schedule.frequency
        row |= {name: value for name, value in trial.metrics.items() if name not in row}
        if trial.measurement:
            row |= {"weights": trial.measurement.weights, "zero_weights": trial.measurement.zero_weights}
        if trial.reason:
            row["reason"] = trial.reason
        if trial.same_as is not None:
            row["same_as"] = trial.same_as
        return row

    def to_json(self, trials: Iterable[Trial]) -> dict[str, Any]:
        """The study and some of its trials as plain values."""
        return {
            "study": self.name,
            "finished": self.finished,
            "objectives": {goal.metric: goal.direction.value for goal in self.objectives},
            "baseline": dict(self.baseline.metrics) if self.baseline else None,
            "trials": [self.row(trial) for trial in trials],
        }

    def front_table(self) -> pd.DataFrame:
        """The front as a table, one row per trial."""
        return self._table(self.front)

    def trials_table(self) -> pd.DataFrame:
        """Every trial as a table."""
        return self._table(list(self.trials))

    def _table(self, trials: list[Trial]) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([self.row(trial) for trial in trials])
