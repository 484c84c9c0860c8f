"""The evaluator of a real study: light enough for the driver, heavy only where it is put to work."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsesearch.errors import SparsesearchError
from sparsesearch.executor import Assignment, Report
from sparsesearch.inspection import Inspection
from sparsesearch.study import Study
from sparsesearch.trial import Evaluation

if TYPE_CHECKING:
    from sparsesearch.keras_network import Network
    from sparsesearch.keras_training import Trainer


class KerasEvaluator:
    """Implements `sparsesearch.executor.Evaluator`; TensorFlow, model and data come on first use.

    Args:
        study: what to train.
        tensorboard: folder for TensorBoard's logs; None writes none.
    """

    def __init__(self, study: Study, *, tensorboard: Path | None = None) -> None:
        self._study = study
        self._tensorboard = tensorboard
        self._network: Network | None = None
        self._trainer: Trainer | None = None

    def warm(self) -> None:
        """See `sparsesearch.executor.Evaluator.warm`."""
        from sparsesearch import model_files
        from sparsesearch.keras_network import Network

        with contextlib.suppress(SparsesearchError):
            self._network = Network(self._study)
            # The first conversion of a process takes seconds longer than the others.
            lengths = self._network.shipped.input_shape[1:]
            model_files.write_files(self._network.shipped, input_shape=tuple(length or 1 for length in lengths))

    def inspect(self) -> Inspection:
        """See `sparsesearch.executor.Evaluator.inspect`."""
        return self._prepared().inspection()

    def evaluate(self, assignment: Assignment, report: Report) -> Evaluation:
        """See `sparsesearch.executor.Evaluator.evaluate`."""
        return self._prepared().evaluate(assignment, report)

    def __getstate__(self) -> dict[str, Any]:
        # What was prepared stays in its process.
        return {**vars(self), "_network": None, "_trainer": None}

    def _prepared(self) -> Trainer:
        if self._trainer is None:
            from sparsesearch.keras_training import Trainer

            self._trainer = Trainer(self._study, network=self._network, tensorboard=self._tensorboard)
        return self._trainer
