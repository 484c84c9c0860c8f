"""Small dense network of the pruning articles, fitted to a parabola."""

import numpy as np

from sparsesearch import Choice, Data, Float, SearchSpace, Study, Training, attempts, minimize


def build_model():
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input((1,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )


def parabola():
    # Validation and test points lie between those of the training.
    points = np.arange(-2, 2, 0.005), np.arange(-1.9975, 2, 0.01), np.arange(-1.9925, 2, 0.01)
    train, validation, test = ((x[:, None].astype("float32"), x[:, None].astype("float32") ** 2) for x in points)
    return Data(train=train, validation=validation, test=test)


study = Study(
    name="mlp",
    build_model=build_model,
    load_data=parabola,
    training=Training(epochs=100, batch_size=80, optimizer="adam", loss="mse", metrics=("mse", "mae")),
    space=SearchSpace(
        schedule=Choice("constant", "polynomial"),
        initial_sparsity=Float(0.0, 0.4),
        final_sparsity=Float(0.4, 0.95),
        begin_fraction=Float(0.0, 0.6),
        power=Float(1, 5),
        frequency=Choice(10, 25, 50, 100),
    ),
    objectives=(minimize("mse"), minimize("zipped_tflite_bytes")),
    attempts=attempts.PUBLISHED,
)
