"""Work that several threads want: done once, forgotten when it failed or is too old."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.processes import wait_until
from webapp.http.single_flight import MAX_ENTRIES, SingleFlight

HOUR = 3600.0


def test_threads_that_ask_at_the_same_time_wait_for_one_answer() -> None:
    flights, begun, let = SingleFlight[int](HOUR), list[int](), threading.Event()

    def make() -> int:
        begun.append(1)
        assert let.wait(10)
        return len(begun)

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(flights.get, "key", make) for _ in range(20)]
        wait_until(lambda: begun, what="one has begun")
        let.set()
        assert [answer.result(10) for answer in answers] == [1] * 20
    assert flights.get("key", make) == 1, "kept while it is fresh"
    assert flights.get("other key", make) == 2


def test_an_answer_that_is_too_old_is_made_anew() -> None:
    flights, made = SingleFlight[object](0.0), [object(), object()]
    assert [flights.get("key", lambda: made[0]), flights.get("key", lambda: made[1])] == made


def test_a_failure_reaches_those_who_wait_and_is_not_kept() -> None:
    flights, begun, let = SingleFlight[int](HOUR), threading.Event(), threading.Event()

    def fail() -> int:
        begun.set()
        assert let.wait(10)
        raise ValueError("broken")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flights.get, "key", fail)
        assert begun.wait(10)
        second = pool.submit(flights.get, "key", fail)
        let.set()
        for answer in (first, second):
            with pytest.raises(ValueError, match="broken"):
                answer.result(10)
    assert flights.get("key", lambda: 7) == 7


def test_the_oldest_answer_is_forgotten_where_there_are_many() -> None:
    flights = SingleFlight[int](HOUR)
    for key in range(MAX_ENTRIES + 1):
        flights.get(key, lambda key=key: key)  # type: ignore[misc]
    assert flights.get(MAX_ENTRIES, lambda: -1) == MAX_ENTRIES
    assert flights.get(0, lambda: -1) == -1
