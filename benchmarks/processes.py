"""Child processes of a benchmark: started in a folder, watched, and ended with everything that they started."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.processes import ROOT, free_port, wait_until

__all__ = [
    "ROOT", "Children", "Speaker", "cpu_seconds", "family_of", "free_port", "peak_bytes", "reset_peak", "wait_until",
]  # fmt: skip


class Children:
    """Processes that end with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        doomed = [child for process in self._processes if process.poll() is None for child in _family(process.pid)]
        for child in doomed:
            child.terminate()
        _, left = psutil.wait_procs(doomed, timeout=5)
        for child in left:
            child.kill()
        for process in self._processes:
            process.wait(10)

    def start(self, name: str, command: Sequence[str | Path], **more: Any) -> subprocess.Popen[str]:
        """Start a program; what it says goes to ``name``.log, but for what ``more`` keeps."""
        log = (self.folder / f"{name}.log").open("ab")
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": ROOT, **more}
        process = subprocess.Popen([str(part) for part in command], text=True, **settings)
        log.close()
        self._processes.append(process)
        return process

    def module(self, name: str, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Start ``python -m`` with the arguments."""
        return self.start(name, [sys.executable, "-m", *arguments], **more)

    def said(self, name: str) -> str:
        """Return the log of one of them, its end."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]


class Speaker:
    """A child that answers one line of JSON to each that it gets."""

    def __init__(self, children: Children, name: str, *arguments: str) -> None:
        self._children, self._name = children, name
        self.process = children.module(name, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **question: Any) -> Any:
        """Send a question and wait for the answer; fails with the child's log when there is none."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self._name} ended\n{self._children.said(self._name)}"
        return json.loads(line)


def family_of(pid: int) -> list[int]:
    """Return the ids of a process and of all below it."""
    return [one.pid for one in _family(pid)]


def cpu_seconds(*pids: int) -> float:
    """Return the time that processes have spent on processors so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(float(one.user + one.system) for one in times)


def reset_peak(pid: int) -> int:
    """Let the kernel forget the peak of a process's memory; return what it has now, in bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(psutil.Process(pid).memory_info().rss)


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process had since ``reset_peak``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return []
