"""The files a user would ship: written, zipped, measured, and compared with the model they came from."""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from sparsesearch.errors import EvaluationError
from sparsesearch.tensorflow_runtime import last_line, quiet_stderr, start_tensorflow

tf, tf_keras, _ = start_tensorflow()

H5_NAME = "model.h5"
TFLITE_NAME = "model.tflite"
# 8-bit weights move outputs by a percent or two; a wrongly converted model moves them by their own size.
OUTPUT_TOLERANCE = 0.1  # root mean square of the difference, as a share of that of Keras' outputs
COMPARED_INPUTS = 64


def write_files(model: Any, *, input_shape: tuple[int, ...]) -> dict[str, bytes]:
    """``model`` as HDF5 without optimizer, and as dynamic-range quantized TFLite, by file name.

    The TFLite file takes one input of ``input_shape`` at a time.

    Raises:
        EvaluationError: TFLite cannot hold the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / H5_NAME
        with warnings.catch_warnings():
            # Keras advises against the HDF5 files that users of pruned models ask for.
            warnings.filterwarnings("ignore", message=".*saving your model as an HDF5 file", category=UserWarning)
            model.save(path, include_optimizer=False)
        return {H5_NAME: path.read_bytes(), TFLITE_NAME: _to_tflite(model, input_shape)}


def measure_files(files: dict[str, bytes]) -> dict[str, float]:
    """Bytes of each file as it is and zipped: ``h5_bytes``, ``zipped_h5_bytes`` and so on."""
    sizes: dict[str, float] = {}
    for name, content in files.items():
        kind = name.rpartition(".")[2]
        sizes[f"{kind}_bytes"] = len(content)
        sizes[f"zipped_{kind}_bytes"] = len(zipped(name, content))
    return sizes


def zipped(name: str, content: bytes) -> bytes:
    """A ZIP archive that holds one file (DEFLATE, level 6); equal contents give equal bytes."""
    buffer = io.BytesIO()
    entry = zipfile.ZipInfo(name)  # its fixed date keeps the archive repeatable
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, content, compresslevel=6)
    return buffer.getvalue()


def check_outputs(model: Any, tflite: bytes, inputs: NDArray[Any]) -> float:
    """How far a TFLite file's outputs are from Keras' on ``inputs``, as a share of their size.

    Root mean square of the difference over that of Keras' outputs.

    Raises:
        EvaluationError: above OUTPUT_TOLERANCE.
    """
    inputs = inputs[:COMPARED_INPUTS]
    # Compiled once: calling a recurrent model traces it anew every time.
    expected = np.asarray(model.predict_on_batch(inputs))
    found = run_tflite(tflite, inputs)
    size = float(np.sqrt(np.mean(np.square(expected))))
    error = float(np.sqrt(np.mean(np.square(found - expected)))) / (size or 1.0)
    if not error <= OUTPUT_TOLERANCE:
        raise EvaluationError(
            f"the outputs of {TFLITE_NAME} differ from Keras' by {error:.1%} of their size, "
            f"more than {OUTPUT_TOLERANCE:.0%}"
        )
    return error


def run_tflite(tflite: bytes, inputs: NDArray[Any]) -> NDArray[Any]:
    """Outputs of a TFLite file on ``inputs``, run one at a time on one thread."""
    with quiet_stderr():
        interpreter = Interpreter(model_content=tflite, num_threads=1)
        interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    outputs = []
    for example in inputs:
        # A fused LSTM keeps its state from one run to the next.
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], example[None].astype(source["dtype"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0])
    return np.array(outputs)


def _to_tflite(model: Any, input_shape: tuple[int, ...]) -> bytes:
    # A fixed batch of 1 is what recurrent layers need, and what a device runs.
    shape = (1, *input_shape)
    try:
        return _convert(model, shape)
    except Exception as error:  # the converter raises many kinds
        raise EvaluationError(f"the model cannot be converted to TFLite: {last_line(error)}") from error


def _convert(model: Any, shape: tuple[int, ...]) -> bytes:
    with quiet_stderr(replay=False):
        function = tf.function(lambda x: model(x, training=False)).get_concrete_function(
            tf.TensorSpec(shape, model.inputs[0].dtype)
        )
        # The converter saves what it is given with everything inside; a Keras model takes seconds, its weights do not.
        weights = tf.Module()
        weights.variables_of_model = model.variables
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], weights)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converted: bytes = converter.convert()
    return converted
