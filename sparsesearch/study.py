"""What a study is: a model, its data and training, the search space, the objectives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsesearch.attempts import Attempt, check_seed
from sparsesearch.datasets import Data
from sparsesearch.errors import StudyError, close_names
from sparsesearch.objective import Objective
from sparsesearch.space import SearchSpace
from sparsesearch.trial import SIZE_METRICS

# A metric like accuracy reads logits of these rightly; it would cut those of a binary one at 0.5.
LOGITS_LOSSES = ("sparse_categorical_crossentropy", "categorical_crossentropy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How every trial, and the dense baseline, is trained: the arguments of Keras' compile and fit.

    Raises:
        StudyError: a number out of range.
    """

    epochs: int  # >= 1
    batch_size: int  # examples per optimizer step, >= 1
    loss: str  # a name that Keras knows
    metrics: tuple[str, ...] = ()  # names that Keras knows
    optimizer: str = "adam"  # a name that Keras knows
    learning_rate: float | None = None  # > 0; None takes the optimizer's default
    from_logits: bool = False  # the model gives logits to a categorical cross-entropy

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise StudyError(f"{name} must be a whole number, at least 1, got {value!r}")
        for name in ("loss", "optimizer"):
            if not isinstance(getattr(self, name), str):
                raise StudyError(f"{name} must be a name that Keras knows, got {getattr(self, name)!r}")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise StudyError(f"learning_rate must be above 0, got {self.learning_rate}")
        if isinstance(self.metrics, str) or not all(isinstance(metric, str) for metric in self.metrics):
            raise StudyError(f"metrics must be a tuple of names, got {self.metrics!r}", hint='("accuracy",)')
        if self.from_logits and self.loss not in LOGITS_LOSSES:
            raise StudyError(
                f"from_logits is for {' and '.join(LOGITS_LOSSES)}, got the loss {self.loss!r}",
                hint="give the last layer its activation",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The same study on other data: ``--set dataset=NAME`` selects it."""

    load_data: Callable[[], Data]
    training: Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One search: what is trained, what is varied, what is optimised.

    Raises:
        StudyError: an objective that is not measured, fewer than one trial, an empty or unsafe name, two
            attempts of one name.
    """

    name: str  # letters, digits, "-", "_" and "."
    build_model: Callable[[], Any]  # a fresh, uncompiled Sequential or Functional tf_keras model
    load_data: Callable[[], Data]
    training: Training
    space: SearchSpace
    objectives: tuple[Objective, ...]
    attempts: tuple[Attempt, ...] = ()  # candidates with a name, for the sampler "attempts"
    variants: Mapping[str, Variant] = field(default_factory=dict)  # by the name of their data
    seed: int = 0  # of weights, data order, dropout and sampler
    trials: int = 24  # finished trials unless the caller asks for another number
    data_name: str = ""  # of the data in use; default that of load_data
    description: str = ""  # one line for people

    def __post_init__(self) -> None:
        if not self.name[:1].isalnum() or not all(letter.isalnum() or letter in "-_." for letter in self.name):
            raise StudyError(
                f"a study's name must be letters, digits, '-', '_' and '.', a letter or digit first, got {self.name!r}",
            )
        for role in ("build_model", "load_data"):
            if not callable(getattr(self, role)):
                raise StudyError(f"{role} must be a function without arguments, got {getattr(self, role)!r}")
        if self.trials < 1:
            raise StudyError(f"trials must be at least 1, got {self.trials}")
        check_seed(self.seed)
        self._check_objectives()
        self._check_attempts()
        self._check_variants()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that may steer: measured on validation data or on the files."""
        return ("loss", *self.training.metrics, *SIZE_METRICS, "sparsity", "total_sparsity", "train_seconds")

    @property
    def dataset(self) -> str:
        """Name of the data in use."""
        name: str = self.data_name or getattr(self.load_data, "name", "") or getattr(self.load_data, "__name__", "data")
        return name

    def definition(self) -> dict[str, Any]:
        """What makes this study itself, as flat plain values: two that are equal may share trials."""
        fields: dict[str, Any] = {f"training.{name}": value for name, value in _plain(self.training).items()}
        fields |= {
            f"space.{field.name}": str(getattr(self.space, field.name)) for field in dataclasses.fields(self.space)
        }
        fields["objectives"] = ", ".join(f"{goal.direction} {goal.metric}" for goal in self.objectives)
        fields["dataset"] = self.dataset
        fields["seed"] = self.seed
        return fields

    def _check_objectives(self) -> None:
        if not isinstance(self.objectives, tuple) or not all(isinstance(goal, Objective) for goal in self.objectives):
            raise StudyError(
                f"objectives must be a tuple of maximize(...) and minimize(...), got {self.objectives!r}",
                hint='objectives=(maximize("accuracy"),)',
            )
        if not self.objectives:
            raise StudyError("a study needs at least one objective", hint='objectives=(maximize("accuracy"),)')
        metrics = [goal.metric for goal in self.objectives]
        if len(set(metrics)) < len(metrics):
            raise StudyError(f"each objective needs a metric of its own, got {', '.join(metrics)}")
        for metric in metrics:
            if metric not in self.metric_names:
                raise StudyError(
                    f"objective {metric!r} is not measured by study {self.name!r}",
                    hint=close_names(metric, self.metric_names),
                )

    def _check_attempts(self) -> None:
        if not isinstance(self.attempts, tuple) or not all(isinstance(one, Attempt) for one in self.attempts):
            raise StudyError(
                f"attempts must be a tuple of attempts, got {self.attempts!r}",
                hint="attempts=(attempts.constant(0.5), attempts.polynomial(0.1, 0.9))",
            )
        names = [attempt.name for attempt in self.attempts]
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise StudyError(
                f"each attempt needs a name of its own, got {double[0]!r} more than once",
                hint='attempts.constant(0.5, name="late")',
            )

    def _check_variants(self) -> None:
        for name, variant in self.variants.items():
            if not isinstance(variant, Variant):
                raise StudyError(
                    f"variant {name!r} must be a Variant, got {type(variant).__name__}",
                    hint="Variant(load_data=..., training=Training(...))",
                )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each entry of two definitions that differs.

    >>> differences({"seed": 0, "training.epochs": 12}, {"seed": 0, "training.epochs": 6})
    ['training.epochs was 12 and is now 6']
    """
    return [
        f"{name} was {before.get(name, 'absent')} and is now {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def _plain(value: Any) -> dict[str, Any]:
    fields = dataclasses.asdict(value)
    # JSON has no tuples: what is stored must compare equal to what is defined.
    return {name: list(item) if isinstance(item, tuple) else item for name, item in fields.items()}
