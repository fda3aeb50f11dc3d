"""A run's weights as a .keras file: built by a child process from the network's own code, never from clients' bytes."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from federation.run.config import RunConfig
from federation.storage.checkpoints import Checkpoints
from federation.storage.initial_weights import NetworkNotBuilt, run_child
from federation.weights.layout import Array


def keras_file(config: RunConfig, folder: Path, checkpoint_file: str) -> Path:
    """Return the .keras file of a checkpoint in a run's ``folder``, made now where it is not there yet.

    Raises
    ------
    NetworkNotBuilt
        Where the network has no Keras code here, or the child process fails; the sentence says which.
    FileNotFoundError
        Where the checkpoint is gone.
    """
    if config.network in ("synthetic", "custom"):
        raise NetworkNotBuilt(f"network {config.network} is no Keras network of Meadow: take the .npz")
    made = (folder / checkpoint_file).with_suffix(".keras")
    if made.exists():
        return made
    layout = Checkpoints(folder).read_layout()
    arrays = layout.unpack((folder / checkpoint_file).read_bytes())
    packed, written = (made.with_name(f".{made.stem}.{os.getpid()}{end}") for end in (".npz", ".keras"))
    named: dict[str, Array] = {entry.name: array for entry, array in zip(layout.entries, arrays, strict=True)}
    np.savez(packed, allow_pickle=False, **named)
    try:
        run_child([sys.executable, "-m", "federation.learning.networks", "--network", config.network, "--dataset",
                   config.dataset, "--seed", str(config.seed), "--weights", str(packed), "--output", str(written)],
                  time.sleep)  # fmt: skip
        os.replace(written, made)
    finally:
        packed.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    return made
