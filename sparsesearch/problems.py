"""An analytic problem with a known front: the double that drives a search in milliseconds.

It has the parameters, metrics and failures of a real study and trains nothing.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from sparsesearch.errors import EvaluationError
from sparsesearch.executor import Assignment, EpochEnd, Report
from sparsesearch.inspection import Inspection
from sparsesearch.objective import maximize, minimize
from sparsesearch.space import Choice, Float, SearchSpace
from sparsesearch.study import Study, Training
from sparsesearch.trial import SIZE_METRICS, Evaluation, Measurement, ZeroCount

DENSE_BYTES = 100_000
EPOCHS = 4
TOTAL_STEPS = 400
BEST_BEGIN = 0.4  # fraction of the training at which pruning costs no accuracy beyond the sparsity's


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticProblem:
    """Accuracy falls with the sparsity ``s`` and with the distance of the begin fraction ``b`` from 0.4.

    ``accuracy = 0.99 - 0.5 s^8 - 0.5 (b - 0.4)^2`` and ``bytes = 100000 (1 - s) + 1``: the Pareto
    front is ``b = 0.4``, see `front_accuracy`.
    """

    epoch_seconds: float = 0.0  # how long an epoch pretends to train
    fails_above: float = 1.0  # sparsities above raise EvaluationError
    breaks_above: float = 1.0  # sparsities above raise a bug

    def warm(self) -> None:
        """See `sparsesearch.executor.Evaluator.warm`; there is nothing to import."""

    def inspect(self) -> Inspection:
        """See `sparsesearch.executor.Evaluator.inspect`."""
        return Inspection(
            weights=DENSE_BYTES,
            prunable_weights=DENSE_BYTES,
            total_steps=TOTAL_STEPS,
            model_fingerprint="analytic",
            data_fingerprint="none",
            examples={"train": 100, "validation": 10, "test": 10},
        )

    def evaluate(self, assignment: Assignment, report: Report) -> Evaluation:
        """See `sparsesearch.executor.Evaluator.evaluate`."""
        schedule = assignment.schedule
        sparsity = schedule.final_sparsity if schedule else 0.0
        accuracy = front_accuracy(bytes_at(sparsity))
        if schedule:
            accuracy -= 0.5 * (schedule.begin_step / TOTAL_STEPS - BEST_BEGIN) ** 2
        history = []
        for epoch in range(1, EPOCHS + 1):
            time.sleep(self.epoch_seconds)
            held = schedule.sparsity_at(epoch * TOTAL_STEPS // EPOCHS) if schedule else 0.0
            metrics = {"val_accuracy": accuracy * epoch / EPOCHS, "sparsity": held, "target_sparsity": held}
            history.append(metrics)
            report(EpochEnd(number=assignment.number, epoch=epoch, metrics=metrics))
        if sparsity > self.breaks_above:
            raise ZeroDivisionError("a bug in the evaluator")
        if sparsity > self.fails_above:
            raise EvaluationError(f"loss is {math.nan} in epoch {EPOCHS}")
        size = bytes_at(sparsity)
        zeros = round(sparsity * DENSE_BYTES)
        return Evaluation(
            measurement=Measurement(
                metrics={
                    "accuracy": accuracy,
                    "loss": 1 - accuracy,
                    "test_accuracy": accuracy - 0.01,
                    "test_loss": 1.01 - accuracy,
                    "sparsity": sparsity,
                    "total_sparsity": sparsity,
                    "train_seconds": self.epoch_seconds * EPOCHS,
                    **dict.fromkeys(SIZE_METRICS, size),
                },
                zeros=(ZeroCount(name="only/kernel", weights=DENSE_BYTES, zeros=zeros, target_zeros=zeros),),
                history=tuple(history),
            ),
            files={"model.h5": b"h5", "model.tflite": b"tflite"},
        )


def bytes_at(sparsity: float) -> float:
    """Size of the analytic model's files at a final sparsity."""
    return DENSE_BYTES * (1 - sparsity) + 1


def front_accuracy(size: float) -> float:
    """Best accuracy that any candidate reaches at ``size`` bytes."""
    sparsity = 1 - (size - 1) / DENSE_BYTES
    return 0.99 - 0.5 * sparsity**8


def analytic_study(**changes: Any) -> Study:
    """A study over `AnalyticProblem`'s parameters; ``changes`` replace fields of it."""
    fields: dict[str, Any] = {
        "name": "analytic",
        "description": "Analytic problem with a known front",
        "build_model": _nothing,
        "load_data": _nothing,
        "training": Training(epochs=EPOCHS, batch_size=1, loss="none", metrics=("accuracy",)),
        "space": SearchSpace(
            schedule=Choice("constant", "polynomial"),
            initial_sparsity=Float(0.0, 0.3),
            final_sparsity=Float(0.3, 0.98),
            begin_fraction=Float(0.0, 0.9),
            power=Float(1.0, 5.0),
            frequency=Choice(1, 10, 100),
        ),
        "objectives": (maximize("accuracy"), minimize("zipped_tflite_bytes")),
    }
    return Study(**{**fields, **changes})


def _nothing() -> Any:
    raise NotImplementedError("an analytic problem has neither a model nor data")
