"""Recurrent network of the pruning articles: the next value of a sine, or of hourly PM2.5 in Beijing."""

import numpy as np

from sparsesearch import Choice, Data, Float, SearchSpace, Study, Training, Variant, attempts, datasets, minimize

WINDOW = 6


def build_model():
    from tf_keras import Sequential, layers

    return Sequential([layers.Input((WINDOW, 1)), layers.LSTM(80), layers.Dense(1)])


def sine():
    train, test, validation = (
        datasets.windows(2 * np.sin(np.arange(begin, begin + 200, 0.5) / 10), WINDOW) for begin in (0, 200, 400)
    )
    return Data(train=train, validation=validation, test=test)


def pm25():
    years, values = datasets.beijing_pm25()
    known = values[years <= 2012]
    scaled = (values - np.nanmean(known)) / np.nanstd(known)
    train, validation, test = (
        datasets.windows(scaled[part], WINDOW) for part in (years <= 2012, years == 2013, years == 2014)
    )
    return Data(train=train, validation=validation, test=test, source="UCI Beijing PM2.5")


study = Study(
    name="lstm",
    build_model=build_model,
    load_data=sine,
    training=Training(epochs=80, batch_size=50, optimizer="adam", loss="mse", metrics=("mse", "mae")),
    variants={
        "pm25": Variant(
            load_data=pm25,
            training=Training(epochs=20, batch_size=250, optimizer="adam", loss="mse", metrics=("mse", "mae")),
        )
    },
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
