"""Files of a Keras model that others than Keras read: ONNX, and TensorFlow's SavedModel as a zip of its folder.

Both take inputs (n, *shape), float32, of any n, and return the outputs. TensorFlow is imported inside functions.
"""

import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

NO_ONNX = "an .onnx file needs tf2onnx: pip install 'meadow[onnx]' where the dashboard runs"


def save_model(model: Any, output: Path) -> None:
    """Save a model as .keras, .onnx or .savedmodel; raises ValueError for another end, and where a library is missing.

    A network that a format cannot hold raises ValueError with what its converter says.
    """
    match output.suffix:
        case ".keras":
            model.save(output)
        case ".onnx":
            _save_onnx(model, output)
        case ".savedmodel":
            _save_folder(model, output)
        case _:
            raise ValueError(f"{output.name} does not end with .keras, .onnx or .savedmodel")


def _save_onnx(model: Any, output: Path) -> None:
    try:
        import onnx
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ValueError(NO_ONNX) from error
    try:
        model(np.zeros((1, *model.input_shape[1:]), np.float32))  # Keras exports a model that was called
        with warnings.catch_warnings(action="ignore"):  # the converter uses names that NumPy is to remove
            model.export(str(output), format="onnx", verbose=False)
        graph = onnx.load(str(output)).graph
    except Exception as error:  # the converter raises whatever it meets
        raise ValueError(f"{model.name} cannot be written as .onnx: {error}") from error
    if len(graph.input) != 1:  # constants of some networks become inputs that nobody could give
        output.unlink()
        raise ValueError(f"{model.name} cannot be written as .onnx: the converter leaves {len(graph.input):,} inputs")


def _save_folder(model: Any, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="meadow-savedmodel-") as folder:
        model.export(folder, format="tf_saved_model", verbose=False)
        with zipfile.ZipFile(output, "w") as archive:
            for file in sorted(Path(folder).rglob("*")):
                archive.write(file, file.relative_to(folder))
