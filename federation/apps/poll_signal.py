"""How polls of an event loop wait for what happens in other threads."""

import asyncio
import contextlib
import time
from collections.abc import Callable

CHECK_SECONDS = 1.0


class Signal:
    """Wakes coroutines of any event loop; from any thread."""

    def __init__(self) -> None:
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    async def wait_until(self, is_so: Callable[[], bool], seconds: float) -> None:
        """Return when ``is_so``, or after some seconds. The ticket is taken before the look: no change is missed."""
        ticket = (asyncio.get_running_loop(), asyncio.Event())
        self._waiters.add(ticket)
        deadline = time.monotonic() + seconds
        try:
            while not is_so() and (left := deadline - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ticket[1].wait(), min(left, CHECK_SECONDS))
                ticket[1].clear()
        finally:
            self._waiters.discard(ticket)

    def wake(self) -> None:
        """Let all who wait look again."""
        for loop, event in list(self._waiters):
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(event.set)
