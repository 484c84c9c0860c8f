"""Small real studies, trained in a second or two."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparsesearch import Choice, Data, Float, SearchSpace, Study, Training, maximize, minimize
from sparsesearch.datasets import image_classification


def tiny_network() -> Any:
    """A convolution, dropout twice and two dense layers, on the 8x8 digits."""
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(10, activation="softmax"),
        ]
    )


def small_digits() -> Data:
    """A few hundred of the digits at their own size, with a batch that is not full."""
    data = image_classification("digits", size=8)()
    return Data(
        train=(data.train[0][:330], data.train[1][:330]),
        validation=(data.validation[0][:100], data.validation[1][:100]),
        test=(data.test[0][:100], data.test[1][:100]),
        source="scikit-learn",
    )


def tiny_study(**changes: Any) -> Study:
    """A study of `tiny_network` on `small_digits`; ``changes`` replace fields of it."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "build_model": tiny_network,
        "load_data": small_digits,
        "training": Training(
            epochs=4, batch_size=32, learning_rate=0.01, loss="sparse_categorical_crossentropy", metrics=("accuracy",)
        ),
        "space": SearchSpace(
            schedule=Choice("constant", "polynomial"),
            initial_sparsity=Float(0.0, 0.3),
            final_sparsity=Float(0.5, 0.95),
            begin_fraction=Float(0.0, 0.6),
            power=Float(1, 5),
            frequency=Choice(1, 5, 100),
        ),
        "objectives": (maximize("accuracy"), minimize("zipped_tflite_bytes")),
        "trials": 4,
    }
    return Study(**{**fields, **changes})


def regression_data() -> Data:
    """The parabola of the articles, its x in order."""
    x = np.arange(-2, 2, 0.02, dtype=np.float32)[:, None]
    return Data(train=(x, x**2), validation=(x[::2], x[::2] ** 2), test=(x[1::2], x[1::2] ** 2))
