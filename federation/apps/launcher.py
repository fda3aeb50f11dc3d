"""What runs in the child process of an app: bounds the process, then starts Flower's process of a ServerApp.

Run as a file by ``python -I``, so it imports nothing of Meadow. Rounds, and metrics that the app measures at the
server, are in no message: they are read from what Flower's strategies log, and told as lines of JSON. The texts are
those that ``flwr_internals`` lists.
"""

import functools
import importlib
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

MODEL = "model.npz"
"""Of the folder around the app's own: the arrays with which its strategy ended."""
MAX_FILE_BYTES, MAX_DESCRIPTORS, MAX_METRICS = 1024 * 1024 * 1024, 1024, 200
SERVER_METRICS = re.compile(r"(\s*└──> MetricRecord|Initial global evaluation results): %s")


class Reporter(logging.Handler):
    """Writes rounds and metrics that the app logs to a pipe."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe, self._round = pipe, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Tell what a record says, where it says something; a record of another form must not end the app."""
        try:
            if said := self._read(str(record.msg), record.args):
                os.write(self._pipe, json.dumps(said).encode() + b"\n")
        except Exception:
            self._round = self._round

    def _read(self, text: str, args: Any) -> dict[str, Any]:
        if text in ("[ROUND %s/%s]", "[ROUND %s]"):
            self._round = int(args[0])
            return {"round": self._round} | ({"rounds": int(args[1])} if len(args) > 1 else {})
        if text == "fit progress: (%s, %s, %s, %s)":  # of Flower's older strategies
            return {"round": int(args[0]), "metrics": _numbers({"loss": args[1], **args[2]})}
        if SERVER_METRICS.fullmatch(text) and (metrics := _numbers(args[0] if isinstance(args, tuple) else args)):
            return {"round": self._round, "metrics": metrics}
        return {}


def _numbers(record: Any) -> dict[str, float]:
    found = {str(name): float(value) for name, value in dict(record).items() if isinstance(value, int | float)}
    return dict(list(found.items())[:MAX_METRICS])


def bound_process() -> None:
    """Bound the files and the descriptors of the process and of all that it starts; no core dumps."""
    import resource

    for what, most in (
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, MAX_FILE_BYTES), (resource.RLIMIT_NOFILE, MAX_DESCRIPTORS),
    ):  # fmt: skip
        hard = resource.getrlimit(what)[1]
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (limit, limit))


def keep_model(path: Path) -> None:
    """Let Flower's strategies write the arrays that they end with, under their names, as an .npz."""
    import numpy as np
    from flwr.serverapp.strategy import Strategy

    start = Strategy.start

    @functools.wraps(start)
    def start_and_keep(self: Strategy, *given: Any, **named: Any) -> Any:
        result = start(self, *given, **named)
        try:
            if result.arrays:
                arrays: dict[str, Any] = {name: array.numpy() for name, array in result.arrays.items()}
                np.savez(path, **arrays)
        except Exception as error:  # the app goes on as it would without Meadow
            path.unlink(missing_ok=True)
            sys.stderr.write(f"The dashboard keeps no model of this run: {error}\n")
        return result

    Strategy.start = start_and_keep  # type: ignore[method-assign]


def main() -> None:
    """Start the ServerApp.

    The first argument is the pipe's descriptor, the second the module and the name of what the command
    ``flwr-serverapp`` calls; the others are those of that command.
    """
    pipe, (module, _, name) = int(sys.argv.pop(1)), sys.argv.pop(1).partition(":")
    os.set_inheritable(pipe, False)
    bound_process()
    keep_model(Path.cwd().parent / MODEL)
    run_command = getattr(importlib.import_module(module), name)
    logging.getLogger("flwr").addHandler(Reporter(pipe))
    run_command()


if __name__ == "__main__":
    main()
