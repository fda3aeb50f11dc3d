"""Weights as Flower's records. All SuperNodes share the record of a round's weights."""

import threading

from flwr.app import ArrayRecord

from federation.transport.exchange import Content
from federation.weights.flower_content import flower_arrays


class WeightRecords:
    """Keeps the record of the weights that were sent last: Flower then stores them once. For worker threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[str, ArrayRecord] | None = None

    def record(self, content: Content) -> ArrayRecord:
        """Return the weights as Flower's record."""
        with self._lock:
            if self._last is None or self._last[0] != content.id:
                entries, arrays = content.layout.entries, content.layout.unpack(content.buffer)
                named = ((entry.name, array) for entry, array in zip(entries, arrays, strict=True))
                self._last = (content.id, flower_arrays(named))
            return self._last[1]
