"""The child process that evaluates weights: its start, one request and its answer, its end."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from federation.weights.layout import Buffer

COMMAND = (sys.executable, "-m", "federation.learning.evaluation_process")
END_SECONDS = 2.0
CHECK_SECONDS = 0.1
MAX_ERROR = 300


class ChildEnded(Exception):
    """The process ended before it answered; the sentence says how."""


class ChildOverdue(Exception):
    """The process did not answer in time; it was killed."""


class ChildStopped(Exception):
    """The caller's thread is to end."""


class EvaluationChild:
    """One process. It ends with its standard input, so it does not outlive the dashboard, however that ends."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._last_error = b""
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._read_answers, "evaluation-answers"), (self._read_errors, "evaluation-errors"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def evaluate(
        self, request: dict[str, Any], weights: Buffer, seconds: float, stopped: threading.Event
    ) -> dict[str, Any]:
        """Send a request with its weights; return the answer.

        Raises ChildEnded, ChildOverdue, and ChildStopped as soon as ``stopped`` is set; the last two kill the process.
        """
        head = json.dumps({**request, "bytes": memoryview(weights).nbytes}).encode() + b"\n"
        writer = threading.Thread(target=self._write, args=(head, weights), name="evaluation-request", daemon=True)
        writer.start()  # the pipe holds 64 KiB: a process that does not read would hold the caller past the deadline
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(queue.Empty):
                line = self._answers.get(timeout=CHECK_SECONDS)
                if not line:
                    raise ChildEnded(self._end_words())
                answer: dict[str, Any] = json.loads(line)
                return answer
            if stopped.is_set():
                self.kill()
                raise ChildStopped
            if time.monotonic() > deadline:
                self.kill()
                raise ChildOverdue(f"it took over {seconds:g} s and was ended")

    def _write(self, head: bytes, weights: Buffer) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # the process has ended: the reader says so
            self._process.stdin.write(head)
            self._process.stdin.write(weights)
            self._process.stdin.flush()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self._process.stdout:
                self._answers.put(line)
        self._answers.put(b"")

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with contextlib.suppress(ValueError):
            for line in self._process.stderr:
                self._last_error = line.strip() or self._last_error

    def _end_words(self) -> str:
        code = self._process.wait()
        for thread in self._threads:  # what it said last may still be in a pipe
            thread.join(END_SECONDS)
        how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
        said = self._last_error.decode(errors="replace")[:MAX_ERROR]
        return f"its process {how}" + (f": {said}" if said and code >= 0 else "")

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._join()

    def end(self) -> None:
        """End the process: by closing its input, and by a signal where that is not enough."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
            self._join()
            return
        self.kill()

    def _join(self) -> None:
        self._process.wait()
        for thread in self._threads:
            thread.join(END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
