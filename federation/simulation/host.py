"""``python -m federation.simulation.host``: one process with its share of the virtual clients.

All connections are on one event loop, and all tasks run in one worker thread, on one Keras. Standard input has the plan
as its first line, and in each further line the number of a client that is to leave. The process ends with its standard
input, so that none outlives the one that started it.
"""

import asyncio
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from io import BufferedReader

import uvloop
from pydantic import ValidationError
from rich.console import Console

from federation.client.console import TaskConsole, open_standard_streams, write_log_to
from federation.client.description import ClientDescription, facts, readable, versions
from federation.client.process import BROKEN, GRACE_SECONDS, exit_code
from federation.client.server_trust import ServerTrust
from federation.client.tasks.executor import Executor
from federation.client.tasks.worker import Worker
from federation.learning.client_app import Work
from federation.learning.keras_backend import limit_gpu_memory
from federation.simulation.contents import SharedContents
from federation.simulation.keys import identity_of
from federation.simulation.plan import MAX_PLAN_BYTES, Plan
from federation.simulation.virtual_client import VirtualClient
from federation.simulation.work import USAGE, BadWork, works_of

log = logging.getLogger(__name__)

JOINING_AT_ONCE = 16
TELL_SECONDS = 1.0
"""The number of connected clients is logged at most so often."""


class Host:
    """The virtual clients of one process. Made on the event loop."""

    def __init__(self, plan: Plan, works: Sequence[tuple[int, Work, Executor]], worker: Worker) -> None:
        self._changed, self._stopped = asyncio.Event(), asyncio.Event()
        joining, contents, about, machine = asyncio.Semaphore(JOINING_AT_ONCE), SharedContents(), versions(), facts()
        trust = ServerTrust.parse(plan.root_certificates, plan.tls_server_name) if plan.tls else None
        self._clients: dict[int, VirtualClient] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        for number, work, executor in works:
            identity = identity_of(plan.secret, plan.name_of(number))
            description = ClientDescription(about, machine, readable(work.data), "simulated")
            self._clients[number] = VirtualClient(
                (plan.host, plan.port), identity, description, worker.add_client(executor), contents=contents,
                joining=joining, on_change=self._changed.set, trust=trust,
            )  # fmt: skip

    def stop(self) -> None:
        """Let ``run`` return; on the event loop."""
        self._stopped.set()

    def remove(self, number: int) -> None:
        """Let a client leave; on the event loop. A task of it that is under way ends at its next batch."""
        if (running := self._running.get(number)) is not None and self._clients.pop(number, None) is not None:
            running.cancel()
            self._changed.set()

    async def run(self) -> int:
        """Stay until ``stop`` is called, or every client has left or was refused for good; return the exit code."""
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell())
            self._running |= {number: group.create_task(one.run()) for number, one in self._clients.items()}
            stopped = group.create_task(self._stopped.wait())
            all_ended = group.create_task(_all_done(list(self._running.values())))
            await asyncio.wait([stopped, all_ended], return_when=asyncio.FIRST_COMPLETED)
            here = [self._running[number] for number in self._clients]  # the others are closing their connections
            for task in (telling, stopped, all_ended, *here):
                task.cancel()
        refused = next((one for one in self._clients.values() if one.refusal is not None), None)
        if refused is None or self._stopped.is_set():
            return 0
        log.error("every client was refused; %s: %s", refused.name, refused.refusal)
        return exit_code(refused.refusal)

    async def _tell(self) -> None:
        """Log how many clients are connected, and why others are not, when that has changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            clients = self._clients.values()
            joined = sum(client.is_joined for client in clients)
            troubles = Counter(client.trouble for client in clients if not client.is_joined and client.trouble)
            reasons = "".join(f"; {count}: {trouble}" for trouble, count in troubles.most_common(3))
            log.info("%d of %d clients connected%s", joined, len(clients), reasons)
            await asyncio.sleep(TELL_SECONDS)


async def _all_done(tasks: Sequence[asyncio.Task[None]]) -> bool:
    await asyncio.wait(tasks)
    return True


async def serve(plan: Plan, orders: BufferedReader) -> int:
    """Hold the clients of the plan until a signal or the end of the orders; return the exit code."""
    loop, console, failed = asyncio.get_running_loop(), Console(stderr=True), threading.Event()
    recent = write_log_to(console, keep=plan.share_logs)
    if plan.gpu is not None:
        log.info("GPU %s, at most %d MiB of its memory", plan.gpu.device, plan.gpu.memory_mb)
    try:
        works = works_of(plan, recent.lines if recent is not None else None)
    except BadWork as error:
        log.error("%s", error)
        return error.code

    def on_failure() -> None:
        failed.set()
        loop.call_soon_threadsafe(host.stop)

    def warm_up() -> None:
        if plan.gpu is not None:
            limit_gpu_memory(plan.gpu.memory_mb)
        works[0][2].warm_up()

    worker = Worker(TaskConsole(console), warm_up=warm_up, on_failure=on_failure)
    host = Host(plan, works, worker)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, host.stop)
    threading.Thread(target=_follow, args=[orders, host, loop], name="orders", daemon=True).start()
    worker.start()
    code = await host.run()
    worker.stop()
    await asyncio.to_thread(worker.wait, GRACE_SECONDS)
    return BROKEN if failed.is_set() else code


def _follow(orders: BufferedReader, host: Host, loop: asyncio.AbstractEventLoop) -> None:
    """Remove the clients whose numbers come; stop the host at the end."""
    for line in orders:
        if (text := line.strip()).isdigit():
            loop.call_soon_threadsafe(host.remove, int(text))
    loop.call_soon_threadsafe(host.stop)


def main() -> None:
    """Serve the plan in the first line of standard input, and exit."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # processes share a GPU: none takes all of its memory
    open_standard_streams()
    orders = os.fdopen(0, "rb", closefd=False)
    try:
        plan = Plan.model_validate_json(orders.readline(MAX_PLAN_BYTES))
    except ValidationError:  # its text has the secret
        os._exit(USAGE)
    if plan.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = plan.gpu.device  # before TensorFlow is imported
    code = uvloop.run(serve(plan, orders))
    os._exit(code)  # a task that does not end at its next batch holds its thread


if __name__ == "__main__":
    main()
