"""Real runs: the installed command, worker processes, a Keras fit, MLflow's store, a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

STUDY = '''
"""A tiny network on the 8x8 digits."""
from sparsesearch import Choice, Float, SearchSpace, Study, Training, datasets, maximize, minimize


def build_model():
    from tf_keras import Sequential, layers

    return Sequential([
        layers.Input((8, 8, 1)), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(),
        layers.BatchNormalization(), layers.Dense(32, activation="relu"), layers.Dense(10, activation="softmax"),
    ])


study = Study(
    name="tiny",
    build_model=build_model,
    load_data=datasets.image_classification("digits", size=8),
    training=Training(epochs=4, batch_size=64, learning_rate=0.01, loss="sparse_categorical_crossentropy", metrics=("accuracy",)),
    space=SearchSpace(
        schedule=Choice("constant", "polynomial"),
        initial_sparsity=Float(0.0, 0.3), final_sparsity=Float(0.5, 0.95), begin_fraction=Float(0.0, 0.6),
        power=Float(1, 5), frequency=Choice(1, 5, 100),
    ),
    objectives=(maximize("accuracy"), minimize("zipped_tflite_bytes")),
    trials=4,
)
'''

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "sparsesearch", *words]


@pytest.fixture
def tiny(in_empty_folder: Path) -> Path:
    """A folder with a study file of a user's own."""
    (in_empty_folder / "tiny.py").write_text(textwrap.dedent(STUDY))
    return in_empty_folder


@pytest.fixture
def run(in_empty_folder: Path) -> Command:
    def call(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command(*words), capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80"}
