"""One trial: a pruned Keras fit, checked and measured."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparsesearch import model_files
from sparsesearch.datasets.data import Array, Data
from sparsesearch.errors import DataError, EvaluationError, ModelError, SparsesearchError
from sparsesearch.executor import Assignment, EpochEnd, Report
from sparsesearch.inspection import Inspection, RegressionSample
from sparsesearch.keras_network import Network, pruning, tf, tf_keras
from sparsesearch.schedule import Schedule
from sparsesearch.study import Study
from sparsesearch.tensorboard_logs import TensorboardLogs, tensorboard_folder
from sparsesearch.tensorflow_runtime import last_line, versions
from sparsesearch.trial import Evaluation, Measurement, ZeroCount

ALLOWED_MISS = 1  # weights of a kernel: equal magnitudes at the threshold are kept together
SAMPLE = 400  # test examples in the picture of a regression's predictions


class Trainer:
    """Trains and measures trials of one study; network and data are prepared once.

    Args:
        study: what to train.
        network: that of the study, if it was built before.
        tensorboard: folder for TensorBoard's logs, one folder below it per trial; None writes none.

    Raises:
        SparsesearchError: the model cannot be pruned, the data do not fit it.
    """

    def __init__(self, study: Study, *, network: Network | None = None, tensorboard: Path | None = None) -> None:
        self._study = study
        self._tensorboard = tensorboard
        data = _load(study)
        self._network = network or Network(study)
        _check_fit(study, data, self._network.stripped)
        self._facts = _facts(study, data, self._network.stripped)
        self._examples = len(data.train[0])
        self._input_shape = data.train[0].shape[1:]
        self._steps_per_epoch = math.ceil(self._examples / study.training.batch_size)
        self._validation_steps = math.ceil(len(data.validation[0]) / study.training.batch_size)
        self._network.compile()
        # From here on TensorFlow holds the only copy: image sets are large.
        self._train = tuple(tf.constant(part) for part in data.train)
        self._compared = data.validation[0][: model_files.COMPARED_INPUTS].copy()
        # What fits into memory in training fits in evaluation too.
        self._measured = {
            prefix: tf.data.Dataset.from_tensor_slices(split).batch(study.training.batch_size)
            for prefix, split in (("", data.validation), ("test_", data.test))
        }

        self._epoch = tf.function(self._train_and_validate)

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
            versions=versions(),
            **self._facts,
        )

    def evaluate(self, assignment: Assignment, report: Report) -> Evaluation:
        """See `sparsesearch.executor.Evaluator.evaluate`."""
        self._network.reset(assignment.schedule, seed=assignment.seed)
        progress = _Progress(self._network, assignment, report, steps_per_epoch=self._steps_per_epoch)
        started = time.perf_counter()
        try:
            self._fit(assignment, progress)
        except tf.errors.OpError as error:
            raise EvaluationError(f"TensorFlow: {last_line(error)}") from error
        seconds = time.perf_counter() - started
        self._network.apply_masks()
        zeros = self._network.count_zeros(assignment.schedule)
        check_targets(zeros, assignment.schedule)
        return self._measure(zeros, tuple(progress.history), seconds)

    def _fit(self, assignment: Assignment, progress: _Progress) -> None:
        epochs = self._study.training.epochs
        order = np.stack(
            [np.random.default_rng([assignment.seed, epoch]).permutation(self._examples) for epoch in range(epochs)]
        )
        callbacks = [pruning.UpdatePruningStep(), progress]
        if self._tensorboard:
            callbacks.append(TensorboardLogs(self._tensorboard / tensorboard_folder(assignment.number)))
        hooks = tf_keras.callbacks.CallbackList(callbacks, model=self._network.pruned, epochs=epochs)
        training, validation = iter(self._batches(order)), iter(self._measured[""].repeat())
        hooks.on_train_begin()
        for epoch in range(epochs):
            hooks.on_epoch_begin(epoch)
            found = self._epoch(training, validation)
            hooks.on_epoch_end(epoch, {name: float(value) for name, value in found.items()})
        hooks.on_train_end()

    def _train_and_validate(self, training: Any, validation: Any) -> dict[str, Any]:
        """One epoch of Keras' own steps in one graph, and its metrics; a call of Keras' fit costs tens of milliseconds
        an epoch in Python, more than the epoch of a small network.
        """
        model = self._network.pruned
        for _ in tf.range(self._steps_per_epoch):
            model.train_step(next(training))
        found = _read_metrics(model)
        for _ in tf.range(self._validation_steps):
            model.test_step(next(validation))
        return found | {f"val_{name}": value for name, value in _read_metrics(model).items()}

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
        return model_files.write_files(self._network.shipped, input_shape=self._input_shape)

    def _measure(
        self, zeros: tuple[ZeroCount, ...], history: tuple[Mapping[str, float], ...], seconds: float
    ) -> Evaluation:
        model = self._network.stripped
        metrics: dict[str, float] = {}
        for prefix, batches in self._measured.items():
            values = model.evaluate(batches, verbose=0, return_dict=True)
            metrics |= {f"{prefix}{name}": float(value) for name, value in values.items()}
        files = self._write_files()
        metrics |= model_files.measure_files(files)
        metrics["tflite_output_error"] = model_files.check_outputs(
            model, files[model_files.TFLITE_NAME], self._compared
        )
        measurement = Measurement(metrics=metrics, zeros=zeros, history=history, predictions=self._predictions())
        kernels = measurement.kernels
        metrics["sparsity"] = sum(kernel.zeros for kernel in kernels) / self._network.prunable_weights
        metrics["total_sparsity"] = measurement.zero_weights / measurement.weights
        metrics["train_seconds"] = seconds
        return Evaluation(measurement=measurement, files=files)

    def _predictions(self) -> tuple[float, ...]:
        if self._facts["sample"] is None:
            return ()
        batches = self._measured["test_"].take(math.ceil(SAMPLE / self._study.training.batch_size))
        outputs = self._network.stripped.predict(batches, verbose=0)
        return tuple(float(output) for output in outputs.ravel()[:SAMPLE])


class _Progress(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Seeds, checks and reports every epoch."""

    def __init__(self, network: Network, assignment: Assignment, report: Report, *, steps_per_epoch: int) -> None:
        super().__init__()
        self._network, self._assignment, self._report = network, assignment, report
        self._steps_per_epoch = steps_per_epoch
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
        schedule = self._assignment.schedule
        metrics["target_sparsity"] = schedule.sparsity_at((epoch + 1) * self._steps_per_epoch) if schedule else 0.0
        self.history.append(metrics)
        self._report(EpochEnd(number=self._assignment.number, epoch=epoch + 1, metrics=metrics))


