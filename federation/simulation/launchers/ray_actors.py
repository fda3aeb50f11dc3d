"""The processes of a simulation in Ray actors, on a cluster that exists or on a Ray of this machine.

An actor holds one host process, which sends weights over its own connections: only its plan goes through Ray. Ray
starts an actor again that has died, on another machine where its own is gone. Ray is imported inside functions.
"""

import importlib.util
import logging
import os
import queue
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from federation.client.console import write_log_to
from federation.client.process import BROKEN
from federation.protocol.addresses import parse_address
from federation.simulation.launchers.gpus import on_gpus
from federation.simulation.plan import Plan
from federation.simulation.processes import END_SECONDS, HostProcesses

log = logging.getLogger(__name__)

RAY_PORT, REACH_SECONDS = 6379, 10.0

WAITING_SECONDS = 20.0
"""The number of actors that Ray has not started is logged so often."""


class NoRay(Exception):
    """Ray cannot be used; the sentence says why."""


class HostActor:
    """One host process, in a process of Ray. A host process that dies is started again by the actor."""

    def __init__(self, plan: str, gpu_fraction: float | None) -> None:
        write_log_to(Console(stderr=True))
        self._hosts = HostProcesses([_read(plan, gpu_fraction)])

    def ready(self) -> None:
        """Return: Ray has started the actor."""

    def run(self) -> int:
        """Hold the host process until ``stop`` is called or it ends for good; return the exit code."""
        return self._hosts.run()

    def stop(self) -> None:
        """Let ``run`` return; called in another thread."""
        self._hosts.stop()


def _read(text: str, gpu_fraction: float | None) -> Plan:
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError:  # its text has the secret
        raise ValueError("The plan cannot be read: this machine has another version of Meadow.") from None
    return on_gpus([plan], gpu_fraction)[0] if gpu_fraction is not None and plan.trains_keras else plan


class HostActors:
    """All host processes of a simulation, each in an actor with ``cpus`` CPUs and ``gpu_fraction`` GPUs.

    Making it connects to the Ray cluster at ``address``, or starts a Ray on this machine. Raises NoRay.
    """

    def __init__(
        self, plans: Sequence[Plan], *, address: str | None, cpus: float, gpu_fraction: float | None
    ) -> None:  # fmt: skip
        self._plans, self._gpu_fraction = plans, gpu_fraction
        self._needs = {"CPU": cpus, "GPU": gpu_fraction or 0.0}
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._stop_requested = False
        self._started = 0
        self._ray = _connect(address)

    def run(self) -> int:
        """Start all and wait until ``stop`` was called or none is left; return the exit code."""
        try:
            return self._run()
        finally:
            self._ray.shutdown()  # with it end actors that Ray has not started yet

    def stop(self) -> None:
        """End all; may be called in a signal handler and in any thread."""
        self._stop_requested = True
        self._ended.put(0)

    def _run(self) -> int:
        self._tell_what_is_short()
        make = self._ray.remote(HostActor).options(
            num_cpus=self._needs["CPU"], num_gpus=self._needs["GPU"], max_restarts=-1, max_task_retries=-1,
            max_concurrency=2,  # ``stop`` beside ``run``
        )  # fmt: skip
        actors = [make.remote(plan.model_dump_json(), self._gpu_fraction) for plan in self._plans]
        ready = [actor.ready.remote() for actor in actors]
        for one in ready:
            one.future().add_done_callback(self._on_start)
        runs = [actor.run.remote() for actor in actors]
        for plan, run in zip(self._plans, runs, strict=True):
            run.future().add_done_callback(lambda future, title=plan.title: self._on_end(title, future))
        codes = self._wait()
        for actor in actors:
            actor.stop.remote()
        self._ray.wait(runs, num_returns=max(self._started, 1), timeout=END_SECONDS + 1)
        return 0 if self._stop_requested else next((code for code in codes if code > 0), 0)

    @property
    def _waiting(self) -> int:
        """How many actors Ray has not started yet."""
        return len(self._plans) - self._started

    def _wait(self) -> list[int]:
        codes: list[int] = []
        while len(codes) < len(self._plans) and not self._stop_requested:
            try:
                codes.append(self._ended.get(timeout=WAITING_SECONDS if self._waiting else None))
            except queue.Empty:
                if self._waiting:
                    log.warning("%d of %d processes wait for Ray to start them", self._waiting, len(self._plans))
        return codes

    def _on_start(self, future: "Future[None]") -> None:
        self._started += future.exception() is None

    def _on_end(self, title: str, future: "Future[int]") -> None:
        """A process has ended for good, or Ray cannot start its actor; in a thread of Ray."""
        if (error := future.exception()) is None:
            self._ended.put(future.result())
            return
        if not self._stop_requested:
            log.error("Ray cannot run the process of %s: %s", title, str(error).strip())
        self._ended.put(BROKEN)

    def _tell_what_is_short(self) -> None:
        """Log where the cluster has less than all actors need: the others wait until it has more."""
        there = self._ray.cluster_resources()
        for name, each in self._needs.items():
            needed, has = each * len(self._plans), float(there.get(name, 0.0))
            if needed > has:
                log.warning("%d processes need %g %ss, the Ray cluster has %g: processes wait until it has more",
                            len(self._plans), needed, name, has)  # fmt: skip


def _connect(address: str | None) -> Any:
    """Return Ray, connected to the cluster at ``address``, or to a Ray that is started here; raises NoRay."""
    if importlib.util.find_spec("ray") is None:
        raise NoRay("--launcher ray needs the package ray: pip install 'meadow[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    more = {} if address is not None else {"include_dashboard": False}
    try:
        if address is not None and address != "auto":  # Ray itself tries for minutes, and ends the process then
            socket.create_connection(parse_address(address.removeprefix("ray://"), RAY_PORT), REACH_SECONDS).close()
        ray.init(address or "local", logging_level=logging.WARNING, **more)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise NoRay(f"Ray at {address or 'this machine'} cannot be used: {reason}") from error
    return ray
