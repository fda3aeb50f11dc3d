"""Curves of long runs that were drawn lately: a committed round never changes, so only what came since is read."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.charts.downsampling import Curve, Stretch, curves_of

MOST_KEPT, MOST_NEWER = 16, 400
Key = tuple[int, str, tuple[str, ...], tuple[int, ...], int]


class Overviews:
    """Keeps the thinned curves of whole runs, about a megabyte each. Any thread may ask."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[list[Curve], int]] = OrderedDict()
        self._lock = threading.Lock()

    def curves_of(
        self, session: Session, run_id: int, phase: str, metrics: Sequence[str], clients: Sequence[int],
        since: datetime, stretch: Stretch,
    ) -> tuple[list[Curve], int]:  # fmt: skip
        """Return what the function of this name does; of a whole run what is kept, and the rounds since as they are."""
        if stretch.after >= 0 or stretch.last is not None:
            return curves_of(session, run_id, phase, metrics, clients, since, stretch)
        key = (run_id, phase, tuple(metrics), tuple(clients), stretch.buckets)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            curves, total = kept
            later = Stretch(after=curves[0].rounds[-1])
            newer, more = curves_of(session, run_id, phase, metrics, clients, since, later)
            if more <= MOST_NEWER:
                return [_joined(old, new) for old, new in zip(curves, newer, strict=True)], total + more
        curves, total = curves_of(session, run_id, phase, metrics, clients, since, stretch)
        if stretch.size(total) > 1:
            self._keep(key, curves, total)
        return curves, total

    def _keep(self, key: Key, curves: list[Curve], total: int) -> None:
        with self._lock:
            self._kept[key] = (curves, total)
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)


def _joined(old: Curve, new: Curve) -> Curve:
    return Curve(
        old.metric, old.rounds + new.rounds, old.seconds + new.seconds, old.work + new.work, old.bytes + new.bytes,
        old.mean + new.mean, old.odd | new.odd, old.least + new.least, old.low + new.low, old.high + new.high,
        old.most + new.most, {client_id: column + new.clients[client_id] for client_id, column in old.clients.items()},
    )  # fmt: skip
