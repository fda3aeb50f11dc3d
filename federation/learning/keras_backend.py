"""Keras on TensorFlow, imported on demand and always with the same settings."""

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def load_keras() -> Any:
    """Import Keras on TensorFlow and return it; raises ImportError if they are not installed.

    A layout must be the same on every machine, so backend, float type and order of axes are set here, whatever the
    user's ``keras.json`` says.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _without_scikit_learn():
        import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    return keras


@contextmanager
def _without_scikit_learn() -> Iterator[None]:
    """Let Keras be imported as if scikit-learn were not installed.

    Only Keras's wrappers for scikit-learn's estimators want it, which Meadow does not use: it takes 60 MB and a quarter
    of the time of the import in each process.
    """
    hidden = not {"keras", "sklearn"} & set(sys.modules)
    if hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]  # what Python takes for "there is none"
    try:
        yield
    finally:
        if hidden:
            del sys.modules["sklearn"]


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Let Keras draw by a seed; None: by chance. What others of the process draw with ``random`` stays by chance."""
    if seed is None:
        yield
        return
    before = random.getstate()
    load_keras().utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def limit_gpu_memory(mebibytes: int) -> None:
    """Let TensorFlow take at most so much memory of each GPU. To be called before anything is computed."""
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=mebibytes)
        tf.config.set_logical_device_configuration(gpu, [limit])
