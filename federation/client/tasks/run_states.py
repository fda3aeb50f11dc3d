"""Where a client keeps the array records of its Context's state, by run: nowhere, in files, or at its SuperNode."""

import io
import logging
import zipfile
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from federation.weights.files import delete_all_but_newest, require_space, write_file
from federation.weights.flower_content import flower_arrays
from federation.weights.records import record_of, values_of

log = logging.getLogger(__name__)

KEPT_RUNS = 8
"""The states of this many runs stay in a folder: those that were written last."""

UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)
"""The exceptions of numpy for a file that is damaged."""


class RunStates:
    """Keeps nothing: the state of a run lasts until its client gets a task of another run, or ends."""

    def read(self, _run_id: int) -> RecordDict:
        """Return the state of a run that begins, or goes on."""
        return RecordDict()

    def write(self, _run_id: int, _state: RecordDict) -> None:
        """Keep the state of a run after a task has changed it."""


class StateFiles(RunStates):
    """Keeps a file for each run in a folder of one client, which is made with the first of them.

    A state that cannot be kept, or be read again, is logged and costs no task: the run goes on without it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, run_id: int) -> RecordDict:
        """Return the records in the run's file; none where it is not there or damaged."""
        records: dict[str, dict[str, np.ndarray]] = {}
        try:
            with self._file(run_id).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                for name in arrays.files:
                    record, _, array = name.partition("/")
                    records.setdefault(record, {})[array] = arrays[name]
        except FileNotFoundError:
            pass
        except UNREADABLE as error:
            log.warning("run %d: its kept layers cannot be read and begin anew: %s", run_id, error)
            records = {}
        return RecordDict({name: record_of(arrays.items()) for name, arrays in records.items()})

    def write(self, run_id: int, state: RecordDict) -> None:
        """Write the run's file whole, or leave the last one as it is."""
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **{
            f"{name}/{array}": values_of(values)
            for name, record in state.array_records.items() for array, values in record.items()
        })  # fmt: skip
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            require_space(self._folder, packed.tell())
            write_file(self._file(run_id), packed.getbuffer())
            delete_all_but_newest(self._folder.glob("run-*.npz"), KEPT_RUNS)
        except OSError as error:
            log.warning("run %d: its layers of this client are not kept over a restart: %s", run_id, error)

    def _file(self, run_id: int) -> Path:
        return self._folder / f"run-{run_id}.npz"


class NodeStates(RunStates):
    """Keeps the last run's state in that of a SuperNode, which all runs share and which ends with its process."""

    _RUN = "meadow-run"

    def __init__(self, kept: RecordDict) -> None:
        self._kept = kept

    def read(self, run_id: int) -> RecordDict:
        """Return the records of the run; none where they are another's."""
        last = self._kept.config_records.get(self._RUN)
        if last is None or last.get("id") != run_id:
            return RecordDict()
        return RecordDict(dict(self._kept.array_records))

    def write(self, run_id: int, state: RecordDict) -> None:
        """Replace what is there, in Flower's own arrays: a message's process hands the state on as bytes."""
        for name in list(self._kept):
            del self._kept[name]
        self._kept[self._RUN] = ConfigRecord({"id": run_id})
        for name, record in state.array_records.items():
            self._kept[name] = plain_record(record)


def plain_record(record: ArrayRecord) -> ArrayRecord:
    """Return a record whose arrays are Flower's own."""
    return flower_arrays((name, values_of(array)) for name, array in record.items())
