"""Real processes of Meadow for tests: started with what a test needs, watched, and ended with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from tests.support.http import LOCAL
from tests.support.migrated import lay_data
from tests.support.preloaded import ForkedProcess

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
_T = TypeVar("_T")


def wait_until(predicate: Callable[[], _T], timeout: float = 20.0, what: str = "") -> _T:
    """Ask again and again until the answer is true, and return it; fails after ``timeout`` seconds.

    The longer it has taken, the rarer it asks: an answer costs the process that is waited for 5 ms.
    """
    began = time.monotonic()
    while not (answer := predicate()):
        waited = time.monotonic() - began
        assert waited < timeout, f"not within {timeout} s: {what or predicate}"
        time.sleep(min(0.02 + waited / 20, 0.1))
    return answer


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RealProcess:
    """A process of Meadow. Its output goes to a file, so that it never waits for a reader."""

    arguments: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: Path = Path(sys.executable)
    folder: Path = ROOT
    preloaded: bool = False
    """Whether ``arguments``, which begin with -m, run in a process that has imported the modules of a dashboard."""
    process: subprocess.Popen[bytes] | ForkedProcess | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200", **self.environment}
        if self.preloaded:
            _, module, *arguments = self.arguments
            self.process = ForkedProcess(module, arguments, self.log, environment, self.folder)
            return
        ignores_hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # tests under nohup: children inherit it
        prefix = ["env", "--default-signal=HUP"] if ignores_hangup else []
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*prefix, self.program, *self.arguments], cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def running(self) -> subprocess.Popen[bytes] | ForkedProcess:
        """The process object; it may have ended."""
        assert self.process is not None, "not started"
        return self.process

    @property
    def output(self) -> str:
        """All that it has written so far, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for_output(self, text: str, timeout: float = START_SECONDS) -> None:
        """Wait until the output holds ``text``."""
        wait_until(lambda: text in self.output or self.running.poll() is not None, timeout, f"output {text!r}")
        assert text in self.output, f"ended with {self.running.returncode}\n{self.output}"

    def wait(self, timeout: float = 20.0) -> int:
        """Wait for the end and return the exit code."""
        return self.running.wait(timeout)

    def interrupt(self, timeout: float = 20.0) -> int:
        """Press Ctrl-C and return the exit code."""
        self.running.send_signal(signal.SIGINT)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it the hard way, if it is still there."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait(10)


@dataclass
class Meadow(RealProcess):
    """``python -m webapp`` on free ports and a data directory of its own."""

    port: int = 0
    flower_port: int = 0
    data_dir: Path = Path()

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def flower_address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.flower_port}"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        super().start()
        wait_until(self._is_ready, START_SECONDS, f"{self.url}/readyz")

    def restart(self) -> None:
        """Kill it and start it again on the same ports and data."""
        self.kill()
        self.start()

    def _is_ready(self) -> bool:
        assert self.running.poll() is None, f"the dashboard ended with {self.running.returncode}\n{self.output}"
        try:
            return httpx.get(f"{self.url}/readyz", **LOCAL, timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def make_meadow(folder: Path, *arguments: str, data_dir: Path | None = None, preloaded: bool = False) -> Meadow:
    """Describe a dashboard in ``folder``, with more command line arguments; ``start`` starts it.

    One that is preloaded finds its databases made, if it has no data directory of its own.
    """
    if data_dir is None:
        data_dir = lay_data(folder / "data") if preloaded else folder / "data"
    port, flower_port = free_port(), free_port()
    ports = ["--port", str(port), "--flower-port", str(flower_port), "--data-dir", str(data_dir)]
    return Meadow(
        ["-m", "webapp", *ports, *arguments], folder / "webapp.log",
        port=port, flower_port=flower_port, data_dir=data_dir, preloaded=preloaded,
    )  # fmt: skip


def refused(folder: Path, *arguments: str, **environment: str) -> RealProcess:
    """Start a dashboard that is expected to end by itself."""
    process = RealProcess(["-m", "webapp", *arguments], folder / "refused.log", environment, preloaded=True)
    process.start()
    try:
        process.wait(30)
    finally:
        process.kill()
    return process


def refused_on(database_url: str, folder: Path) -> RealProcess:
    """Start a dashboard on a data directory of its own that is expected to end because of its database."""
    ports = ("--port", "0", "--flower-port", "0")
    return refused(folder, *ports, "--data-dir", str(folder / "data-2"), "--database-url", database_url)
