"""Memory for the replies of all clients: how many bytes may be in flight at once, and buffers that are used again.

Everything here runs on the Flower server's event loop.
"""

from collections import deque
from collections.abc import Callable

from federation.transport.exchange import Assignment


class ReplyBudget:
    """Bytes of replies in flight: requests are granted in order while they fit, and always at least one.

    ``grant`` is called with the assignment and the size, within ``request`` or ``give_back``.
    """

    def __init__(self, limit_bytes: int, grant: Callable[[Assignment, int], None]) -> None:
        self.limit_bytes, self.used_bytes, self._grant = limit_bytes, 0, grant
        self._requests: deque[tuple[Assignment, int]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait for room."""
        return len(self._requests)

    def request(self, assignment: Assignment, size_bytes: int) -> None:
        """Grant a number of bytes now, or as soon as there is room."""
        self._requests.append((assignment, size_bytes))
        self._grant_waiting()

    def cancel_request(self, assignment: Assignment) -> None:
        """Remove a request that waits."""
        self._requests = deque(request for request in self._requests if request[0] is not assignment)

    def give_back(self, size_bytes: int) -> None:
        """Return bytes that were granted, and grant what waits."""
        self.used_bytes -= size_bytes
        self._grant_waiting()

    def _grant_waiting(self) -> None:
        while self._requests and (not self.used_bytes or self.used_bytes + self._requests[0][1] <= self.limit_bytes):
            assignment, size_bytes = self._requests.popleft()
            self.used_bytes += size_bytes
            self._grant(assignment, size_bytes)


class SpareBuffers:
    """Memory of used contents: the system takes longer to give fresh pages than a content takes to fill them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._free: list[bytearray] = []

    def allocate(self, size_bytes: int) -> bytearray:
        """Return memory of that size; it may still hold an older content."""
        if self._free and len(self._free[0]) == size_bytes:
            return self._free.pop()
        return bytearray(size_bytes)

    def recycle(self, buffer: bytearray) -> None:
        """Keep memory for the next content, as long as all of it is of one size and within ``max_bytes``."""
        if self._free and len(self._free[0]) != len(buffer):
            self._free = []
        if (len(self._free) + 1) * len(buffer) <= self._max_bytes:
            self._free.append(buffer)
