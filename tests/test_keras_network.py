"""The reused network against fresh ones, made the way tfmot's documentation makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparsesearch import Study
from sparsesearch.errors import ModelError, StudyError
from sparsesearch.executor import Assignment
from sparsesearch.keras_network import Network, VariableSchedule, pruning, target_zeros, tf, tf_keras
from sparsesearch.keras_training import Trainer
from sparsesearch.schedule import ConstantSparsity, PolynomialDecay, Schedule, snap
from sparsesearch.space import Candidate
from tests.keras_studies import tiny_network, tiny_study
from tests.strategies import candidates


def in_tfmot(schedule: Schedule) -> Any:
    steps = {"begin_step": schedule.begin_step, "end_step": schedule.end_step, "frequency": schedule.frequency}
    if isinstance(schedule, ConstantSparsity):
        return pruning.ConstantSparsity(schedule.final_sparsity, **steps)
    return pruning.PolynomialDecay(schedule.initial_sparsity, schedule.final_sparsity, power=schedule.power, **steps)


def every_step(function: Any, total_steps: int) -> tuple[np.ndarray, np.ndarray]:
    updates, sparsities = [], []
    for step in range(1, total_steps + 1):
        update, sparsity = function(tf.constant(step, tf.int64))
        updates.append(bool(update))
        sparsities.append(float(sparsity))
    return np.array(updates), np.array(sparsities)


@settings(max_examples=60, deadline=None)
@given(candidate=candidates(), total_steps=st.integers(1, 120))
def test_snapped_schedules_are_tfmots_at_every_step(candidate: Candidate, total_steps: int) -> None:
    schedule = snap(candidate, total_steps=total_steps)
    updates, sparsities = every_step(in_tfmot(schedule), total_steps)
    assert (np.flatnonzero(updates) + 1).tolist() == list(schedule.update_steps)
    assert updates[schedule.end_step - 1]
    assert sparsities[schedule.end_step - 1] == np.float32(candidate.final_sparsity)
    ours = [schedule.sparsity_at(step) for step in schedule.update_steps]
    np.testing.assert_allclose(ours, sparsities[updates], atol=2e-6)


@settings(max_examples=60, deadline=None)
@given(candidate=candidates(), total_steps=st.integers(1, 120))
def test_the_variable_schedule_equals_tfmots_bit_for_bit(candidate: Candidate, total_steps: int) -> None:
    schedule = snap(candidate, total_steps=total_steps)
    variable = VariableSchedule()
    variable.assign(schedule)
    updates, sparsities = every_step(in_tfmot(schedule), total_steps)
    our_updates, our_sparsities = every_step(variable, total_steps)
    assert (updates == our_updates).all()
    assert (sparsities[updates] == our_sparsities[updates]).all()


@settings(max_examples=300, deadline=None)
@given(size=st.integers(1, 5000), sparsity=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_target_zeros_are_those_of_tfmots_mask(size: int, sparsity: float, seed: int) -> None:
    # The formula of the mask, in TensorFlow's own float32.
    kept = tf.math.maximum(tf.math.round(tf.cast(size, tf.float32) * (1 - tf.constant(sparsity, tf.float32))), 1)
    assert target_zeros(size, sparsity) == size - int(kept)


def fresh_weights(study: Study, schedule: Schedule | None, seed: int) -> list[np.ndarray]:
    """Weights of a model built, wrapped and compiled for one training alone, by tfmot's own schedule."""
    trainer = Trainer(study)
    data, training = study.load_data(), study.training
    tf_keras.utils.set_random_seed(seed)
    model = study.build_model()
    if schedule is not None:

        def wrap(layer: Any) -> Any:
            if isinstance(layer, tf_keras.layers.Conv2D | tf_keras.layers.Dense):
                return pruning.prune_low_magnitude(layer, pruning_schedule=in_tfmot(schedule))
            return layer

        model = tf_keras.models.clone_model(model, clone_function=wrap)
    optimizer = tf_keras.optimizers.get(training.optimizer)
    optimizer.learning_rate = training.learning_rate
    model.compile(optimizer, training.loss)
    dropouts = [layer for layer in model.layers if isinstance(layer, tf_keras.layers.Dropout)]

    class Seeds(tf_keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            for position, layer in enumerate(dropouts):
                state = np.random.SeedSequence([seed, epoch, position]).generate_state(1, dtype=np.uint64)
                layer._random_generator._generator.reset_from_seed(int(state[0] >> 1))

    x, y = data.train
    order = np.stack([np.random.default_rng([seed, epoch]).permutation(len(x)) for epoch in range(training.epochs)])
    trainer._train = tuple(map(tf.constant, (x, y)))
    callbacks = [Seeds(), *([pruning.UpdatePruningStep()] if schedule else [])]
    model.fit(trainer._batches(order), epochs=training.epochs, steps_per_epoch=11, verbose=0, callbacks=callbacks)
    stripped: list[np.ndarray] = (pruning.strip_pruning(model) if schedule else model).get_weights()
    return stripped


TOTAL_STEPS = 44
SCHEDULES: list[Schedule | None] = [
    None,
    ConstantSparsity(final_sparsity=0.9, begin_step=11, end_step=44, frequency=3),
    PolynomialDecay(initial_sparsity=0.2, final_sparsity=0.95, power=2.5, begin_step=0, end_step=40, frequency=1),
    PolynomialDecay(initial_sparsity=0.0, final_sparsity=0.8, power=3.0, begin_step=10, end_step=30, frequency=20),
]  # fmt: skip


@pytest.fixture(scope="module")
def warm() -> Trainer:
    """One trainer that all tests of this module share: that is the point."""
    return Trainer(tiny_study())


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["dense", "constant", "every step", "one ramp"])
@pytest.mark.parametrize("seed", [0, 5])
def test_a_warm_network_trains_like_a_fresh_one(warm: Trainer, schedule: Schedule | None, seed: int) -> None:
    warm.evaluate(Assignment(number=0, schedule=SCHEDULES[2], seed=3), lambda event: None)
    warm.evaluate(Assignment(number=1, schedule=schedule, seed=seed), lambda event: None)
    expected = fresh_weights(tiny_study(), schedule, seed)
    for ours, fresh in zip(warm._network.stripped.get_weights(), expected, strict=True):
        assert (ours == fresh).all()


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(candidate=candidates(), seed=st.integers(0, 99))
def test_what_ran_before_changes_nothing(warm: Trainer, candidate: Candidate, seed: int) -> None:
    assignment = Assignment(number=0, schedule=snap(candidate, total_steps=TOTAL_STEPS), seed=seed)
    first = warm.evaluate(assignment, lambda event: None).measurement
    warm.evaluate(Assignment(number=1, schedule=SCHEDULES[1], seed=seed + 1), lambda event: None)
    again = warm.evaluate(assignment, lambda event: None).measurement
    assert {**first.metrics, "train_seconds": 0} == {**again.metrics, "train_seconds": 0}
    assert first.kernels == again.kernels
    assert first.history == again.history


