"""The event loop and the threads of a client's process, from their start to the exit code."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from federation.client.console import TaskConsole
from federation.client.description import ClientDescription, facts, readable, versions
from federation.client.frame_handler import Refused
from federation.client.identity import Identity
from federation.client.reconnect import ReconnectLoop
from federation.client.server_trust import NotTrusted, ServerTrust
from federation.client.tasks.executor import Executor
from federation.client.tasks.worker import Worker
from federation.protocol.messages import Close

log = logging.getLogger(__name__)

BROKEN = 1
EXIT_CODES = {
    Close.VERSION: 4,
    Close.REVOKED: 5,
    Close.SIGNATURE: 6,
    Close.BAD_FRAME: 7,
    Close.SUPERSEDED: 8,
    Close.TOO_BIG: 9,
    Close.CODE_NEEDED: 10,
    Close.CODE_REFUSED: 11,
}
"""Exit codes for the close codes by which the server refuses a client for good."""

GRACE_SECONDS = 1.5
"""How long a batch, a frame or a close may take after a signal to end."""


async def run_client(
    server: tuple[str, int], identity: Identity, executor: Executor, data: dict[str, Any], console: TaskConsole, *,
    trust: ServerTrust | None, code: str | None, end_with_stdin: bool,
) -> int:  # fmt: skip
    """Work until a signal, a refusal or the end of standard input comes, and return the exit code.

    The connection is on the event loop, so that pings are answered and cancels seen while a task runs in the worker's
    thread. ``code`` is the secret of a join code, by which a server takes a key that it does not know.
    """
    loop = asyncio.get_running_loop()
    codes: asyncio.Queue[int] = asyncio.Queue()

    def end(code: int) -> None:
        """Let the process end; called in any thread, and in signal handlers."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends already
            loop.call_soon_threadsafe(codes.put_nowait, code)

    call_at_end(lambda: end(0), end_with_stdin=end_with_stdin)
    worker = Worker(console, warm_up=executor.warm_up, on_failure=lambda: end(BROKEN))
    description = ClientDescription(versions(), facts(), readable(data), code=code)
    connection = ReconnectLoop(server, identity, description, worker.add_client(executor), trust=trust)
    worker.start()
    connected = asyncio.create_task(_stay_connected(connection, end))
    ended_by = await codes.get()
    guard = threading.Timer(GRACE_SECONDS, os._exit, [ended_by])
    guard.daemon = True
    guard.start()
    worker.stop()
    connected.cancel()
    await asyncio.wait([connected])
    if not await asyncio.to_thread(worker.wait, GRACE_SECONDS):
        os._exit(ended_by)
    return ended_by


async def _stay_connected(connection: ReconnectLoop, on_end: Callable[[int], None]) -> None:
    try:
        await connection.run()
        log.error("%s: %s", connection.address, connection.refusal)
    except Exception:  # a client without a connection ends
        log.exception("the connection failed")
    on_end(exit_code(connection.refusal))


def exit_code(refusal: Refused | NotTrusted | None) -> int:
    """Return the exit code for the end of a reconnect loop: a refusal, or None after an error of its own."""
    match refusal:
        case Refused():
            return EXIT_CODES[refusal.code]
        case NotTrusted():
            return int(refusal.fault)
        case None:
            return BROKEN


def call_at_end(on_end: Callable[[], None], *, end_with_stdin: bool) -> None:
    """Call ``on_end`` when a signal to end comes, or, in a thread, where asked at the end of standard input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda *_: on_end())
    if end_with_stdin:
        threading.Thread(target=_follow_stdin, args=[on_end], name="stdin", daemon=True).start()


def _follow_stdin(on_end: Callable[[], None]) -> None:
    """Wait until no process holds the other end of standard input any more; what is written there is ignored."""
    with contextlib.suppress(OSError):  # it was closed from the beginning: that is its end, too
        while os.read(0, 4096):  # not sys.stdin: a thread that waits in there stops the interpreter's end
            pass
    log.info("standard input was closed: the client exits")
    on_end()
