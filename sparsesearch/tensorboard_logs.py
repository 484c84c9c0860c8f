"""What TensorBoard shows of a trial: Keras' own curves, and sparsity and threshold of every kernel."""

from __future__ import annotations

import shutil
from pathlib import Path

from sparsesearch.tensorflow_runtime import start_tensorflow
from sparsesearch.trial import BASELINE

_, _, pruning = start_tensorflow()


class TensorboardLogs(pruning.PruningSummaries):  # type: ignore[misc, name-defined]
    """Keras callback that writes one training's logs into ``folder``: tfmot's summaries of every epoch."""

    def __init__(self, folder: Path) -> None:
        # Of an earlier training of the same trial; TensorBoard would show both as one.
        shutil.rmtree(folder, ignore_errors=True)
        # The graph would be most of the file, and is the same for every trial.
        super().__init__(log_dir=str(folder), write_graph=False, profile_batch=0)

    def on_train_end(self, logs: object = None) -> None:
        """Write the masks of the last epoch too."""
        # tfmot writes when an epoch begins.
        self.on_epoch_begin(self.params["epochs"])
        super().on_train_end(logs)


def tensorboard_folder(number: int) -> str:
    """Name of a trial's folder."""
    return "dense" if number == BASELINE else f"trial-{number:03d}"
