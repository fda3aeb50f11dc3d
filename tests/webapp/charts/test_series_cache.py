"""Series that were read before: only what came since is read, once for all who ask, and no session sees the future."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.support.asked import asked
from tests.support.books import Books
from webapp.charts.series_cache import SeriesCache
from webapp.db.repository.runs import get_run
from webapp.db.repository.series import Series


def read(books: Books, cache: SeriesCache, run_id: int, metric: str = "accuracy") -> Series:
    with books.database.read() as session:
        run = get_run(session, run_id)
        assert run is not None
        return cache.read(session, run, "evaluate", metric)


def test_only_the_rounds_that_came_since_are_read(books: Books) -> None:
    (client,) = books.add_clients("site-a")
    run_id, cache = books.start_run(num_rounds=9), SeriesCache()
    for number in range(4):
        books.play_round(run_id, number, [client], accuracy=0.1 * number)
    assert read(books, cache, run_id)["round"].tolist() == [0, 1, 2, 3]

    with asked(books.database.engine) as statements:
        read(books, cache, run_id)
    assert not [one for one, _ in statements if "rounds" in one.partition("FROM")[2]]

    books.play_round(run_id, 4, [client], accuracy=0.4)
    with asked(books.database.engine) as statements:
        grown = read(books, cache, run_id)
    (parameters,) = [given for one, given in statements if "FROM rounds" in one]
    assert 3 in parameters, "rounds after the third"
    whole = read(books, SeriesCache(), run_id)
    assert grown["round"].tolist() == whole["round"].tolist() == [0, 1, 2, 3, 4]
    assert (grown.rows == whole.rows).all()
    assert grown["sent"].tolist() == [6000, 12_000, 18_000, 24_000, 30_000]


def test_threads_that_ask_for_one_series_cost_one_read(books: Books) -> None:
    run_id, cache, together = books.start_run(num_rounds=40), SeriesCache(), threading.Barrier(10)
    for number in range(30):
        books.play_round(run_id, number, [], accuracy=0.5)

    def ask(_: int) -> int:
        together.wait(10)
        return len(read(books, cache, run_id))

    with asked(books.database.engine) as statements, ThreadPoolExecutor(10) as pool:
        assert list(pool.map(ask, range(10))) == [30] * 10
    assert sum("FROM rounds" in one for one, _ in statements) == 1


def test_a_session_sees_no_round_that_was_committed_after_it_began(books: Books) -> None:
    run_id, cache = books.start_run(num_rounds=9), SeriesCache()
    books.play_round(run_id, 0, [], accuracy=0.5)
    with books.database.read() as session:
        run = get_run(session, run_id)
        assert run is not None
        for number in (1, 2):
            books.play_round(run_id, number, [], accuracy=0.5)
        assert len(read(books, cache, run_id)) == 3
        assert cache.read(session, run, "evaluate", "accuracy")["round"].tolist() == [0]
    assert len(read(books, cache, run_id)) == 3


def test_the_cache_forgets_what_was_not_asked_for_lately(books: Books) -> None:
    run_id, cache = books.start_run(num_rounds=2), SeriesCache(max_rounds=250)
    books.play_round(run_id, 0, [], accuracy=0.5)

    def reads(metric: str) -> int:
        with asked(books.database.engine) as statements:
            read(books, cache, run_id, metric)
        return sum("FROM rounds" in one for one, _ in statements)

    assert [reads(metric) for metric in ("a", "b", "a", "c", "a", "b")] == [1, 1, 0, 1, 0, 1]
