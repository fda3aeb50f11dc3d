"""The host processes of a simulation: starts them, and starts one again that has died."""

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from federation.client.process import BROKEN
from federation.client.reconnect import longest_wait
from federation.simulation.plan import Plan

log = logging.getLogger(__name__)

END_SECONDS = 5.0
"""A host process that has not ended so long after its standard input was closed is killed."""

STEADY_SECONDS = 30.0
"""A process that lived this long is started again at once."""

OnDeath = Callable[[str, float], None]
"""Gets a sentence, and the seconds until the next start."""

OnEnd = Callable[[int], None]


class HostProcess:
    """One host process and the thread that waits for its end and starts the next one.

    Parameters
    ----------
    on_death : OnDeath
        Called in that thread when the process has died by a signal or an internal error, and is to be started again.
    on_end : OnEnd
        Called in that thread with the exit code of the last process.
    output : Path | None
        Takes what the process writes, from its start on; None: standard error of this process does.
    """

    def __init__(self, plan: Plan, label: str, on_death: OnDeath, on_end: OnEnd, output: Path | None = None) -> None:
        self.plan, self.label = plan, label
        self._on_death, self._on_end, self._output = on_death, on_end, output
        self._removed: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=label, daemon=True)

    def start(self) -> None:
        """Start the process; raises OSError."""
        self._spawn()
        self._thread.start()

    @property
    def pid(self) -> int:
        """The id of the process, or of the last one."""
        return self._process.pid if self._process is not None else 0

    def remove(self, number: int) -> None:
        """Let one client leave. The process ends with its last one."""
        with self._lock:
            self._removed.add(number)
            self._write(b"%d\n" % number)

    def stop(self) -> None:
        """Ask the process to end, and start no other."""
        self._stopping.set()
        with self._lock:
            self._close()

    def wait(self, deadline: float) -> None:
        """Wait for the end until a moment of the monotonic clock, then kill the process."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        code, failures, running = 0, 0, True
        while running and self._process is not None:
            started = time.monotonic()
            code = self._process.wait()
            if self._stopping.is_set() or not (code < 0 or code == BROKEN):
                break
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            delay = longest_wait(failures) if failures > 1 else 0.0
            how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            self._on_death(f"{self.label} {how}", delay)
            self._stopping.wait(delay)
            try:
                running = self._spawn()
            except OSError as error:
                log.warning("%s cannot be started again: %s", self.label, error)
                break
        with self._lock:
            self._close()
        self._on_end(code)

    def _spawn(self) -> bool:
        """Start a process with a pipe as its standard input, unless the simulation ends or every client has left."""
        with self._lock, contextlib.ExitStack() as stack:
            plan = self.plan.without(self._removed)
            if self._stopping.is_set() or plan is None:
                return False
            output = None
            if self._output is not None:
                descriptor = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                output = stack.enter_context(open(descriptor, "wb"))
            self._close()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "federation.simulation.host"], stdin=subprocess.PIPE, stdout=output,
                stderr=output, start_new_session=True,  # Ctrl-C is for the parent, which ends its processes in turn
            )  # fmt: skip
            self._write(plan.model_dump_json().encode() + b"\n")
            return True

    def _close(self) -> None:
        """Close the standard input of the process, which ends with it."""
        with contextlib.suppress(OSError):  # what the process had not read is lost
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # the process has ended, or was asked to: its thread sees it
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()


def _warn(sentence: str, delay: float) -> None:
    log.warning("%s, starting it again in %.1f s", sentence, delay)


class HostProcesses:
    """All host processes of a simulation."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stop_requested = False
        self._processes = [HostProcess(plan, f"the process of {plan.title}", _warn, self._ended.put) for plan in plans]

    def run(self) -> int:
        """Start all and wait until ``stop`` was called or none is left; return the exit code."""
        for process in self._processes:
            process.start()
        codes: list[int] = []
        while len(codes) < len(self._processes) and not self._stop_requested:
            codes.append(self._ended.get())
        for process in self._processes:
            process.stop()
        deadline = time.monotonic() + END_SECONDS
        for process in self._processes:
            process.wait(deadline)
        return 0 if self._stop_requested else next((code for code in codes if code > 0), 0)

    def stop(self) -> None:
        """End all; may be called in a signal handler and in any thread."""
        self._stop_requested = True
        self._ended.put(0)
