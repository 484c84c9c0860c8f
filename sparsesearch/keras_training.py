"""One trial: a pruned Keras fit, checked and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsesearch import model_files
from sparsesearch.datasets import Array, Data
from sparsesearch.errors import DataError, EvaluationError, ModelError, SparsesearchError
from sparsesearch.executor import Assignment, EpochEnd, Report
from sparsesearch.inspection import Inspection
from sparsesearch.keras_network import Network, pruning, tf, tf_keras
from sparsesearch.schedule import Schedule
from sparsesearch.study import Study
from sparsesearch.tensorflow_runtime import last_line, versions
from sparsesearch.trial import Evaluation, KernelZeros, Measurement

EVALUATION_BATCH = 256
ALLOWED_MISS = 1  # weights of a kernel: equal magnitudes at the threshold are kept together


class Trainer:
    """Trains and measures trials of one study; network and data are prepared once.

    Raises:
        SparsesearchError: the model cannot be pruned, or the data do not fit it.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._data = _load(study)
        self._network = Network(study)
        _check_fit(study, self._data, self._network.stripped)
        self._steps_per_epoch = math.ceil(len(self._data.train[0]) / study.training.batch_size)
        # One call per epoch keeps Python out of the steps.
        self._network.compile(steps_per_execution=self._steps_per_epoch)
        self._train = tuple(tf.constant(part) for part in self._data.train)
        self._measured = {
            prefix: tf.data.Dataset.from_tensor_slices(split).batch(EVALUATION_BATCH)
            for prefix, split in (("", self._data.validation), ("test_", self._data.test))
        }

    def inspection(self) -> Inspection:
        """Facts about the study for the search, the tracker and the report.

        Raises:
            ModelError: the model cannot be written as the files that are measured.
        """
        try:
            self._write_files()
        except EvaluationError as error:
            raise ModelError(f"study {self._study.name!r}: {error}") from error
        return Inspection(
            weights=self._network.weights,
            prunable_weights=self._network.prunable_weights,
            dense_layers=self._network.dense_layers,
            total_steps=self._steps_per_epoch * self._study.training.epochs,
            model_fingerprint=self._network.fingerprint,
            data_fingerprint=self._data.fingerprint(),
            data_source=self._data.source,
            examples={name: len(x) for name, (x, _) in self._data.splits.items()},
            versions=versions(),
        )

    def evaluate(self, assignment: Assignment, report: Report) -> Evaluation:
        """See `sparsesearch.executor.Evaluator.evaluate`."""
        self._network.reset(assignment.schedule, seed=assignment.seed)
        progress = _Progress(self._network, assignment, report)
        started = time.perf_counter()
        try:
            self._fit(assignment.seed, progress)
        except tf.errors.OpError as error:
            raise EvaluationError(f"TensorFlow: {last_line(error)}") from error
        seconds = time.perf_counter() - started
        self._network.apply_masks()
        kernels = self._network.count_zeros(assignment.schedule)
        check_targets(kernels, assignment.schedule)
        return self._measure(kernels, tuple(progress.history), seconds)

    def _fit(self, seed: int, progress: _Progress) -> None:
        epochs = self._study.training.epochs
        order = np.stack(
            [np.random.default_rng([seed, epoch]).permutation(len(self._data.train[0])) for epoch in range(epochs)]
        )
        self._network.pruned.fit(
            self._batches(order),
            epochs=epochs,
            steps_per_epoch=self._steps_per_epoch,
            validation_data=self._measured[""],
            verbose=0,
            callbacks=[pruning.UpdatePruningStep(), progress],
        )

    def _batches(self, order: Array) -> Any:
        """Batches of the training data in ``order``, shape (epochs, examples); none spans two epochs."""
        x, y = self._train
        size = self._study.training.batch_size
        return (
            tf.data.Dataset.from_tensor_slices(order)
            .flat_map(lambda epoch: tf.data.Dataset.from_tensor_slices(epoch).batch(size))
            .map(lambda rows: (tf.gather(x, rows), tf.gather(y, rows)))
            .prefetch(2)
        )

    def _write_files(self) -> dict[str, bytes]:
        return model_files.write_files(self._network.shipped, input_shape=self._data.train[0].shape[1:])

    def _measure(
        self, kernels: tuple[KernelZeros, ...], history: tuple[Mapping[str, float], ...], seconds: float
    ) -> Evaluation:
        model = self._network.stripped
        metrics: dict[str, float] = {}
        for prefix, batches in self._measured.items():
            values = model.evaluate(batches, verbose=0, return_dict=True)
            metrics |= {f"{prefix}{name}": float(value) for name, value in values.items()}
        files = self._write_files()
        metrics |= model_files.measure_files(files)
        metrics["tflite_output_error"] = model_files.check_outputs(
            model, files[model_files.TFLITE_NAME], self._data.validation[0]
        )
        metrics["sparsity"] = sum(kernel.zeros for kernel in kernels) / self._network.prunable_weights
        metrics["total_sparsity"] = self._network.total_sparsity()
        metrics["train_seconds"] = seconds
        return Evaluation(measurement=Measurement(metrics=metrics, kernels=kernels, history=history), files=files)


