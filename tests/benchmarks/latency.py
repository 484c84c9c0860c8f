"""Do zeros make a file faster? LiteRT on one thread, dense against 90 % zeros, for every shipped study.

    python -m tests.benchmarks.latency [studies]

One epoch of training is enough: how long a file runs does not depend on how good it is. The two files of a study
take turns, so that whatever else the machine does hits both.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from ai_edge_litert.interpreter import Interpreter

from sparsesearch import attempts, load_study
from sparsesearch.executor import Assignment
from sparsesearch.keras_training import Trainer
from sparsesearch.model_files import TFLITE_NAME
from sparsesearch.schedule import snap
from sparsesearch.tensorflow_runtime import quiet_stderr
from tests.benchmarks.pictures import save

STUDIES = ("mlp", "lstm", "cnn", "flowers")
ZEROS = 0.9
ROUNDS, ROUND_SECONDS = 40, 0.1


class Runner:
    """One file and one input, run on one thread."""

    def __init__(self, tflite: bytes) -> None:
        with quiet_stderr():
            self._interpreter = Interpreter(model_content=tflite, num_threads=1)
            self._interpreter.allocate_tensors()
        source = self._interpreter.get_input_details()[0]
        values = np.random.default_rng(0).random(source["shape"])
        self._interpreter.set_tensor(source["index"], values.astype(source["dtype"]))
        self.round(0.1)

    def round(self, seconds: float) -> float:
        """Mean milliseconds of a run, over at least ``seconds``."""
        started, runs = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            self._interpreter.invoke()
            runs += 1
        return 1000 * (time.perf_counter() - started) / runs


def files(study_name: str) -> tuple[bytes, bytes]:
    """The TFLite files of a dense network and of one with ZEROS."""
    trainer = Trainer(load_study(study_name, settings={"epochs": "1"}))
    asked = attempts.constant(ZEROS, frequency=1).candidate
    schedule = snap(asked, total_steps=trainer.inspection().total_steps)
    dense, pruned = (
        trainer.evaluate(Assignment(number=0, schedule=one, seed=0), lambda _: None).files[TFLITE_NAME]
        for one in (None, schedule)
    )
    return dense, pruned


def cpu() -> str:
    """Name of the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    print(f"{cpu()}, one thread, median and interquartile range of {ROUNDS} rounds, milliseconds an inference")
    print(f"{'study':8} {'dense':>18} {f'{ZEROS:.0%} zeros':>18} {'dense / pruned':>16}")
    figure = go.Figure()
    for name in sys.argv[1:] or STUDIES:
        dense, pruned = (Runner(content) for content in files(name))
        rounds = [(dense.round(ROUND_SECONDS), pruned.round(ROUND_SECONDS)) for _ in range(ROUNDS)]
        told = []
        for values in zip(*rounds, strict=True):
            low, middle, high = statistics.quantiles(values, n=4)
            told.append(f"{middle:.4f} ({high - low:.4f})")
        ratios = [one / other for one, other in rounds]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"{name:8} {told[0]:>18} {told[1]:>18} {f'{middle:.3f} ({high - low:.3f})':>16}", flush=True)
        figure.add_trace(go.Box(y=ratios, name=name, boxpoints="all", marker={"color": "#0072B2", "size": 4}))
    figure.add_hline(y=1, line={"dash": "dot", "width": 1})
    figure.update_yaxes(title=f"time of dense / time of {ZEROS:.0%} zeros", rangemode="tozero")
    figure.update_layout(showlegend=False)
    print(save(figure, "latency"))


if __name__ == "__main__":
    main()
