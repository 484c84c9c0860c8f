from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sparsesearch import Data, Study, Training, minimize
from sparsesearch.errors import DataError, EvaluationError, ModelError
from sparsesearch.executor import Assignment, EpochEnd
from sparsesearch.keras_network import tf, tf_keras
from sparsesearch.keras_training import Trainer, check_targets
from sparsesearch.model_files import check_outputs, run_tflite, zipped
from sparsesearch.schedule import ConstantSparsity
from sparsesearch.tensorflow_runtime import last_line
from sparsesearch.trial import Evaluation, ZeroCount
from tests.keras_studies import regression_data, small_digits, tiny_study

SCHEDULE = ConstantSparsity(final_sparsity=0.8, begin_step=11, end_step=44, frequency=11)


@pytest.fixture(scope="module")
def trained() -> tuple[Trainer, Evaluation, list[EpochEnd]]:
    trainer, events = Trainer(tiny_study()), []  # type: ignore[var-annotated]
    trainer.inspection()  # as every worker does first
    evaluation = trainer.evaluate(Assignment(number=7, schedule=SCHEDULE, seed=0), events.append)
    return trainer, evaluation, events


def test_an_inspection_says_what_will_be_trained() -> None:
    inspection = Trainer(tiny_study()).inspection()
    assert inspection.total_steps == 44
    assert inspection.examples == {"train": 330, "validation": 100, "test": 100}
    assert [layer.kind for layer in inspection.dense_layers] == ["BatchNormalization"]
    assert inspection.prunable_weights == 3 * 3 * 8 + 6 * 6 * 8 * 32 + 32 * 10
    assert inspection.versions["tensorflow"]
    assert inspection == Trainer(tiny_study()).inspection()


