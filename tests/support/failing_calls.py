"""Exceptions of any type at chosen calls of a run's thread: before the call, or after it, when its effect is there.

What is called stays the real thing. Each function of the run's collaborators (ledger, storage, aggregation, lane) gets
a wrapper that calls it, or raises. Other threads than those of runs are never disturbed.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from inspect import isfunction
from typing import Any

import pytest

from federation.aggregation import robustness, round_aggregation, strategy
from federation.coordinator import attempt, phase
from federation.coordinator.loops import training
from federation.run.events import RoundRefused, StoreUnavailable
from federation.storage import checkpoint_policy, checkpoints
from federation.transport import exchange, lane
from webapp.db import database
from webapp.operations import recorder, runs

OWNERS: tuple[Any, ...] = (
    runs.Runs, recorder.Recorder, database.Database, checkpoints.Checkpoints, checkpoint_policy.CheckpointPolicy,
    strategy.RunStrategy, round_aggregation.RoundAggregation, lane.StreamLane, exchange.Content, exchange.Exchange,
)  # fmt: skip
"""Classes of what the run's thread calls: every function of each may fail."""

IMPORTED = (
    (training, "initial_weights"), (training, "read_layout"), (checkpoints, "write_file"), (attempt, "sample_clients"),
    (attempt, "check_finite"), (phase, "check_weights"), (phase, "clean_metrics"), (robustness, "median"),
)  # fmt: skip
"""Functions of modules, where the run's thread finds them."""

ERRORS: tuple[Callable[[], BaseException], ...] = (
    lambda: OSError(28, "No space left on device"), lambda: OSError(5, "Input/output error"), lambda: MemoryError(),
    lambda: KeyError("train"), lambda: asyncio.CancelledError(), lambda: SystemExit(3), lambda: RecursionError("deep"),
    lambda: ValueError("a\ud800b\x00" * 100), lambda: StoreUnavailable("away"), lambda: RoundRefused("too late"),
    lambda: GeneratorExit(), lambda: KeyboardInterrupt(), lambda: StopIteration(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """The call ``calls`` from now on raises an exception of ``ERRORS``; ``late``: after it was made."""

    calls: int
    error: int
    late: bool


RUN_THREAD = re.compile(r"run-[0-9]+")
"""Names of the threads that work on runs."""

ONLY_KEEP = ("Runs.record", "Recorder.record", "Recorder._add_reply")
"""Functions that may only keep a reply in memory: their caller gets no answer that could be lost after the effect."""


class FailingCalls:
    """Which calls of the runs' threads fail. Nothing fails until ``plan`` says so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Failure] = []
        self.raised: list[str] = []
        """Each failure so far: the function, and the type of the exception."""

    def plan(self, failures: Sequence[Failure]) -> None:
        """Let calls fail; each failure counts from the one before it."""
        with self._lock:
            self._planned += failures

    def forget(self) -> None:
        """Let nothing fail from here on."""
        with self._lock:
            self._planned = []

    def _next(self, name: str) -> tuple[BaseException | None, bool]:
        """Count a call; return what it raises, if anything, and whether that is after its effect."""
        with self._lock:
            if not self._planned:
                return None, False
            failure = self._planned[0]
            if failure.calls > 1:
                self._planned[0] = replace(failure, calls=failure.calls - 1)
                return None, False
            self._planned.pop(0)
            error = ERRORS[failure.error]()
            self.raised.append(f"{name}: {type(error).__name__}")
            is_late = failure.late and not (isinstance(error, StoreUnavailable) and name in ONLY_KEEP)
            return error, is_late

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, or what raises in its place."""

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if RUN_THREAD.fullmatch(threading.current_thread().name) is None:
                return function(*arguments, **named)
            error, late = self._next(function.__qualname__)
            if error is not None and not late:
                raise error
            result = function(*arguments, **named)
            if error is not None:
                raise error
            return result

        return call

    @contextmanager
    def installed(self) -> Iterator["FailingCalls"]:
        """Wrap everything until the end of the block."""
        with pytest.MonkeyPatch.context() as patch:
            for owner in OWNERS:
                for name, function in list(vars(owner).items()):
                    if isfunction(function) and (name == "__init__" or not name.startswith("__")):
                        patch.setattr(owner, name, self.wrap(function))
            for module, name in IMPORTED:
                patch.setattr(module, name, self.wrap(getattr(module, name)))
            yield self
