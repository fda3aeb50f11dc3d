"""``python -m federation.simulation.host PLAN``: one process with its share of the virtual clients.

All connections are on one event loop, and all tasks run in one worker thread, on one Keras. The process ends with its
standard input, so that none outlives the one that started it.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from federation.client.console import TaskConsole, open_standard_streams, write_log_to
from federation.client.description import ClientDescription, facts, readable, versions
from federation.client.identity import BadIdentity, Identity
from federation.client.process import BROKEN, GRACE_SECONDS, exit_code, follow_stdin
from federation.client.tasks.executor import Executor
from federation.client.tasks.worker import Worker
from federation.client.tls.server_trust import ServerTrust
from federation.learning.client_app import Work
from federation.simulation.contents import SharedContents
from federation.simulation.plan import Plan
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
        self.clients: list[VirtualClient] = []
        for number, work, executor in works:
            name = plan.name_of(number)
            identity = Identity.load(plan.identities / f"{name}.json", name, name)
            description = ClientDescription(about, machine, readable(work.data), "simulated")
            self.clients.append(VirtualClient(
                (plan.host, plan.port), identity, description, worker.add_client(executor), keep=contents.keep,
                joining=joining, on_change=self._changed.set, trust=trust,
            ))  # fmt: skip

    def stop(self) -> None:
        """Let ``run`` return; on the event loop."""
        self._stopped.set()

    async def run(self) -> int:
        """Stay until ``stop`` is called, or the server has refused every client; return the exit code."""
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell())
            running = [group.create_task(client.run()) for client in self.clients]
            stopped = group.create_task(self._stopped.wait())
            all_refused = group.create_task(_all_done(running))
            await asyncio.wait([stopped, all_refused], return_when=asyncio.FIRST_COMPLETED)
            for task in (telling, stopped, all_refused, *running):
                task.cancel()
        first = self.clients[0].refusal
        return exit_code(first) if first is not None and not self._stopped.is_set() else 0

    async def _tell(self) -> None:
        """Log how many clients are connected, and why others are not, when that has changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            joined = sum(client.is_joined for client in self.clients)
            troubles = Counter(client.trouble for client in self.clients if not client.is_joined and client.trouble)
            reasons = "".join(f"; {count}: {trouble}" for trouble, count in troubles.most_common(3))
            log.info("%d of %d clients connected%s", joined, len(self.clients), reasons)
            await asyncio.sleep(TELL_SECONDS)


async def _all_done(tasks: Sequence[asyncio.Task[None]]) -> bool:
    await asyncio.wait(tasks)
    return True


async def serve(plan: Plan) -> int:
    """Hold the clients of the plan until a signal or the end of standard input; return the exit code."""
    loop, console, failed = asyncio.get_running_loop(), Console(stderr=True), threading.Event()
    recent = write_log_to(console, keep=plan.share_logs)
    try:
        works = works_of(plan, recent.lines if recent is not None else None)

        def on_failure() -> None:
            failed.set()
            loop.call_soon_threadsafe(host.stop)

        worker = Worker(TaskConsole(console), warm_up=works[0][2].warm_up, on_failure=on_failure)
        host = Host(plan, works, worker)
    except (BadWork, BadIdentity) as error:
        log.error("%s", error)
        return error.code if isinstance(error, BadWork) else USAGE
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, host.stop)
    on_end = partial(loop.call_soon_threadsafe, host.stop)
    threading.Thread(target=follow_stdin, args=[on_end], name="stdin", daemon=True).start()
    worker.start()
    code = await host.run()
    worker.stop()
    await asyncio.to_thread(worker.wait, GRACE_SECONDS)
    return BROKEN if failed.is_set() else code


def main() -> None:
    """Serve the plan in the first argument, and exit."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    open_standard_streams()
    code = asyncio.run(serve(Plan.model_validate_json(sys.argv[1])))
    os._exit(code)  # a task that does not end at its next batch holds its thread


if __name__ == "__main__":
    main()
