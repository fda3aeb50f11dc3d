"""``python -m webapp demo``: dashboard, Flower server, simulated clients that share the digits, and a first run.

MEADOW_PORT, MEADOW_FLOWER_PORT and MEADOW_DATA_DIR choose other ports and another folder, as they do for the dashboard.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

START_SECONDS, END_SECONDS = 60.0, 8.0
ROUNDS, CLIENTS = 5, 10
USAGE = (
    "Usage: python -m webapp demo. Starts a dashboard with ten simulated clients and a first run, until Ctrl-C. "
    "MEADOW_PORT, MEADOW_FLOWER_PORT and MEADOW_DATA_DIR choose other ports and another folder."
)


class Over(Exception):
    """The demonstration ends: with a code, and a sentence where it is not what was wanted."""

    def __init__(self, code: int, sentence: str = "Ended.") -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Demo:
    """The processes, and the moments at which one looks at them. A signal to end is seen at the next moment."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.port, self.flower_port = (
            os.environ.get("MEADOW_PORT", "8000"),
            os.environ.get("MEADOW_FLOWER_PORT", "8080"),
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = Path(os.environ.get("MEADOW_DATA_DIR", "data")).expanduser().resolve() / "demo"
        self._stack = stack
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may be called in a signal handler
        self._http = stack.enter_context(httpx.Client(base_url=self.url, trust_env=False, timeout=5))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
                signal.signal(number, lambda number, _: self._signals.put(number))

    def start(self, name: str, *arguments: str) -> None:
        """Start a process of Meadow; it is ended with the demonstration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self._stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,  # Ctrl-C is for us: we end them one after the other
        )  # fmt: skip
        self._processes[name] = process
        self._stack.callback(end, process)

    def wait(self, seconds: float) -> None:
        """Let time pass; raises Over when a signal comes or a process has ended."""
        with contextlib.suppress(queue.Empty):
            self._signals.get(timeout=seconds)
            raise Over(0)
        for name, process in self._processes.items():
            if (code := process.poll()) is not None:
                written = (self.folder / f"{name}.log").read_text(errors="replace").split("\n")
                last = next((line for line in reversed(written) if line.strip()), "it wrote nothing")
                raise Over(code or 1, f"{name} ended with code {code}: {last}")

    def wait_for(self, is_so: Callable[[], bool], what: str) -> None:
        """Ask until the answer is yes."""
        deadline = time.monotonic() + START_SECONDS
        while not is_so():
            if time.monotonic() > deadline:
                raise Over(1, f"{what}: not within {START_SECONDS:.0f} seconds; the logs are in {self.folder}.")
            self.wait(0.2)

    def is_ready(self) -> bool:
        """Whether the dashboard answers."""
        return self._get("/readyz") is not None

    def are_online(self) -> bool:
        """Whether all clients have joined."""
        clients = self._get("/api/clients") or {"items": []}
        return len([client for client in clients["items"] if client["state"] == "online"]) >= CLIENTS

    def start_clients(self) -> None:
        """Start the simulated clients of the demonstration."""
        self._http.post("/api/demo-clients", json={"count": CLIENTS, "dataset": "digits"}).raise_for_status()

    def start_run(self) -> int:
        """Start the run of the demonstration and return its id."""
        wanted = {
            "name": "First run",
            "dataset": "digits",
            "network": "mlp",
            "num_rounds": ROUNDS,
            "min_clients": CLIENTS,
        }
        return int(self._http.post("/api/runs", json=wanted).raise_for_status().json()["id"])

    def rounds(self, run_id: int) -> Iterator[str]:
        """Yield a line for each round of the run, and one for its end."""
        seen = 0
        while True:
            run = self._get(f"/api/runs/{run_id}") or {"state": "waiting"}
            points = self._get(f"/api/runs/{run_id}/metrics?name=accuracy&since_id={seen}") or {
                "items": [],
                "last_id": seen,
            }
            seen = points["last_id"]
            for point in points["items"]:
                if point["phase"] == "evaluate" and point["client_id"] is None:
                    yield f"round {point['round']} of {ROUNDS}: accuracy {point['value']:.1%}"
            if run["state"] not in ("queued", "waiting", "running"):
                yield f"the run is {run['state']}" + (f": {run['reason']}" if run["reason"] else "")
                return
            self.wait(0.5)

    def _get(self, path: str) -> Any:
        """Return what the API says; None while it does not answer or is not ready."""
        try:
            return self._http.get(path).raise_for_status().json()
        except (httpx.TransportError, httpx.HTTPStatusError):
            return None


def end(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C on a process, and end it the hard way when that does not help."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def show(demo: Demo) -> None:
    """Run the demonstration; raises Over at its end."""
    say(f"Starting the dashboard and the Flower server; logs and keys are in {demo.folder}.")
    demo.start("dashboard", "webapp", "--port", demo.port, "--flower-port", demo.flower_port)
    demo.wait_for(demo.is_ready, "the dashboard")
    say(f"\n    Open {demo.url}\n")
    demo.start_clients()
    demo.wait_for(demo.are_online, f"{CLIENTS:,} clients")
    say(f"{CLIENTS:,} simulated clients have joined, each with a part of scikit-learn's digits.")
    run_id = demo.start_run()
    say(f"The first run has started: {demo.url}/runs/{run_id}")
    for line in demo.rounds(run_id):
        say(f"    {line}")
    say("The clients wait for the next run: press Start federation in the browser. Ctrl-C ends the demonstration.")
    while True:
        demo.wait(1)


def say(line: str) -> None:
    """Write a line for the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def alone_at_the_terminal() -> Iterator[None]:
    """Take the terminal's Ctrl-C for this process: make would get it too, and call a good end an error."""
    if not sys.stdin.isatty() or os.getpgrp() != os.tcgetpgrp(sys.stdin.fileno()):
        yield
        return
    before = os.getpgrp()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(sys.stdin.fileno(), before)


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration and return the exit code."""
    if arguments:
        say(USAGE)
        return 0 if list(arguments) == ["--help"] else 2
    with alone_at_the_terminal():
        try:
            with contextlib.ExitStack() as stack:
                show(Demo(stack))
        except Over as over:
            say(over.sentence)
            return over.code
        except httpx.HTTPError as error:
            say(f"The run could not be started: {error}")
            return 1
    return 0
