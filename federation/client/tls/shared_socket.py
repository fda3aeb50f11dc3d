"""A TLS socket that one thread reads while others write: OpenSSL's object may be used by one thread at a time.

``ssl.SSLSocket`` leaves that to its users, and websockets reads and writes in different threads. A thread that has to
wait does so outside the lock, so that neither direction stops the other.
"""

import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

RECORD_BYTES = 16 * 1024
"""The most that one record of TLS holds."""


class SharedTlsSocket(ssl.SSLSocket):
    """A client's TLS socket; before the end of the handshake it belongs to one thread, as any other."""

    _turn: "threading.Lock | None" = None
    _seconds: float | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands; from then on the system's socket never blocks."""
        super().do_handshake(block)
        self._seconds, self._turn = self.gettimeout(), threading.Lock()
        super().settimeout(0.0)

    def settimeout(self, value: float | None) -> None:
        """Set how long a call may wait, in seconds."""
        self._seconds = value
        if self._turn is None:
            super().settimeout(value)

    def recv(self, buflen: int = RECORD_BYTES, flags: int = 0) -> bytes:
        """Return what has come, about ``buflen`` bytes of it at most; b"" at the end. OpenSSL holds nothing back."""
        assert self._turn is not None
        while True:
            with self._turn:
                parts = self._read_records(buflen)
            if parts is not None:
                return parts
            self._wait(select.POLLIN)

    def _read_records(self, most: int) -> bytes | None:
        parts: list[bytes] = []
        size = 0
        try:
            while size < most or self.pending():
                part = super().recv(RECORD_BYTES)
                if not part:
                    return b"".join(parts)
                parts.append(part)
                size += len(part)
        except ssl.SSLWantReadError:
            if not parts:
                return None
        return b"".join(parts)

    def send(self, data: "Buffer", flags: int = 0) -> int:
        """Send some of the data, and return how much."""
        assert self._turn is not None
        while True:
            with self._turn:
                try:
                    return super().send(data, flags)
                except ssl.SSLWantWriteError:
                    pass
            self._wait(select.POLLOUT)

    def shutdown(self, how: int) -> None:
        """Shut the connection down, which wakes a thread that waits for it; what has come can still be read."""
        socket.socket.shutdown(self, how)

    def _wait(self, event: int) -> None:
        waiting = select.poll()
        waiting.register(self, event)
        if not waiting.poll(None if self._seconds is None else self._seconds * 1000):
            raise TimeoutError(f"no progress within {self._seconds:.0f} seconds")
