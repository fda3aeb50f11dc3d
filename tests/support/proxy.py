"""A TCP proxy that does to a connection what networks do: delays it, lets it stall, cuts it at one end or at both."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any


class Proxy:
    """Passes bytes on to ``target``, host:port or the path of a Unix socket. Settings hold from the next bytes on."""

    def __init__(self, target: str) -> None:
        self.delay_seconds = 0.0
        self.cut_after_up: int | None = None
        """Cut when so many bytes more have come from the client; once. ``cut_after_down``: from the server."""
        self.cut_after_down: int | None = None
        self.accepted = 0
        self.down: bytearray | None = None
        """Keeps all that comes from the server, where a test sets it."""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_clients: set[asyncio.StreamWriter] = set()
        self._hides_end = False

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Listen on a free port within the block."""
        thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        thread.start()
        server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._do(self._end(server))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def cut(self) -> None:
        """Break every connection without a close frame."""
        self._loop.call_soon_threadsafe(self._abort, self._writers)

    def cut_unnoticed_by_the_server(self) -> None:
        """Break every connection at the client's end; the server's end stays open, and silent."""
        self._hides_end = True
        self._loop.call_soon_threadsafe(self._abort, self._to_clients)

    def stall(self) -> None:
        """Pass nothing on, keep every connection open."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        """Go on."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _abort(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in writers:
            writer.transport.abort()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._target.startswith("/"):
            server, to_server = await asyncio.open_unix_connection(self._target)
        else:
            server, to_server = await asyncio.open_connection(*self._target.split(":"))
        self._writers |= {to_client, to_server}
        self._to_clients.add(to_client)
        with contextlib.suppress(asyncio.CancelledError):  # asyncio logs a cancelled handler as an error
            await asyncio.gather(self._pass(client, to_server, up=True), self._pass(server, to_client, up=False))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                await asyncio.sleep(self.delay_seconds)
                self._count(len(data), "cut_after_up" if up else "cut_after_down")
                if not up and self.down is not None:
                    self.down += data
                sink.write(data)
                await sink.drain()
        if not (up and self._hides_end):
            sink.close()

    def _count(self, size: int, limit: str) -> None:
        if (left := getattr(self, limit)) is not None:
            setattr(self, limit, left - size if left > size else None)
            if left <= size:
                self._abort(self._writers)

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        self._abort(self._writers)
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
