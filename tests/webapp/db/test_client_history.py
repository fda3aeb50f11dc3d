"""What the list of clients shows of their last rounds: the same on either database, in a fixed number of statements."""

import random

import pytest

from federation.run.events import Outcome
from federation.run.states import RunState
from tests.support.asked import asked
from tests.support.books import Books, done, reply
from webapp.db.repository.client_history import AWAY_ROUNDS, recent_outcomes

LAST = 20


@pytest.fixture
def books_url(database_url: str) -> str:
    return database_url


def play(books: Books, clients: list[int], seed: int, rounds: int) -> dict[int, list[str]]:
    """Play a run in which 30 % of the online clients train in a round and all of them evaluate; return the outcomes.

    Some clients stay away for some rounds, and some rounds take two attempts.
    """
    drawn = random.Random(seed)
    expected: dict[int, list[str]] = {client: [] for client in clients}
    run_id = books.start_run(num_rounds=rounds)
    for number in range(rounds + 1):
        online = [client for client in clients if drawn.random() > 0.1]
        sampled = [client for client in online if number > 0 and drawn.random() < 0.3]
        attempts = drawn.choice([1] * 9 + [2])
        for attempt in range(1, attempts + 1):
            for client in sampled:
                outcome: Outcome = drawn.choice(["accepted", "accepted", "late", "lost"])
                books.runs.record(reply(run_id, number, client, "train", outcome, attempt=attempt))
                if attempt == attempts:
                    expected[client].append(outcome)
        for client in online:
            books.runs.record(reply(run_id, number, client, "evaluate", attempt=attempts))
        books.runs.record(done(run_id, number, attempts))
        for client in set(clients) - set(online):
            expected[client] += ["away"] if expected[client] else []
    books.runs.move(run_id, RunState.COMPLETED)
    return expected


def queries_for(books: Books, clients: list[int]) -> int:
    with books.database.read() as session, asked(books.database.engine) as statements:
        recent_outcomes(session, clients, LAST)
    return sum(one.startswith(("SELECT", "WITH")) for one, _ in statements)


def test_the_last_rounds_of_many_clients_take_three_queries(books: Books) -> None:
    clients = books.add_clients(*(f"site-{number}" for number in range(50)))
    first, second = play(books, clients, 1, 24), play(books, clients, 2, 24)
    expected = {client: (first[client] + second[client])[-LAST:] for client in clients}
    with books.database.read() as session:
        found = recent_outcomes(session, clients, LAST)
    assert found == {client: outcomes for client, outcomes in expected.items() if outcomes}
    assert {"away", "late", "accepted"} <= {one for mine in found.values() for one in mine}
    assert queries_for(books, clients) == queries_for(books, clients[:2]) == 3
    assert queries_for(books, []) == 1


def test_rounds_away_are_looked_for_in_the_last_rounds_of_a_run_alone(books: Books) -> None:
    (client,) = books.add_clients("site-a")
    run_id = books.start_run(num_rounds=AWAY_ROUNDS + 20)
    for number in range(AWAY_ROUNDS + 11):
        if number in (1, 5, AWAY_ROUNDS + 5):
            books.runs.record(reply(run_id, number, client))
        books.runs.record(done(run_id, number))
    with books.database.read() as session:
        found = recent_outcomes(session, [client], 2 * AWAY_ROUNDS)[client]
    assert found == ["accepted"] * 2 + ["away"] * (AWAY_ROUNDS - 6) + ["accepted"] + ["away"] * 5
