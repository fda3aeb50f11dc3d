"""A run's weights as a model's file, built by a child process from the network's own code, not from clients' bytes.

The file is .keras, .onnx, or .savedmodel: a zip of the folder of a SavedModel.
"""

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from federation.run.config import RunConfig
from federation.run.networks import KERAS_NETWORKS
from federation.schema.columns import AgreedSchema
from federation.storage.checkpoints import EXPORT_ENDS, ExportForm, read_layout
from federation.storage.initial_weights import NetworkNotBuilt, network_arguments, run_network_process
from federation.weights.files import delete_all_but_newest
from federation.weights.layout import NumpyArray

KEPT_EXPORTS = 8
"""A model's file can be built again from its checkpoint."""


class KerasExports:
    """Builds models' files, one at a time, because a build takes 600 MB. Any thread may use it.

    ``folder`` has a folder for each run. A file stays beside its checkpoint and is deleted with it; of all these files
    only those that were used last stay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock, self._one_build = threading.Lock(), threading.Lock()
        self._building: dict[Path, Future[Path]] = {}

    def file(
        self, run_id: int, config: RunConfig, checkpoint_file: str, schema: AgreedSchema | None = None,
        form: ExportForm = "keras",
    ) -> Path:  # fmt: skip
        """Return the model's file of a run's checkpoint; it is built if it is not there yet.

        Takes seconds: call it in a worker thread. Calls for one file at the same time share one build.

        Raises
        ------
        NetworkNotBuilt
            If Meadow has no Keras code for the network, or the child process fails; the sentence says which.
        FileNotFoundError
            If the checkpoint has been deleted.
        CheckpointDamaged
            If the layout of the run cannot be read.
        """
        _require_whole_model(config)
        checkpoint = self._folder / str(run_id) / checkpoint_file
        exported = checkpoint.with_suffix(f".{form}")
        with self._lock:
            with contextlib.suppress(FileNotFoundError):
                os.utime(exported)
                return exported
            found = self._building.get(exported)
            build = found or self._building.setdefault(exported, Future())
        if found is None:
            try:
                with self._one_build:
                    _build(config, checkpoint, exported, schema)
                    delete_all_but_newest(exports_in(self._folder), KEPT_EXPORTS)
                build.set_result(exported)
            except BaseException as error:
                build.set_exception(error)
            finally:
                with self._lock:
                    del self._building[exported]
        return build.result()


def exports_in(folder: Path) -> Iterator[Path]:
    """Give the models' files beside the checkpoints of all runs."""
    return (file for file in folder.glob("*/[!.]*") if file.suffix in EXPORT_ENDS)


def _require_whole_model(config: RunConfig) -> None:
    """Raise NetworkNotBuilt where Meadow lacks the code of the network, or some of its weights."""
    if config.network not in KERAS_NETWORKS:
        raise NetworkNotBuilt(f"network {config.network} is not a Keras network of Meadow: download the .npz")
    if config.personal_layers:
        kept = f"the personal layers ({config.personal_layers}) stay at the clients"
        raise NetworkNotBuilt(f"{kept}, so there is no whole model: the .npz has the shared layers")


def _build(config: RunConfig, checkpoint: Path, exported: Path, schema: AgreedSchema | None) -> None:
    layout = read_layout(checkpoint.parent)
    arrays = layout.unpack(checkpoint.read_bytes())
    named: dict[str, NumpyArray] = {entry.name: array for entry, array in zip(layout.entries, arrays, strict=True)}
    stem = f".{exported.stem}.{uuid.uuid4().hex}"
    packed, written = (exported.with_name(f"{stem}{end}") for end in (".npz", exported.suffix))
    try:
        np.savez(packed, allow_pickle=False, **named)
        files = ["--weights", str(packed), "--output", str(written)]
        run_network_process([*network_arguments(config, schema), "--seed", str(config.seed), *files], time.sleep)
        os.replace(written, exported)
    finally:
        packed.unlink(missing_ok=True)
        written.unlink(missing_ok=True)
    if not checkpoint.exists():  # it expired during the build
        exported.unlink(missing_ok=True)
        raise FileNotFoundError(checkpoint)