class _Progress(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Seeds, checks and reports every epoch."""

    def __init__(self, network: Network, assignment: Assignment, report: Report) -> None:
        super().__init__()
        self._network, self._assignment, self._report = network, assignment, report
        self.history: list[Mapping[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._network.seed_epoch(self._assignment.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        metrics = {
            (name if name.startswith("val_") else f"train_{name}"): float(value) for name, value in (logs or {}).items()
        }
        if not math.isfinite(metrics["train_loss"]):
            raise EvaluationError(f"the loss became {metrics['train_loss']} in epoch {epoch + 1}")
        metrics["sparsity"] = self._network.mask_sparsity()
        self.history.append(metrics)
        self._report(EpochEnd(number=self._assignment.number, epoch=epoch + 1, metrics=metrics))


def check_targets(kernels: tuple[KernelZeros, ...], schedule: Schedule | None) -> None:
    """Raise an EvaluationError that names each kernel whose zeros miss the schedule's target."""
    missed = [kernel for kernel in kernels if kernel.missed > ALLOWED_MISS] if schedule else []
    if missed:
        listed = ", ".join(f"{kernel.name} has {kernel.zeros} zeros, not {kernel.target_zeros}" for kernel in missed)
        raise EvaluationError(f"the schedule missed its target: {listed}")


def _load(study: Study) -> Data:
    try:
        data: object = study.load_data()
    except SparsesearchError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"load_data of study {study.name!r} raised {type(error).__name__}: {error}") from error
    if not isinstance(data, Data):
        raise DataError(
            f"load_data of study {study.name!r} must give sparsesearch.Data, got {type(data).__name__}",
            hint="Data(train=(x, y), validation=(x, y), test=(x, y))",
        )
    return data


def _check_fit(study: Study, data: Data, model: Any) -> None:
    """Refuse data that the model cannot take, before Keras does so in its own words."""
    takes, gives = model.input_shape[1:], model.output_shape[1:]
    found = data.train[0].shape[1:]
    if not _fits(found, takes):
        raise DataError(
            f"the data do not fit the model of study {study.name!r}: inputs have shape {found}, the model takes {takes}"
        )
    # Labels are whole numbers, one for the last axis of the outputs; other losses compare like with like.
    labels = "sparse" in study.training.loss.lower()
    expected = gives[:-1] if labels else gives
    for name, (x, y) in data.splits.items():
        for role, values in (("inputs", x), ("targets", y)):
            strange = int(values.size - np.isfinite(values).sum())
            if strange:
                raise DataError(
                    f"{strange} of the {values.size} values of the {name} {role} are not finite numbers",
                    hint="leave out or fill in what is missing",
                )
        shape = y.shape[1:]
        # Keras adds or drops a last axis of length 1.
        alternative = shape[:-1] if labels and shape[-1:] == (1,) else (*shape, 1)
        if not _fits(shape, expected) and not _fits(alternative, expected):
            raise DataError(
                f"the data do not fit the model of study {study.name!r}: {name} targets have shape {shape}, "
                f"the model gives {gives} and the loss is {study.training.loss!r}",
                hint="this loss takes one class number for each example: y.argmax(axis=-1)" if labels else "",
            )
        if labels and gives[-1] is not None:
            _check_labels(name, y, classes=gives[-1])


def _fits(shape: tuple[int, ...], pattern: tuple[int | None, ...]) -> bool:
    pairs = zip(shape, pattern, strict=False)
    return len(shape) == len(pattern) and all(wanted in (None, size) for size, wanted in pairs)


def _check_labels(name: str, labels: Array, *, classes: int) -> None:
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{name} labels must be whole numbers, got {labels.dtype}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"{name} labels must lie in 0..{classes - 1}, the model's outputs; got {low}..{high}",
            hint="count classes from 0, or give the last layer more units",
        )
