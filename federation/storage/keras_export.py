"""A run's weights as a .keras file, built by a child process from the network's own code, not from clients' bytes."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from federation.run.config import KERAS_NETWORKS, RunConfig
from federation.storage.checkpoints import read_layout
from federation.storage.initial_weights import NetworkNotBuilt, run_network_process
from federation.weights.layout import NumpyArray


def keras_file(config: RunConfig, folder: Path, checkpoint_file: str) -> Path:
    """Return the .keras file of a checkpoint in a run's ``folder``; it is built if it is not there yet.

    Takes seconds: call it in a worker thread.

    Raises
    ------
    NetworkNotBuilt
        If Meadow has no Keras code for the network, or the child process fails; the sentence says which.
    FileNotFoundError
        If the checkpoint has been deleted.
    CheckpointDamaged
        If the layout of the run cannot be read.
    """
    if config.network not in KERAS_NETWORKS:
        raise NetworkNotBuilt(f"network {config.network} is no Keras network of Meadow: take the .npz")
    exported = (folder / checkpoint_file).with_suffix(".keras")
    if exported.exists():
        return exported
    layout = read_layout(folder)
    arrays = layout.unpack((folder / checkpoint_file).read_bytes())
    packed, written = (exported.with_name(f".{exported.stem}.{os.getpid()}{end}") for end in (".npz", ".keras"))
    named: dict[str, NumpyArray] = {entry.name: array for entry, array in zip(layout.entries, arrays, strict=True)}
    np.savez(packed, allow_pickle=False, **named)
    try:
        run_network_process([sys.executable, "-m", "federation.learning.networks", "--network", config.network,
                             "--dataset", config.dataset, "--seed", str(config.seed), "--weights", str(packed),
                             "--output", str(written)], time.sleep)  # fmt: skip
        os.replace(written, exported)
    finally:
        packed.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    return exported
