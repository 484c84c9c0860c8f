"""Does a parameter matter? The same trainings with each of its values, compared in pairs of equal seed.

A pair has one training per arm. They share the seed (weights, data order, dropout) and every other
parameter, which is drawn anew for each pair unless the study fixes it. What differs within a pair is
the parameter alone, so the differences are a paired sample.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsesearch.attempts import SEEDS, Attempt
from sparsesearch.errors import StudyError, close_names
from sparsesearch.record import StudyRecord
from sparsesearch.space import POLYNOMIAL_ONLY, Candidate, Choice, Domain, Int, SearchSpace, Value, options
from sparsesearch.study import Study
from sparsesearch.trial import Trial, TrialStatus

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One metric of an arm less that of the first arm, over the pairs."""

    arm: Value
    metric: str
    mean: float
    low: float  # of the confidence interval of the mean
    high: float
    better: int  # pairs in which the arm is better than the first one
    sign: int  # 1 where a smaller metric is better, -1 where a larger one is

    @property
    def is_better(self) -> bool:
        """Whether the arm's mean is the better one."""
        return self.sign * self.mean < 0

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found about one parameter."""

    over: str  # the parameter
    arms: tuple[Value, ...]  # its values; the first is what the others are compared with
    metrics: tuple[str, ...]  # the objectives, and those measured on data on test data too
    pairs: int  # complete ones
    means: dict[str, tuple[tuple[float, float], ...]]  # by metric: mean and standard deviation of each arm
    differences: tuple[Difference, ...]
    lost: tuple[str, ...] = ()  # trials that failed, with the reason; their pairs are left out

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return dataclasses.asdict(self)


def arms(study: Study, over: str) -> tuple[Value, ...]:
    """Values of the parameter ``over`` to compare: its choices, or the ends of its range.

    Raises:
        StudyError: no such parameter, or one that the study fixes.
    """
    names = [field.name for field in dataclasses.fields(SearchSpace)]
    if over not in names:
        raise StudyError(f"there is no parameter {over!r} to compare", hint=close_names(over, names))
    domain = study.space.domains.get(over)
    values = () if domain is None else domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
    if len(set(values)) < 2:
        raise StudyError(
            f"study {study.name!r} fixes {over} at {getattr(study.space, over)}, so there is nothing to compare",
            hint=f"--set {over}=A,B",
        )
    return values


def comparison_study(study: Study, *, over: str, pairs: int) -> Study:
    """A study whose attempts are ``pairs`` trainings of each arm; seeds count up from the study's.

    Raises:
        StudyError: fewer than two pairs, or as `arms`.
    """
    if pairs < 2:
        raise StudyError(f"a comparison needs at least 2 pairs, got {pairs}", hint="10 or more tell something")
    if over in POLYNOMIAL_ONLY:
        if "polynomial" not in options(study.space.schedule):
            raise StudyError(f"a constant schedule has no {over} to compare", hint="--set schedule=polynomial")
        study = dataclasses.replace(study, space=dataclasses.replace(study.space, schedule="polynomial"))
    values = arms(study, over)
    attempts = tuple(
        Attempt(
            name=f"{over} {value}, pair {pair}",
            candidate=_candidate(study, over, value, pair),
            seed=(study.seed + pair) % SEEDS,
        )
        for pair in range(pairs)
        for value in values
    )
    return dataclasses.replace(study, name=f"{study.name}-over-{over}", attempts=attempts, trials=len(attempts))


def compare(record: StudyRecord, study: Study, *, over: str) -> Comparison:
    """Compare what ``record`` holds of the attempts of ``study``, a `comparison_study`.

    The intervals are Student's, for paired differences; with more than two arms each is widened (Bonferroni)
    so that those of one metric hold together with the confidence CONFIDENCE.

    Raises:
        StudyError: fewer than two pairs are complete.
    """
    values = arms(study, over)
    complete = {trial.attempt: trial for trial in record.complete}
    signs = _signs(record)
    names = [attempt.name for attempt in study.attempts]
    lost = {
        trial.attempt: trial.reason or "a metric is no finite number"
        for trial in record.trials
        if trial.attempt in names and (trial.status is TrialStatus.FAILED or not _is_finite(trial, signs))
    }
    rows = [names[begin : begin + len(values)] for begin in range(0, len(names), len(values))]
    usable = complete.keys() - lost.keys()
    whole = [[complete[name] for name in row] for row in rows if usable.issuperset(row)]
    if len(whole) < 2:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(lost.items())[:1])
        raise StudyError(f"a comparison needs at least 2 complete pairs, got {len(whole)}", hint=reasons)
    measured = {metric: np.array([[trial.metrics[metric] for trial in row] for row in whole]) for metric in signs}
    means = {
        metric: tuple(zip(table.mean(axis=0).tolist(), table.std(axis=0, ddof=1).tolist(), strict=True))
        for metric, table in measured.items()
    }
    differences = tuple(
        _difference(values[arm], metric, table[:, arm] - table[:, 0], signs[metric], others=len(values) - 1)
        for metric, table in measured.items()
        for arm in range(1, len(values))
    )
    return Comparison(
        over=over,
        arms=values,
        metrics=tuple(signs),
        pairs=len(whole),
        means=means,
        differences=differences,
        lost=tuple(f"{name}: {reason}" for name, reason in lost.items()),
    )


def _is_finite(trial: Trial, metrics: Iterable[str]) -> bool:
    return all(math.isfinite(trial.metrics.get(metric, 0.0)) for metric in metrics)


def _signs(record: StudyRecord) -> dict[str, int]:
    """Metrics to compare: 1 where smaller is better, -1 where larger is."""
    signs: dict[str, int] = {}
    for goal in record.objectives:
        signs[goal.metric] = goal.sign
        if goal in record.quality:
            signs[f"test_{goal.metric}"] = goal.sign
    return signs


def _difference(arm: Value, metric: str, found: np.ndarray[Any, Any], sign: int, *, others: int) -> Difference:
    from scipy.stats import t

    quantile = float(t.ppf(1 - (1 - CONFIDENCE) / 2 / others, len(found) - 1))
    mean = float(found.mean())
    reach = quantile * float(found.std(ddof=1)) / math.sqrt(len(found))
    better = int((sign * found < 0).sum())
    return Difference(arm=arm, metric=metric, mean=mean, low=mean - reach, high=mean + reach, better=better, sign=sign)


def _candidate(study: Study, over: str, value: Value, pair: int) -> Candidate:
    def suggest(name: str, domain: Domain) -> Value:
        if name == over:
            return value
        # A generator for each parameter: what one arm lacks must not shift the others.
        generator = np.random.default_rng([study.seed, pair, *name.encode()])
        return _drawn(domain, generator)

    return study.space.candidate(suggest)


def _drawn(domain: Domain, generator: np.random.Generator) -> Value:
    if isinstance(domain, Choice):
        return domain.values[int(generator.integers(len(domain.values)))]
    low, high = (math.log(domain.low), math.log(domain.high)) if domain.log else (domain.low, domain.high)
    if isinstance(domain, Int) and not domain.log:
        return int(generator.integers(domain.low, domain.high + 1))
    number = float(generator.uniform(low, high))
    number = math.exp(number) if domain.log else number
    return min(max(round(number), domain.low), domain.high) if isinstance(domain, Int) else number
