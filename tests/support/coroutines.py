"""Coroutines on an event loop in a thread, beside a test that waits for what they do."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future


@contextlib.contextmanager
def in_a_thread(coroutine: Callable[[], Coroutine[None, None, None]]) -> Iterator[Future[None]]:
    """Run a coroutine until its end or that of the block; gives the future of its end."""
    loop, ended = asyncio.new_event_loop(), Future[None]()
    task: asyncio.Task[None] | None = None

    async def work() -> None:
        nonlocal task
        task = asyncio.create_task(coroutine())
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(work())
        ended.set_result(None)

    thread = threading.Thread(target=run, name="coroutine")
    thread.start()
    try:
        yield ended
    finally:
        with contextlib.suppress(RuntimeError):  # the coroutine has ended, and the loop is closed
            loop.call_soon_threadsafe(lambda: task and task.cancel())
        thread.join(20)
        assert not thread.is_alive()
