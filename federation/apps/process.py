"""The child process of an app: its environment, its folder, its log, what it reports, and its end.

Its limits are looked at from outside: disk, processes and memory. What does not confine it: it runs with the rights of
the dashboard's own user. docs/security.md says how to confine it further.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.flwr_internals import location_of

LAUNCHER = Path(__file__).with_name("launcher.py")
TERM_SECONDS = 2.0
"""Between the signal that asks the app to end and the one that ends it."""
MAX_LOG_BYTES, MAX_REPORT_BYTES = 4 * 1024 * 1024, 64 * 1024
FILES, LOG, HOME, TOKEN = "files", "log.txt", "home", "token"
"""The app's own working folder, what it printed, Flower's and the user's home of the process, and its token."""
MARK = "MEADOW_APP"
"""A variable of the environment by which all processes of an app are found, also those that left its group."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class AppLimits:
    """What the processes of an app may use together. ``memory_bytes`` 0: no limit."""

    disk_bytes: int = 1024 * 1024 * 1024
    files: int = 20_000
    processes: int = 200
    memory_bytes: int = 0


class AppProcess:
    """One start of an app's ServerApp. ``report`` gets, on a thread, what the launcher reads in the app's log."""

    def __init__(self, folder: Path, address: str, token: str, report: Report, limits: AppLimits) -> None:
        self._folder, self._limits, self._report = folder, limits, report
        shutil.rmtree(folder, ignore_errors=True)
        for one in (folder, folder / FILES, folder / HOME):
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._mark = secrets.token_hex(16)
        (folder / TOKEN).touch(0o600, exist_ok=False)
        (folder / TOKEN).write_text(token)
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-u", str(LAUNCHER), str(writing), location_of("flwr_serverapp"), "--insecure",
                 "--runtime-api-address", address, "--token-file", str(folder / TOKEN),
                 "--parent-pid", str(os.getpid())],
                cwd=folder / FILES, env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, pass_fds=(writing,), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._threads = [
            threading.Thread(target=self._keep_log, name="app-log", daemon=True),
            threading.Thread(target=self._read_reports, args=(reading,), name="app-reports", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _environment(self) -> dict[str, str]:
        """Return all that the process gets of the dashboard's environment: no secret, no address."""
        home = str(self._folder / HOME)
        return {
            "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": home, "FLWR_HOME": home,
            "TMPDIR": home, "FLWR_TELEMETRY_ENABLED": "0", "TF_CPP_MIN_LOG_LEVEL": "2", MARK: self._mark,
        }  # fmt: skip

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    @property
    def exit_words(self) -> str:
        """How the process ended."""
        code = self._process.wait()
        return f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"

    def forget_token(self) -> None:
        """Delete the file with the token, once the app has read it."""
        (self._folder / TOKEN).unlink(missing_ok=True)

    def breach(self) -> str:
        """Say which limit the processes of the app exceed; empty where they keep to all."""
        limits, pids = self._limits, self._pids()
        size, files = _usage(self._folder)
        if size > limits.disk_bytes:
            return f"It wrote more than {limits.disk_bytes:,} bytes"
        if files > limits.files:
            return f"It made more than {limits.files:,} files"
        if len(pids) > limits.processes:
            return f"It started more than {limits.processes:,} processes"
        if limits.memory_bytes and sum(map(_resident_bytes, pids)) > limits.memory_bytes:
            return f"It used more than {limits.memory_bytes:,} bytes of memory"
        return ""

    def end(self, *, at_once: bool = False) -> None:
        """End all processes of the app: they are asked to, and killed after ``TERM_SECONDS``, or ``at_once``."""
        if self.is_running and not at_once:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(TERM_SECONDS)
        deadline = time.monotonic() + TERM_SECONDS
        while True:
            self._signal(signal.SIGKILL)
            for pid in (left := self._pids()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not left or time.monotonic() > deadline:
                break
        self._process.wait()
        for thread in self._threads:
            thread.join(TERM_SECONDS)
        self.forget_token()
        shutil.rmtree(self._folder / HOME, ignore_errors=True)

    def _signal(self, number: int) -> None:
        """Signal the group, unless it is gone: its id could be another's then."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _pids(self) -> list[int]:
        """Return the processes of the app by the mark in their environment; on systems without /proc its own alone."""
        mark = f"{MARK}={self._mark}".encode()
        return [pid for pid in _all_pids() if mark in _read(f"/proc/{pid}/environ").split(b"\0")] or (
            [self._process.pid] if self.is_running else []
        )

    def _keep_log(self) -> None:
        assert self._process.stdout is not None
        left = MAX_LOG_BYTES
        with open(self._folder / LOG, "wb", buffering=0) as file:
            while piece := os.read(self._process.stdout.fileno(), 65_536):
                if left > 0:
                    with contextlib.suppress(OSError):  # the disk is full: the app is not to wait for it
                        file.write(piece[:left] if left > len(piece) else piece[:left] + b"\n[The rest is not kept]\n")
                    left -= len(piece)
        self._process.stdout.close()

    def _read_reports(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb") as file:
            while line := file.readline(MAX_REPORT_BYTES):
                with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                    self._report(json.loads(line))


def _all_pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _resident_bytes(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def _usage(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of the files in a folder; links are not followed."""
    size = files = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size, files = size + os.lstat(os.path.join(root, name)).st_blocks * 512, files + 1
    return size, files