def _read_metrics(model: Any) -> dict[str, Any]:
    """Metrics of a compiled model since they were last read, by name."""
    found = {metric.name: metric.result() for metric in model.metrics}
    model.reset_metrics()
    return found


def check_targets(zeros: tuple[ZeroCount, ...], schedule: Schedule | None) -> None:
    """Raise an EvaluationError that names each kernel whose zeros miss the schedule's target."""
    missed = [count for count in zeros if count.missed > ALLOWED_MISS] if schedule else []
    if missed:
        listed = ", ".join(f"{count.name} has {count.zeros} zeros, not {count.target_zeros}" for count in missed)
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


def _facts(study: Study, data: Data, model: Any) -> dict[str, Any]:
    """What an inspection says of the data."""
    x, y = data.test
    numbers = y.dtype.kind == "f" and y.size == len(y) and model.output_shape[1:] == (1,)
    sample = None
    if numbers and "crossentropy" not in study.training.loss.lower():
        scalar = x.size == len(x)
        inputs = x[:SAMPLE].ravel() if scalar else range(len(y[:SAMPLE]))
        sample = RegressionSample(
            inputs=tuple(float(value) for value in inputs),
            targets=tuple(float(value) for value in y[:SAMPLE].ravel()),
            input_name="input" if scalar else "test example",
        )
    return {
        "data_fingerprint": data.fingerprint(),
        "data_source": data.source,
        "examples": {name: len(x) for name, (x, _) in data.splits.items()},
        "sample": sample,
    }


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
            strange = int(values.size - np.isfinite(values).sum()) if values.dtype.kind == "f" else 0
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
