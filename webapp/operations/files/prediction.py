"""Predicts a case with a run's model: in a child process, because TensorFlow is not imported here, one at a time."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from federation.schema.columns import AgreedSchema
from webapp.problems import Conflict, Invalid

SECONDS = 120.0
"""A child process that takes longer is ended."""
WAIT_SECONDS, MAX_WAITING = 30.0, 4
"""Predictions wait for others so long, and no more than so many of them: each keeps a thread of the web server."""
MAX_ERROR = 300


class Predictor:
    """Starts the child process, which takes 600 MB. Any thread may use it."""

    def __init__(self) -> None:
        self._one, self._waiting = threading.Lock(), threading.BoundedSemaphore(MAX_WAITING)

    def predict(self, model: Path, schema: AgreedSchema, case: bytes, suffix: str) -> dict[str, Any]:
        """Return the prediction of the first case of a file with that content and the end of its name.

        Takes seconds. Raises Invalid for a case that cannot be read, and Conflict where others take too long.
        """
        with (
            self._turn(),
            tempfile.TemporaryDirectory(prefix="meadow-predict-") as folder,
        ):
            (Path(folder) / "schema.json").write_text(schema.model_dump_json(), "utf-8")
            (Path(folder) / "model.keras").symlink_to(model.resolve())
            file = Path(folder, f"case{suffix}")
            file.write_bytes(case)
            return _run(file)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        mine = False
        if self._waiting.acquire(blocking=False):
            try:
                mine = self._one.acquire(timeout=WAIT_SECONDS)
            finally:
                self._waiting.release()
        if not mine:
            raise Conflict("Other predictions are under way: try again.")
        try:
            yield
        finally:
            self._one.release()


def _run(file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "federation.learning.predict", "--first", file.name]
    environment = os.environ | {
        "MODEL_FOLDER": str(file.parent), "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=file.parent, env=environment, capture_output=True, timeout=SECONDS, text=True, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Conflict(f"The prediction took over {SECONDS:g} seconds and was ended.") from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        said = (done.stderr.strip().splitlines() or ["the file holds no case"])[-1]
        raise Invalid("case", said[:MAX_ERROR])
    told: dict[str, Any] = json.loads(lines[0])
    return told
