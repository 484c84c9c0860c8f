"""A study's network under tfmot's pruning wrappers, reusable from one training to the next.

One network is built and compiled once per worker. Between trainings everything that a training
changes is reset: weights, optimizer, masks, thresholds, step counters and random generators. The
schedule's numbers are variables, so that no training traces the graph again; a test holds that the
weights equal, bit for bit, those of a fresh model with tfmot's own schedule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsesearch.errors import ModelError, SparsesearchError, StudyError
from sparsesearch.inspection import DenseLayer
from sparsesearch.schedule import ConstantSparsity, Schedule
from sparsesearch.study import Study, Training
from sparsesearch.tensorflow_runtime import start_tensorflow
from sparsesearch.trial import ZeroCount

tf, tf_keras, pruning = start_tensorflow()

# A step that no training reaches: a schedule that begins there never prunes.
NEVER = 2**62


class VariableSchedule(pruning.PruningSchedule):  # type: ignore[misc, name-defined]
    """tfmot schedule whose numbers can be changed after the model was compiled.

    Follows tfmot's own arithmetic: float32, the difference of the sparsities taken in float64.
    """

    def __init__(self) -> None:
        self._begin = tf.Variable(NEVER, dtype=tf.int64, trainable=False)
        self._end = tf.Variable(NEVER, dtype=tf.int64, trainable=False)
        self._frequency = tf.Variable(1, dtype=tf.int64, trainable=False)
        self._final = tf.Variable(0.0, trainable=False)
        self._rise = tf.Variable(0.0, trainable=False)  # initial less final sparsity
        self._power = tf.Variable(1.0, trainable=False)

    def assign(self, schedule: Schedule | None) -> None:
        """Prune by ``schedule`` from now on; None never prunes."""
        if schedule is None:
            self._begin.assign(NEVER)
            self._end.assign(NEVER)
            return
        self._begin.assign(schedule.begin_step)
        self._end.assign(schedule.end_step)
        self._frequency.assign(schedule.frequency)
        self._final.assign(schedule.final_sparsity)
        if isinstance(schedule, ConstantSparsity):
            self._rise.assign(0.0)
            self._power.assign(1.0)
        else:
            self._rise.assign(schedule.initial_sparsity - schedule.final_sparsity)
            self._power.assign(schedule.power)

    def __call__(self, step: Any) -> tuple[Any, Any]:
        """Whether the masks change at ``step``, and the sparsity that they then have."""
        span = tf.cast(self._end - self._begin, tf.float32)
        t = tf.clip_by_value(tf.cast(step - self._begin, tf.float32) / span, 0.0, 1.0)
        sparsity = self._rise * tf.pow(1.0 - t, self._power) + self._final
        return self._should_prune_in_step(step, self._begin, self._end, self._frequency), sparsity

    def get_config(self) -> dict[str, Any]:
        """Empty: the numbers live in variables."""
        return {"class_name": type(self).__name__, "config": {}}


class Network:
    """The study's model, wrapped for pruning, and the same weights without wrappers.

    Raises:
        ModelError: ``build_model`` raises, gives no Sequential or Functional tf_keras model, or one with
            nothing to prune.
        StudyError: Keras does not know the optimizer, the loss or a metric.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        tf_keras.backend.clear_session()  # layer names count from the start again
        tf_keras.utils.set_random_seed(study.seed)
        source = _build(study)
        self.fingerprint = hashlib.sha256(_architecture(study, source).encode()).hexdigest()[:12]
        self._initial: dict[int, list[NDArray[Any]]] = {study.seed: source.get_weights()}
        self._schedule = VariableSchedule()
        wrapped = [layer for layer in _leaf_layers(source) if _is_prunable(layer)]
        if not wrapped:
            raise ModelError(
                f"study {study.name!r}: the model has no layer that can be pruned",
                hint="Dense, Conv, LSTM, GRU and Embedding layers can; DepthwiseConv and Bidirectional cannot",
            )
        names = {layer.name for layer in wrapped}
        self.dense_layers = tuple(
            DenseLayer(name=layer.name, kind=type(layer).__name__, weights=int(layer.count_params()))
            for layer in _leaf_layers(source)
            if layer.name not in names and layer.count_params()
        )
        self.pruned = tf_keras.models.clone_model(source, clone_function=self._wrapper(names))
        self.stripped = pruning.strip_pruning(self.pruned)
        # Files are written from a third view of the same weights that is never compiled: saving a compiled
        # model before its first evaluation makes Keras take "accuracy" for the categorical one.
        self.shipped = pruning.strip_pruning(self.pruned)
        self._wrappers = [layer for layer in _leaf_layers(self.pruned) if hasattr(layer, "pruning_vars")]
        self._generators = _generators(self.pruned)

    @property
    def weights(self) -> int:
        """How many weights the model has, trained or not."""
        return int(self.stripped.count_params())

    @property
    def prunable_weights(self) -> int:
        """How many weights the pruned kernels have."""
        kernels = [kernel for wrapper in self._wrappers for kernel, _, _ in wrapper.pruning_vars]
        return sum(int(np.prod(kernel.shape)) for kernel in kernels)

    def compile(self) -> None:
        """Compile the wrapped model for training and the stripped one for measuring."""
        training = self._study.training
        for kind, names in (
            ("optimizer", [training.optimizer]),
            ("loss", [training.loss]),
            ("metric", training.metrics),
        ):
            for name in names:
                _check_known(kind, name)
        optimizer = tf_keras.optimizers.get(training.optimizer)
        if training.learning_rate is not None:
            optimizer.learning_rate = training.learning_rate
        loss = _loss(training)
        self.pruned.compile(
            optimizer=optimizer,
            loss=loss,
            metrics=_metrics(training.metrics),
        )
        self.stripped.compile(loss=loss, metrics=_metrics(training.metrics))
        optimizer.build(self.pruned.trainable_variables)
        self._optimizer_start = [variable.numpy() for variable in optimizer.variables]

    def reset(self, schedule: Schedule | None, *, seed: int) -> None:
        """Back to before the first step, with the weights of ``seed`` and the numbers of ``schedule``."""
        self._schedule.assign(schedule)
        self.pruned.reset_metrics()
        self.stripped.set_weights(self._initial_weights(seed))
        for variable, value in zip(self.pruned.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)
        for wrapper in self._wrappers:
            wrapper.pruning_step.assign(-1)  # tfmot's UpdatePruningStep takes this for a fresh model
            for _, mask, threshold in wrapper.pruning_vars:
                mask.assign(tf.ones_like(mask))
                threshold.assign(0.0)

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Random state of ``epoch`` (counted from 0): a function of seed and epoch, not of what ran before."""
        for position, generator in enumerate(self._generators):
            state = np.random.SeedSequence([seed, epoch, position]).generate_state(1, dtype=np.uint64)
            generator.reset_from_seed(int(state[0] >> 1))

    def apply_masks(self) -> None:
        """Put zeros where the masks say: the optimizer moves masked weights until the next forward pass."""
        for wrapper in self._wrappers:
            wrapper.pruning_obj.weight_mask_op()

    def mask_sparsity(self) -> float:
        """Fraction of the prunable weights that the masks hold at zero now."""
        kept = sum(float(tf.reduce_sum(mask)) for wrapper in self._wrappers for _, mask, _ in wrapper.pruning_vars)
        return 1 - kept / self.prunable_weights

    def count_zeros(self, schedule: Schedule | None) -> tuple[ZeroCount, ...]:
        """Zeros of every array of weights, beside what ``schedule`` asks of those that can be pruned."""
        kernels = {id(kernel) for wrapper in self._wrappers for kernel, _, _ in wrapper.pruning_vars}
        counted = []
        for layer in _leaf_layers(self.stripped):
            for weight in layer.weights:
                values: NDArray[np.float32] = weight.numpy()
                prunable = id(weight) in kernels
                target = target_zeros(values.size, schedule.final_sparsity) if schedule and prunable else 0
                counted.append(
                    ZeroCount(
                        name=f"{layer.name}/{weight.name.rpartition('/')[2].partition(':')[0]}",
                        weights=values.size,
                        zeros=int(values.size - np.count_nonzero(values)),
                        target_zeros=target,
                        prunable=prunable,
                    )
                )
        return tuple(counted)

    def _wrapper(self, names: set[str]) -> Any:
        def wrap(layer: Any) -> Any:
            if isinstance(layer, tf_keras.Model):
                return tf_keras.models.clone_model(layer, clone_function=wrap)
            if layer.name in names:
                return pruning.prune_low_magnitude(layer, pruning_schedule=self._schedule)
            return layer

        return wrap

    def _initial_weights(self, seed: int) -> list[NDArray[Any]]:
        if seed not in self._initial:
            tf_keras.utils.set_random_seed(seed)
            self._initial[seed] = _build(self._study).get_weights()
        return self._initial[seed]


def target_zeros(weights: int, sparsity: float) -> int:
    """Zeros that tfmot makes in a kernel of ``weights``: it keeps a rounded share, in float32, and at least one.

    >>> target_zeros(100, 0.875), target_zeros(4, 0.99)
    (88, 3)
    """
    kept = np.round(np.float32(weights) * (np.float32(1) - np.float32(sparsity)))
    return weights - max(int(kept), 1)


def _loss(training: Training) -> Any:
    """Loss for compile()."""
    if not training.from_logits:
        return training.loss
    class_name = "".join(word.capitalize() for word in training.loss.split("_"))
    return tf_keras.losses.get({"class_name": class_name, "config": {"from_logits": True}})


def _metrics(names: Sequence[str]) -> list[Any]:
    """Metrics for compile(), reported under the names that the study gives them."""
    metrics: list[Any] = []
    for name in names:
        found = tf_keras.metrics.get(name)
        is_class = isinstance(found, tf_keras.metrics.Metric)
        metrics.append(type(found).from_config({**found.get_config(), "name": name}) if is_class else name)
    return metrics


def _check_known(kind: str, name: str) -> None:
    found = {"optimizer": tf_keras.optimizers.get, "loss": tf_keras.losses.get, "metric": tf_keras.metrics.get}
    try:
        # Of an unknown metric Keras gives back the name, and fails when it is first computed.
        known = not isinstance(found[kind](name), str)
    except ValueError:
        known = False
    if not known:
        raise StudyError(f"Keras knows no {kind} {name!r}", hint="names are those of Keras' documentation")


def _build(study: Study) -> Any:
    try:
        model = study.build_model()
    except SparsesearchError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"build_model of study {study.name!r} raised {type(error).__name__}: {error}") from error
    origin = type(model).__module__.partition(".")[0]
    if origin == "keras":
        raise ModelError(
            f"build_model of study {study.name!r} gives a Keras 3 model, which tfmot cannot prune",
            hint="take the layers from tf_keras: from tf_keras import Sequential, layers",
        )
    if not isinstance(model, tf_keras.Sequential) and not getattr(model, "_is_graph_network", False):
        raise ModelError(
            f"build_model of study {study.name!r} must give a Sequential or Functional tf_keras model, "
            f"got {type(model).__module__}.{type(model).__qualname__}",
            hint="tfmot cannot prune subclassed models",
        )
    if not model.built:
        raise ModelError(
            f"build_model of study {study.name!r} gives a model without an input shape",
            hint="start it with layers.Input(shape)",
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"study {study.name!r}: the model must have one input and one output, "
            f"got {len(model.inputs)} and {len(model.outputs)}"
        )
    return model


def _architecture(study: Study, model: Any) -> str:
    try:
        described: str = model.to_json()
    except Exception as error:  # whatever a layer's own get_config raises
        raise ModelError(
            f"study {study.name!r}: the model cannot be described: {type(error).__name__}: {error}",
            hint="a layer of your own needs get_config()",
        ) from error
    return described


def _leaf_layers(model: Any) -> list[Any]:
    layers = []
    for layer in model.layers:
        layers += _leaf_layers(layer) if isinstance(layer, tf_keras.Model) else [layer]
    return layers


def _is_prunable(layer: Any) -> bool:
    """Whether tfmot finds a kernel in ``layer``; it accepts some layers in which it finds none."""
    try:
        pruning.prune_low_magnitude(layer, pruning_schedule=VariableSchedule())
    except ValueError:
        return False
    return bool(layer.get_prunable_weights())


def _generators(model: Any) -> list[Any]:
    """Random generators of dropout and its like, in a fixed order."""
    found: dict[int, Any] = {}
    for module in (model, *model.submodules):
        generator = getattr(getattr(module, "_random_generator", None), "_generator", None)
        if generator is not None:
            found.setdefault(id(generator), generator)
    return list(found.values())
