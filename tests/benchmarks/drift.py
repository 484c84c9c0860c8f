"""Does a schedule reach its target? tfmot's own schedule at frequency 100, and the same one snapped.

    python -m tests.benchmarks.drift

The ConvNet of the articles on the digits, 144 optimizer steps, a ramp from 0 to 0.875. Prints the zeros of every
kernel after training and draws the sparsity over the steps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sparsesearch import attempts, load_study
from sparsesearch.keras_network import pruning, tf_keras
from sparsesearch.schedule import PolynomialDecay, snap
from tests.benchmarks.pictures import save

EPOCHS, BATCH = 12, 90
ASKED = attempts.polynomial(0.0, 0.875).candidate


class Held(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """After every step: share of the kernels' weights that masks hold, and share that is exactly zero."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: list[float] = []
        self.zeros: list[float] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        found = [part for layer in self.model.layers if hasattr(layer, "pruning_vars") for part in layer.pruning_vars]
        weights = sum(mask.numpy().size for _, mask, _ in found)
        self.masks.append(1 - sum(float(mask.numpy().sum()) for _, mask, _ in found) / weights)
        self.zeros.append(1 - sum(np.count_nonzero(kernel.numpy()) for kernel, _, _ in found) / weights)


def train(begin: int, end: int, frequency: int) -> tuple[Held, list[tuple[str, int, int]]]:
    """What was held over the steps, and name, size and zeros of every kernel in the stripped model."""
    study = load_study("cnn")
    x, y = study.load_data().train
    tf_keras.utils.set_random_seed(0)
    schedule = pruning.PolynomialDecay(0.0, ASKED.final_sparsity, begin, end, power=ASKED.power, frequency=frequency)

    def wrap(layer: Any) -> Any:
        prunable = isinstance(layer, tf_keras.layers.Conv2D | tf_keras.layers.Dense)
        return pruning.prune_low_magnitude(layer, pruning_schedule=schedule) if prunable else layer

    model = tf_keras.models.clone_model(study.build_model(), clone_function=wrap)
    model.compile("adam", study.training.loss)
    held = Held()
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=[pruning.UpdatePruningStep(), held])
    stripped = pruning.strip_pruning(model)
    kernels = [
        (layer.name, layer.kernel.numpy().size, int((layer.kernel.numpy() == 0).sum()))
        for layer in stripped.layers
        if hasattr(layer, "kernel")
    ]
    return held, kernels


def main() -> None:
    steps = math.ceil(len(load_study("cnn").load_data().train[0]) / BATCH) * EPOCHS
    snapped = snap(ASKED, total_steps=steps)
    assert isinstance(snapped, PolynomialDecay)
    alone, alone_kernels = train(0, steps, ASKED.frequency)
    ours, our_kernels = train(snapped.begin_step, snapped.end_step, snapped.frequency)
    print(f"{steps} steps, frequency {ASKED.frequency}, asked: {ASKED.final_sparsity}")
    print(f"{'kernel':10} {'weights':>9} {'tfmot alone':>12} {'snapped':>9}")
    for (name, size, zeros), (_, _, snapped_zeros) in zip(alone_kernels, our_kernels, strict=True):
        print(f"{name:10} {size:9,} {zeros / size:12.4f} {snapped_zeros / size:9.4f}")
    drift = [mask - zero for mask, zero in zip(ours.masks, ours.zeros, strict=True)]
    inside = [value for step, value in enumerate(drift, start=1) if step > snapped.end_step]
    print(f"masked weights that are not zero after a step, once pruned: up to {max(inside):.2%} of all")
    across = list(range(1, steps + 1))
    figure = go.Figure()
    for name, values, look in (
        ("masks, tfmot alone", alone.masks, {"color": "#D55E00", "dash": "dash"}),
        ("masks, snapped", ours.masks, {"color": "#0072B2"}),
        ("exact zeros after each step, snapped", ours.zeros, {"color": "#999999", "width": 1}),
    ):
        figure.add_trace(go.Scatter(x=across, y=values, mode="lines", name=name, line={"shape": "hv", **look}))
    figure.add_hline(y=ASKED.final_sparsity, line={"dash": "dot", "width": 1}, annotation_text="asked: 0.875")
    figure.update_xaxes(title="optimizer step")
    figure.update_yaxes(title="sparsity of the kernels", range=[0, 1])
    figure.update_layout(legend={"orientation": "h", "y": 1.15})
    print(save(figure, "drift"))


if __name__ == "__main__":
    main()
