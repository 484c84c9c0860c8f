"""One place that imports TensorFlow, the way tensorflow-model-optimization needs it.

tfmot lives on Keras 2: ``TF_USE_LEGACY_KERAS`` must be set before TensorFlow is first imported.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from sparsesearch.errors import ModelError

# Of a process that trains: one thread pool each, because one process per core beats one with all cores.
ENVIRONMENT: Mapping[str, str] = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
PACKAGES = ("sparsesearch", "tensorflow", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert", "numpy")


def start_tensorflow() -> tuple[Any, Any, Any]:
    """TensorFlow, tf_keras and tfmot's Keras pruning API, imported quietly and set to be repeatable.

    Raises:
        ModelError: TensorFlow was imported before with Keras 3.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with quiet_stderr():
        import tensorflow as tf
        import tensorflow_model_optimization as tfmot
        import tf_keras

        # TensorFlow looks for a GPU on first use, and says at length that there is none.
        tf.config.list_physical_devices()
    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise ModelError(
            "TensorFlow was imported with Keras 3, which tensorflow-model-optimization cannot prune",
            hint="set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported",
        )
    tf.get_logger().setLevel("ERROR")
    # Dropout draws from generators that can be reset; the default state is hidden in the graph.
    tf_keras.backend.experimental.enable_tf_random_generator()
    return tf, tf_keras, tfmot.sparsity.keras


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide what a training gives."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def last_line(error: Exception) -> str:
    """The line of an error that says what happened: TensorFlow puts the trace of the graph before it."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(("[[", "Stack trace", "Additional GRAPPLER"))]
    return said[-1] if said else type(error).__name__


@contextlib.contextmanager
def quiet_stderr(*, replay: bool = True) -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2; ``replay`` shows it if the block raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            if replay:
                os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
