"""The threads of a client's process, from their start to the exit code."""

import contextlib
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

from federation.client.console import TaskConsole
from federation.client.description import ClientDescription, facts, readable, versions
from federation.client.frame_handler import Refused
from federation.client.identity import Identity
from federation.client.reconnect import ReconnectLoop
from federation.client.tasks.executor import Executor
from federation.client.tasks.worker import Worker
from federation.client.tls.server_trust import NotTrusted, ServerTrust
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


def run_client(
    host: str, port: int, identity: Identity, executor: Executor, data: dict[str, Any], console: TaskConsole, *,
    trust: ServerTrust | None, code: str | None, end_with_stdin: bool,
) -> int:  # fmt: skip
    """Work until a signal, a refusal or the end of standard input comes, and return the exit code.

    ``code`` is the secret of a join code, by which a server takes a key that it does not know.
    """
    codes: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may be called in a signal handler
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda *_: codes.put(0))
    if end_with_stdin:
        threading.Thread(target=follow_stdin, args=[lambda: codes.put(0)], name="stdin", daemon=True).start()

    def on_end(refusal: Refused | NotTrusted | None) -> None:
        if refusal is not None:
            log.error("%s: %s", connection.address, refusal)
        codes.put(exit_code(refusal))

    worker = Worker(console, warm_up=executor.warm_up, on_failure=lambda: codes.put(BROKEN))
    outbox = worker.add_client(executor)
    description = ClientDescription(versions(), facts(), readable(data), code=code)
    connection = ReconnectLoop(host, port, identity, description, outbox, on_end, trust=trust)
    worker.start()
    connection.start()
    ended_by = codes.get()
    guard = threading.Timer(GRACE_SECONDS, os._exit, [ended_by])
    guard.daemon = True
    guard.start()
    worker.stop()
    connection.stop()
    if not (worker.wait(GRACE_SECONDS) and connection.wait(GRACE_SECONDS)):
        os._exit(ended_by)
    return ended_by


def exit_code(refusal: Refused | NotTrusted | None) -> int:
    """Return the exit code for the end of a connection's loop: a refusal, or None after an error of its own."""
    match refusal:
        case Refused():
            return EXIT_CODES[refusal.code]
        case NotTrusted():
            return int(refusal.fault)
        case None:
            return BROKEN


def follow_stdin(on_end: Callable[[], None]) -> None:
    """Wait until no process holds the other end of standard input any more; what is written there is ignored."""
    with contextlib.suppress(OSError):  # it was closed from the beginning: that is its end, too
        while os.read(0, 4096):  # not sys.stdin: a thread that waits in there stops the interpreter's end
            pass
    log.info("standard input was closed: the client exits")
    on_end()