def test_zeros_are_those_of_the_files(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    _, evaluation, _ = trained
    counted = {}
    with h5py.File(io.BytesIO(evaluation.files["model.h5"])) as file:

        def count(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and "kernel" in name:
                counted[item.shape] = int((np.array(item) == 0).sum())

        file.visititems(count)
    assert sorted(counted.values()) == sorted(kernel.zeros for kernel in evaluation.measurement.kernels)
    assert all(kernel.missed <= 1 for kernel in evaluation.measurement.kernels)
    assert evaluation.measurement.metrics["sparsity"] == pytest.approx(0.8, abs=0.001)


def test_sizes_are_those_of_the_files(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    _, evaluation, _ = trained
    for kind in ("h5", "tflite"):
        content = evaluation.files[f"model.{kind}"]
        assert evaluation.measurement.metrics[f"{kind}_bytes"] == len(content)
        archive = zipped(f"model.{kind}", content)
        assert evaluation.measurement.metrics[f"zipped_{kind}_bytes"] == len(archive)
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            assert opened.read(f"model.{kind}") == content


def test_metrics_are_those_of_the_shipped_tflite(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    _, evaluation, _ = trained
    data = small_digits()
    for prefix, (x, y) in (("", data.validation), ("test_", data.test)):
        found = run_tflite(evaluation.files["model.tflite"], x).argmax(axis=1)
        # 8-bit weights may turn a close call.
        assert (found == y).mean() == pytest.approx(evaluation.measurement.metrics[f"{prefix}accuracy"], abs=0.03)


def test_epochs_are_reported_with_the_sparsity_held(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    _, evaluation, events = trained
    assert [(event.number, event.epoch) for event in events] == [(7, 1), (7, 2), (7, 3), (7, 4)]
    quality = {f"{split}_{name}" for split in ("train", "val") for name in ("loss", "accuracy")}
    assert set(events[0].metrics) == quality | {"sparsity", "target_sparsity"}
    assert [event.metrics for event in events] == list(evaluation.measurement.history)
    held = [event.metrics["sparsity"] for event in events]
    assert held == pytest.approx([SCHEDULE.sparsity_at(11 * epoch) for epoch in (1, 2, 3, 4)], abs=0.001)


def test_the_last_validation_is_the_measured_one(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    _, evaluation, events = trained
    assert evaluation.measurement.metrics["accuracy"] == pytest.approx(events[-1].metrics["val_accuracy"])


def test_a_kernel_that_misses_its_target_fails_by_name() -> None:
    hit = ZeroCount(name="dense/kernel", weights=100, zeros=81, target_zeros=80)
    missed = ZeroCount(name="conv2d/kernel", weights=100, zeros=82, target_zeros=80)
    check_targets((hit,), SCHEDULE)
    check_targets((replace(missed, target_zeros=0),), None)
    with pytest.raises(EvaluationError, match="missed its target: conv2d/kernel has 82 zeros, not 80$"):
        check_targets((hit, missed), SCHEDULE)


def test_wrong_outputs_of_a_file_fail(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    trainer, evaluation, _ = trained
    other = trainer.evaluate(Assignment(number=8, schedule=SCHEDULE, seed=9), lambda event: None)
    assert check_outputs(trainer._network.stripped, other.files["model.tflite"], small_digits().validation[0]) < 0.02
    with pytest.raises(EvaluationError, match=r"outputs of model.tflite differ from Keras' by \d+"):
        check_outputs(trainer._network.stripped, evaluation.files["model.tflite"], small_digits().validation[0])


def test_a_loss_that_is_no_number_fails_the_trial() -> None:
    training = replace(tiny_study().training, learning_rate=1e30, optimizer="sgd")
    with pytest.raises(EvaluationError, match=r"the loss became (nan|inf) in epoch \d"):
        Trainer(tiny_study(training=training)).evaluate(Assignment(number=0, schedule=SCHEDULE, seed=0), lambda _: None)


def regression_study(build: Any, data: Any) -> Study:
    return tiny_study(
        build_model=build,
        load_data=data,
        training=Training(epochs=2, batch_size=20, loss="mse", metrics=("mae",)),
        objectives=(minimize("mae"), minimize("zipped_tflite_bytes")),
    )


def mlp() -> Any:
    from tf_keras import Sequential, layers

    return Sequential([layers.Input((1,)), layers.Dense(16, activation="relu"), layers.Dense(1)])


def lstm() -> Any:
    from tf_keras import Sequential, layers

    return Sequential([layers.Input((6, 1)), layers.LSTM(8), layers.Dense(1)])


def windows() -> Data:
    series = np.sin(np.arange(0, 40, 0.25, dtype=np.float32))
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], 6)[..., None]
    y = series[6:]
    return Data(train=(x, y), validation=(x[::3], y[::3]), test=(x[1::3], y[1::3]))


@pytest.mark.parametrize(("build", "data", "kernels"), [(mlp, regression_data, 2), (lstm, windows, 3)])
def test_regression_and_recurrent_networks_are_trained_and_measured(build: Any, data: Any, kernels: int) -> None:
    trainer = Trainer(regression_study(build, data))
    schedule = ConstantSparsity(final_sparsity=0.5, begin_step=2, end_step=4, frequency=1)
    measurement = trainer.evaluate(Assignment(number=0, schedule=schedule, seed=0), lambda event: None).measurement
    assert len(measurement.kernels) == kernels
    assert {"loss", "mae", "test_loss", "test_mae", "zipped_tflite_bytes"} <= set(measurement.metrics)


def test_every_array_of_weights_is_counted(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    trainer, evaluation, _ = trained
    measurement = evaluation.measurement
    network = trainer._network.stripped
    names = [count.name for count in measurement.zeros]
    assert len(set(names)) == len(names) == len(network.weights)
    assert measurement.weights == network.count_params()
    in_file = []
    with h5py.File(io.BytesIO(evaluation.files["model.h5"])) as file:
        file.visititems(lambda _, item: in_file.append(np.array(item)) if isinstance(item, h5py.Dataset) else None)
    assert measurement.zero_weights == sum(int((weight == 0).sum()) for weight in in_file)
    assert {count.name.rpartition("/")[2] for count in measurement.kernels} == {"kernel"}
    assert not any(count.prunable for count in measurement.zeros if "bias" in count.name or "batch" in count.name)


def test_each_epoch_says_what_was_asked_and_what_was_held(
    trained: tuple[Trainer, Evaluation, list[EpochEnd]],
) -> None:
    _, evaluation, _ = trained
    history = evaluation.measurement.history
    assert [epoch["target_sparsity"] for epoch in history] == [0.8] * 4, "from step 11, the last of the first epoch"
    assert [epoch["sparsity"] for epoch in history] == pytest.approx([0.8] * 4, abs=1e-3)


def test_a_regression_keeps_its_first_test_predictions() -> None:
    trainer = Trainer(regression_study(mlp, regression_data))
    sample = trainer.inspection().sample
    assert sample is not None and sample.input_name == "input"
    x, y = regression_data().test
    assert sample.inputs == tuple(float(value) for value in x[:, 0])
    measurement = trainer.evaluate(Assignment(number=0, schedule=None, seed=0), lambda event: None).measurement
    error = np.mean(np.square(np.array(measurement.predictions) - y[:, 0]))
    assert error == pytest.approx(measurement.metrics["test_loss"], rel=1e-4)
    positions = Trainer(regression_study(lstm, windows)).inspection().sample
    assert positions is not None and positions.inputs[:3] == (0, 1, 2) and positions.input_name == "test example"


def test_a_classifier_keeps_no_predictions(trained: tuple[Trainer, Evaluation, list[EpochEnd]]) -> None:
    trainer, evaluation, _ = trained
    assert trainer.inspection().sample is None and evaluation.measurement.predictions == ()


def digits_network(activation: str | None) -> Any:
    layers = tf_keras.layers
    return lambda: tf_keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10, activation=activation)]
    )


def bytes_of_digits() -> Data:
    data = small_digits()
    return Data(**{name: ((x * 255).astype(np.uint8), y) for name, (x, y) in data.splits.items()})


def test_logits_are_trained_like_probabilities_and_bytes_like_numbers() -> None:
    found = {}
    for from_logits, activation in ((True, None), (False, "softmax")):
        training = replace(tiny_study().training, from_logits=from_logits)
        study = tiny_study(training=training, build_model=digits_network(activation), load_data=bytes_of_digits)
        trainer = Trainer(study)
        assert trainer._train[0].dtype == tf.uint8, "a byte per pixel stays a byte"
        found[from_logits] = trainer.evaluate(Assignment(number=0, schedule=SCHEDULE, seed=0), lambda event: None)
    logits, probabilities = (found[kind].measurement.metrics for kind in (True, False))
    assert logits["loss"] == pytest.approx(probabilities["loss"], rel=1e-3)
    assert logits["accuracy"] == probabilities["accuracy"] > 0.5


def test_tensorboard_gets_the_sparsity_of_every_kernel_and_changes_nothing(
    tmp_path: Path, trained: tuple[Trainer, Evaluation, list[EpochEnd]]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = Trainer(tiny_study(), tensorboard=tmp_path)
    measurement = trainer.evaluate(Assignment(number=7, schedule=SCHEDULE, seed=0), lambda event: None).measurement
    assert {**measurement.metrics, "train_seconds": 0} == {**trained[1].measurement.metrics, "train_seconds": 0}
    assert [path.name for path in tmp_path.iterdir()] == ["trial-007"]
    logs = EventAccumulator(str(tmp_path / "trial-007" / "metrics"))
    logs.Reload()
    tags = [tag for tag in logs.Tags()["tensors"] if "sparsity" in tag]
    assert len(tags) == len(measurement.kernels)
    for tag in tags:
        held = [float(tf.make_ndarray(event.tensor_proto)) for event in logs.Tensors(tag)]
        assert held == pytest.approx([0, 0.8, 0.8, 0.8, 0.8], abs=0.02), "before each epoch, and at the end"


def test_metrics_keep_the_name_the_study_gives_them() -> None:
    study = regression_study(mlp, regression_data)
    study = replace(study, training=replace(study.training, metrics=("mae", "RootMeanSquaredError")))
    schedule = ConstantSparsity(final_sparsity=0.5, begin_step=2, end_step=4, frequency=1)
    metrics = (
        Trainer(study).evaluate(Assignment(number=0, schedule=schedule, seed=0), lambda _: None).measurement.metrics
    )
    assert metrics["RootMeanSquaredError"] == pytest.approx(metrics["loss"] ** 0.5, rel=1e-4)


def test_a_model_of_any_input_length_is_written_for_the_length_of_the_data() -> None:
    def any_length() -> Any:
        from tf_keras import Sequential, layers

        return Sequential(
            [layers.Input((None, 1)), layers.Conv1D(4, 2), layers.GlobalAveragePooling1D(), layers.Dense(1)]
        )

    assert Trainer(regression_study(any_length, windows)).inspection().prunable_weights == 12


def test_a_model_that_tflite_cannot_hold_is_refused_at_the_inspection() -> None:
    def complex_numbers() -> Any:
        layers = tf_keras.layers
        fft = layers.Lambda(
            lambda x: tf.math.real(tf.signal.fft3d(tf.cast(x, tf.complex64)[..., None, None]))[..., 0, 0]
        )
        return tf_keras.Sequential([layers.Input((1,)), layers.Dense(4), fft, layers.Dense(1)])

    with pytest.raises(ModelError, match="cannot be converted to TFLite"):
        Trainer(regression_study(complex_numbers, regression_data)).inspection()


def test_tensorflows_reason_is_its_last_line() -> None:
    error = ValueError("Graph execution error:\n\nDetected at node x\nlogits are wrong: [2,3]\n\t [[{{node x}}]]\n")
    assert last_line(error) == "logits are wrong: [2,3]"


def with_data(**changes: Any) -> Any:
    return lambda: replace(small_digits(), **changes)


X, Y = small_digits().train


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (with_data(train=(X[:, :4], Y), validation=(X[:, :4], Y), test=(X[:, :4], Y)), r"inputs have shape \(4, 8, 1\), the model takes \(8, 8, 1\)"),
        (with_data(train=(X, Y + 1)), r"train labels must lie in 0..9, the model's outputs; got 1..10"),
        (with_data(validation=(X, Y - 1)), r"validation labels .* got -1..8"),
        (with_data(test=(X, Y.astype(float))), "test labels must be whole numbers, got float64"),
        (with_data(train=(X * np.nan, Y)), r"\d+ of the 21120 values of the train inputs are not finite numbers"),
        (with_data(train=(X, np.eye(10, dtype=int)[Y]), validation=(X, np.eye(10, dtype=int)[Y]), test=(X, np.eye(10, dtype=int)[Y])), r"train targets have shape \(10,\), the model gives \(10,\) and the loss is"),
        (lambda: replace(small_digits(), train=(X, Y.astype(str))), "train must hold NumPy arrays of numbers, got ndarray <U"),
        (lambda: (X, Y), "must give sparsesearch.Data, got tuple"),
        (lambda: 1 / 0, "load_data of study 'tiny' raised ZeroDivisionError"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit_the_model_are_refused(load: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Trainer(tiny_study(load_data=load))