def layers_model(*middle: Any, inputs: tuple[int, ...] = (8, 8, 3)) -> Any:
    layers = tf_keras.layers
    return lambda: tf_keras.Sequential(
        [layers.Input(inputs), *(make() for make in middle), layers.Flatten(), layers.Dense(2)]
    )


def test_layers_that_cannot_be_pruned_stay_dense_and_are_listed() -> None:
    layers = tf_keras.layers
    build = layers_model(lambda: layers.DepthwiseConv2D(3), lambda: layers.Rescaling(2.0), layers.BatchNormalization)
    network = Network(tiny_study(build_model=build))
    listed = [(layer.kind, layer.weights) for layer in network.dense_layers]
    assert listed == [("DepthwiseConv2D", 30), ("BatchNormalization", 12)]
    assert network.prunable_weights == 6 * 6 * 3 * 2


def test_functional_models_with_a_nested_model_are_pruned() -> None:
    def build() -> Any:
        layers = tf_keras.layers
        inner = tf_keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten()], name="inner")
        inputs = layers.Input((8, 8, 1))
        branch = layers.Dense(4)(layers.Flatten()(inputs))
        joined = layers.Concatenate()([inner(inputs), branch])
        return tf_keras.Model(inputs, layers.Dense(10, activation="softmax")(joined))

    schedule = SCHEDULES[1]
    evaluation = Trainer(tiny_study(build_model=build)).evaluate(
        Assignment(number=0, schedule=schedule, seed=0), lambda event: None
    )
    assert len(evaluation.measurement.kernels) == 3
    assert all(kernel.missed <= 1 for kernel in evaluation.measurement.kernels)


class Subclassed(tf_keras.Model):  # type: ignore[misc, name-defined]
    pass


def keras_3_model() -> Any:
    import keras

    return keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Subclassed, "must give a Sequential or Functional tf_keras model, got tests"),
        (keras_3_model, "gives a Keras 3 model"),
        (lambda: "no model", "got builtins.str"),
        (lambda: tf_keras.Sequential([tf_keras.layers.Dense(1)]), "without an input shape"),
        (lambda: 1 / 0, "build_model of study 'tiny' raised ZeroDivisionError: division by zero"),
        (
            lambda: tf_keras.Sequential([tf_keras.layers.Input((4, 4, 1)), tf_keras.layers.DepthwiseConv2D(3)]),
            "no layer that can be pruned",
        ),
    ],
)  # fmt: skip
def test_models_that_cannot_be_pruned_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Network(tiny_study(build_model=build))


@pytest.mark.parametrize(
    ("name", "value"), [("optimizer", "adamm"), ("loss", "crossentropy"), ("metrics", ("acuracy",))]
)
def test_names_that_keras_does_not_know_are_refused(name: str, value: Any) -> None:
    from dataclasses import replace

    from sparsesearch import maximize

    study = tiny_study(objectives=(maximize("sparsity"),))
    study = replace(study, training=replace(study.training, **{name: value}))
    with pytest.raises(StudyError, match=f"Keras knows no {name.removesuffix('s') if name == 'metrics' else name}"):
        Network(study).compile()


def test_tiny_network_is_what_its_name_says() -> None:
    assert tiny_network().count_params() < 20_000
