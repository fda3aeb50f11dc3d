"""Machines made of network namespaces on one bridge, each with an address of its own; Linux, as root."""

import ctypes
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

CLONE_NEWNET = 0x40000000
NAMED = Path("/run/netns")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Machine:
    """One namespace, by its name; ``address`` is how the others reach it."""

    name: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """What stands before a command that runs on this machine."""
        return ["ip", "netns", "exec", self.name]

    def call(self, function: Callable[[], _T]) -> _T:
        """Call a function on this machine, in a thread of its own, and return its result."""

        def enter() -> None:
            with (NAMED / self.name).open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")

        with ThreadPoolExecutor(1, initializer=enter) as pool:
            return pool.submit(function).result()


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Give machines with addresses from 10.77.0.1 on; skips the test where this machine cannot make namespaces."""
    tag = secrets.token_hex(3)
    with ExitStack() as stack:
        switch = f"mw{tag}s"
        _make(stack, ["netns", "add", switch], ["netns", "del", switch])
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        made = []
        for number in range(1, count + 1):
            one = Machine(f"mw{tag}{number}", f"10.77.0.{number}")
            _make(stack, ["netns", "add", one.name], ["netns", "del", one.name])
            port = f"port{number}"
            _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", one.name)
            _ip("-n", switch, "link", "set", port, "master", "bridge", "up")
            _ip("-n", one.name, "address", "add", f"{one.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", one.name, "link", "set", device, "up")
            made.append(one)
        yield made


def _make(stack: ExitStack, command: list[str], undo: list[str]) -> None:
    try:
        _ip(*command)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        pytest.skip(f"this machine cannot make network namespaces (user id {os.getuid()}): {reason}")
    stack.callback(_ip, *undo)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)
