"""Join codes: good once and for an hour, for one key, whoever comes first and whatever the clock does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from federation.protocol.messages import Close, Hello
from federation.server.flower_server import Admission, AdmissionRefused
from webapp.db.database import Database
from webapp.db.migrations import migrate_database
from webapp.db.repository.clients import list_clients, move_client
from webapp.operations.connections.admission import Admissions
from webapp.operations.connections.join_attempts import MAX_ADDRESSES, MAX_FAILURES, JoinAttempts
from webapp.operations.connections.join_codes import ClientSettings, JoinCodes
from webapp.settings import Admission as Rule


class Gate:
    """Admissions over a database of their own, and a clock that the test sets."""

    def __init__(self, url: str, rule: Rule = "code") -> None:
        self.database, self.now = Database(url), datetime.now(UTC)
        self.codes = JoinCodes(self.database, lambda: self.now)
        self.admissions = Admissions(self.database, rule, 10, list, self.codes)

    def make(self) -> str:
        return self.codes.create("ann", ClientSettings())[1]

    def join(self, key: str, code: str | None = None, address: str = "10.0.0.1") -> Admission:
        return self.admissions.admit(key, Hello(public_key=key, signature="s", name=key, code=code), address)

    def refusal(self, key: str, code: str | None = None, address: str = "10.0.0.1") -> tuple[Close, str]:
        with pytest.raises(AdmissionRefused) as caught:
            self.join(key, code, address)
        return caught.value.code, str(caught.value).partition(";")[0]

    def known(self) -> list[str]:
        with self.database.read() as session:
            return [client.public_key for client in list_clients(session)]


@pytest.fixture
def gate(tmp_path: object, books_url: str) -> Iterator[Gate]:
    migrate_database(books_url)
    gate = Gate(books_url)
    yield gate
    gate.database.close()


def test_two_machines_with_one_code_at_once_and_exactly_one_is_enrolled(database_url: str) -> None:
    """Each has a dashboard's database object of its own: no lock of this process decides, but the database."""
    migrate_database(database_url)
    gates = [Gate(database_url) for _ in range(4)]
    try:
        for round_number in range(5):
            code, together = gates[0].make(), Barrier(len(gates))

            def ask(number: int, code: str = code, together: Barrier = together, at: int = round_number) -> str:
                together.wait(10)
                try:
                    return gates[number].join(f"{at}-{number}", code).state
                except AdmissionRefused as error:
                    return str(error).partition(";")[0]

            with ThreadPoolExecutor(len(gates)) as pool:
                answers = sorted(pool.map(ask, range(len(gates))))
            assert answers == ["admitted", *["this join code has been used by another client"] * 3]
            assert len(gates[0].known()) == round_number + 1, "one that is refused leaves nothing behind"
    finally:
        for one in gates:
            one.database.close()


def test_a_client_without_a_good_code_is_told_what_is_wrong_with_it(gate: Gate) -> None:
    assert gate.refusal("a")[0] is Close.CODE_NEEDED
    assert gate.refusal("a", "guess") == (Close.CODE_REFUSED, "this server knows no such join code")
    revoked, _ = gate.codes.create("ann", ClientSettings())
    used, late = gate.make(), gate.make()
    assert gate.join("first", used).state == "admitted"
    assert gate.refusal("b", used) == (Close.CODE_REFUSED, "this join code has been used by another client")
    secret = gate.make()
    gate.codes.revoke(gate.codes.list()[0][0].id)
    assert gate.refusal("b", secret) == (Close.CODE_REFUSED, "this join code was revoked")
    gate.now += timedelta(minutes=60)
    assert gate.refusal("c", late)[1] == "this join code has expired: a code is good for one hour"
    assert gate.known() == ["first"] and revoked.secret_hash not in (used, late, secret)


def test_the_key_that_used_a_code_comes_back_with_and_without_it(gate: Gate) -> None:
    code = gate.make()
    first = gate.join("a", code)
    gate.now += timedelta(days=1)
    assert [gate.join("a", again).client_id for again in (code, None, "another")] == [first.client_id] * 3


def test_a_code_that_a_known_client_brings_is_not_left_for_others(gate: Gate) -> None:
    gate.join("a", gate.make())
    code = gate.make()
    gate.join("a", code)
    assert gate.refusal("b", code)[1] == "this join code has been used by another client"


def test_a_code_restores_no_revoked_access_and_is_no_approval(gate: Gate, books_url: str) -> None:
    client = gate.join("a", gate.make())
    with gate.database.write() as session:
        move_client(session, client.client_id, "revoked", ("admitted",))
    code = gate.make()
    assert gate.join("a", code).state == "revoked"
    strict = Gate(books_url, "approve")
    assert strict.join("b", code).state == "pending", "approval is a person's alone"
    assert gate.join("b").state == "pending" and gate.join("b", gate.make()).state == "admitted"
    strict.database.close()


@pytest.mark.parametrize(
    ("jump", "is_good"),
    [
        (timedelta(minutes=59), True),
        (timedelta(minutes=61), False),
        (timedelta(days=365), False),
        (timedelta(seconds=-30), True),
        (timedelta(minutes=-2), False),
        (timedelta(days=-365), False),
    ],
)
def test_a_clock_that_jumps_never_lets_a_code_live_beyond_its_hour(gate: Gate, jump: timedelta, is_good: bool) -> None:
    code = gate.make()
    gate.now += jump
    if is_good:
        assert gate.join("a", code).state == "admitted"
    else:
        assert gate.refusal("a", code)[1].startswith("this join code has expired")


def test_an_address_that_fails_ten_times_waits_a_minute_and_known_clients_do_not(gate: Gate) -> None:
    gate.join("known", gate.make())
    for number in range(MAX_FAILURES):
        assert gate.refusal(f"{number}", "guess")[0] is Close.CODE_REFUSED
    code, sentence = gate.refusal("new", gate.make())
    assert code is Close.FULL and sentence.startswith("too many attempts to join from 10.0.0.1: try again in ")
    assert gate.join("known").state == "admitted"
    assert gate.join("elsewhere", gate.make(), "10.0.0.2").state == "admitted"


def test_failed_attempts_of_ever_new_addresses_take_bounded_memory_and_are_forgotten_after_a_minute() -> None:
    now = [0.0]
    attempts = JoinAttempts(lambda: now[0])
    for number in range(MAX_ADDRESSES + 5):
        for _ in range(MAX_FAILURES):
            attempts.fail(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert attempts.seconds_left("10.0.0.0") == 0.0 and attempts.seconds_left("10.0.1.0") == 60.0
    now[0] = 60.0
    assert attempts.seconds_left("10.0.1.0") == 0.0
    attempts.fail("10.0.1.0")
    assert attempts.seconds_left("10.0.1.0") == 0.0
