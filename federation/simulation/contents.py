"""The weights that the clients of a process have received: one copy of each, whatever the number of clients."""

from federation.client.content_assembly import Contents
from federation.weights.layout import Buffer

KEPT = 2
"""A round's weights, and those of the round before, which slower clients still train."""


class SharedContents(Contents):
    """Keeps the contents that arrived last. Used on the event loop only."""

    def __init__(self) -> None:
        self._kept: dict[str, Buffer] = {}

    def find(self, content: str) -> Buffer | None:
        """Return the content with that id, where a client has received it of late."""
        return self._kept.get(content)

    def keep(self, content: str, buffer: Buffer) -> Buffer:
        """Return the buffer that holds the content with that id: one of an earlier client, or this one."""
        kept = self._kept.setdefault(content, buffer)
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return kept
