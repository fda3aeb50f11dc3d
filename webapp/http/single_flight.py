"""Work that several threads want at the same time is done by one of them, and the others wait for its result."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from math import inf
from typing import Generic, TypeVar

MAX_ENTRIES = 64

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Makes a value once for all who ask for the same key within ``max_age`` seconds. A failure is not kept."""

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._flights: OrderedDict[Hashable, tuple[float, Future[T]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returns, here or in another thread that came before; raises what it raises."""
        with self._lock:
            begun, flight = self._flights.get(key, (-inf, Future[T]()))
            mine = time.monotonic() - begun >= self._max_age
            if mine:
                flight = Future()
                self._flights[key] = (time.monotonic(), flight)
                self._flights.move_to_end(key)
                if len(self._flights) > MAX_ENTRIES:
                    self._flights.popitem(last=False)
        if mine:
            self._run(key, flight, make)
        return flight.result()

    def _run(self, key: Hashable, flight: Future[T], make: Callable[[], T]) -> None:
        try:
            flight.set_result(make())
        except BaseException as error:
            with self._lock:
                if key in self._flights and self._flights[key][1] is flight:
                    del self._flights[key]
            flight.set_exception(error)
