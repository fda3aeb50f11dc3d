"""The host processes of a simulation: starts them, and starts one again that has died."""

import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from federation.client.process import BROKEN
from federation.client.reconnect import longest_wait
from federation.simulation.plan import Plan

log = logging.getLogger(__name__)

END_SECONDS = 5.0
"""A host process that has not ended so long after its standard input was closed is killed."""

STEADY_SECONDS = 30.0
"""A process that lived this long is started again at once."""


class HostProcess:
    """One host process and the thread that waits for its end and starts the next one."""

    def __init__(self, plan: Plan, label: str, ended: "queue.SimpleQueue[int]") -> None:
        self._plan, self._label, self._ended = plan, label, ended
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=label, daemon=True)

    def start(self) -> None:
        """Start the process."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the process to end, and start no other."""
        self._stopping.set()
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.close()

    def wait(self, deadline: float) -> None:
        """Wait for the end until a moment of the monotonic clock, then kill the process."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() and self._process is not None:
            self._process.kill()
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        code, failures = 0, 0
        while (process := self._spawn()) is not None:
            started = time.monotonic()
            code = process.wait()
            if self._stopping.is_set() or not (code < 0 or code == BROKEN):
                break
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            delay = longest_wait(failures) if failures > 1 else 0.0
            how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            log.warning("%s %s, starting it again in %.1f s", self._label, how, delay)
            self._stopping.wait(delay)
        self._ended.put(code)

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Start a process with a pipe as its standard input, unless the simulation ends."""
        with self._lock:
            if self._stopping.is_set():
                return None
            command = [sys.executable, "-m", "federation.simulation.host", self._plan.model_dump_json()]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            return self._process


class HostProcesses:
    """All host processes of a simulation."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stop_requested = False
        self._processes = [
            HostProcess(plan, f"simulation process {number} of {len(plans)}", self._ended)
            for number, plan in enumerate(plans, 1)
        ]

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
