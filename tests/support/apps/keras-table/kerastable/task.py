"""The model and the data, as flwr new @flwrlabs/quickstart-tensorflow has them, of a small table."""

import keras
import numpy as np


def load_model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def load_data(partition_id, num_partitions):
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(80, 4)).astype("float32")
    labels = (samples.sum(axis=1) > 0).astype("int64")
    samples, labels = samples[partition_id::num_partitions], labels[partition_id::num_partitions]
    split = int(0.8 * len(labels))
    return samples[:split], labels[:split], samples[split:], labels[split:]
