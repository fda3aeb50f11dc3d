"""Passwords at the door: how many tries, what is said, and over which connection."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher, extract_parameters

from tests.support.dashboard import Dashboard, running
from tests.support.people import PASSWORD, acting, add_person, cookie_in, cookie_of, sign_in
from webapp.accounts.passwords import OF_NO_ONE, Passwords
from webapp.accounts.throttle import MAX_KEYS, Throttle, TooManyAttempts, keys_of
from webapp.db.repository.accounts.users import find_user
from webapp.db.repository.rows import change_row
from webapp.db.tables import User


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared"), allowed_hosts="lab.example") as dashboard:
        add_person(dashboard, "ada", password=PASSWORD)
        yield dashboard


@pytest.fixture
def http(shared: Dashboard) -> Iterator[httpx.Client]:
    shared.parts.accounts.throttle.clear()
    with acting(shared) as client:
        yield client


def test_ten_wrong_passwords_a_minute_and_then_the_right_one_is_refused_too(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard, acting(dashboard) as http:
        add_person(dashboard, "ada", password=PASSWORD)
        statuses = [sign_in(http, "ada", "wrong").status_code for _ in range(10)]
        assert statuses == [401] * 10
        answer = sign_in(http, "ada")
        assert (answer.status_code, "set-cookie" in answer.headers) == (429, False)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "Too many failed attempts" in answer.text
        assert sign_in(http, "someone else").status_code == 429, "the address has used up its tries"


def test_the_throttle_counts_names_and_addresses_and_forgets_within_a_minute() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for number in range(10):
        throttle.begin(("name", "ada"), ("address", f"10.0.0.{number}"))
    with pytest.raises(TooManyAttempts, match="60 s"):
        throttle.begin(("name", "ada"), ("address", "10.0.1.1"))
    now[0] = 59.5
    with pytest.raises(TooManyAttempts, match="1 s"):
        throttle.begin(("name", "ada"), ("address", "10.0.1.1"))
    now[0] = 60.0
    throttle.succeed(throttle.begin(("name", "ada"), ("address", "10.0.1.1")))
    for number in range(10):
        throttle.begin(("name", f"guess {number}"), ("address", "10.0.1.1"))
    with pytest.raises(TooManyAttempts):
        throttle.begin(("name", "ada"), ("address", "10.0.1.1"))
    throttle.begin(("name", "ada"), ("address", "10.0.1.2"))
    assert keys_of("ada", "2001:db8::1") == keys_of("ada", "2001:db8::ffff"), "one host has a whole network of IPv6"


def test_the_throttle_takes_little_memory_however_many_strangers_come() -> None:
    throttle = Throttle()
    for number in range(3 * MAX_KEYS):
        throttle.begin(("name", str(number)))
    assert throttle.size == MAX_KEYS


def test_an_unknown_name_is_told_as_a_wrong_password_is_after_the_same_work(http: httpx.Client) -> None:
    known, unknown = (sign_in(http, name, "wrong") for name in ("ada", "ben"))
    assert known.status_code == unknown.status_code == 401
    assert known.text.replace('value="ada"', "") == unknown.text.replace('value="ben"', "")
    assert "Name or password is wrong." in known.text
    assert extract_parameters(OF_NO_ONE) == extract_parameters(Passwords().hash(PASSWORD))


def test_nobody_signs_in_to_a_disabled_account(shared: Dashboard, http: httpx.Client) -> None:
    people = shared.parts.accounts.people
    eve = people.add("eve", PASSWORD, people.find("ada").role)
    people.disable(eve.id)
    assert sign_in(http, "eve").status_code == 401
    people.remove(eve.id)


def test_a_hash_of_older_parameters_is_replaced_at_the_next_login(shared: Dashboard, http: httpx.Client) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    database = shared.parts.database
    with database.write() as session:
        change_row(session, User, shared.parts.accounts.people.find("ada").id, password_hash=old)
    assert sign_in(http, "ada", "wrong password").status_code == 401
    assert sign_in(http, "ada").status_code == 303
    with database.read() as session:
        user = find_user(session, "ada")
    assert user is not None and user.password_hash is not None
    assert extract_parameters(user.password_hash) == extract_parameters(OF_NO_ONE)
    assert sign_in(http, "ada").status_code == 303


def test_a_login_over_plain_http_to_another_host_name_is_refused_with_the_reason(
    shared: Dashboard, http: httpx.Client
) -> None:
    named = {"Host": "lab.example"}
    page = http.get("/login", headers=named)
    assert page.status_code == 200 and "Browsers drop the session cookie of lab.example" in page.text
    answer = http.post("/login", data={"name": "ada", "password": PASSWORD}, headers=named)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert "set --public-url" in answer.text
    assert sign_in(http, "ada").status_code == 303, "loopback is as good as TLS"


def test_behind_a_proxy_with_tls_people_sign_in_at_its_name_alone(tmp_path: Path) -> None:
    with running(tmp_path, public_url="https://lab.example", allowed_hosts="other.example") as dashboard:
        with acting(dashboard) as http:
            assert http.get("/api/runs").status_code == 401, "others reach it: there is no local mode"
        add_person(dashboard, "ada", password=PASSWORD)
        with acting(dashboard, Host="other.example") as http:
            answer = sign_in(http, "ada")
            assert answer.status_code == 403 and "Sign in at https://lab.example instead." in answer.text
        with acting(dashboard, Host="lab.example") as http:
            forwarded = {"X-Forwarded-For": "1.2.3.4, 203.0.113.9", "Origin": "https://lab.example"}
            answer = http.post("/login", data={"name": "ada", "password": PASSWORD}, headers=forwarded)
            assert answer.status_code == 303
            page = http.get("/account", headers={"Cookie": cookie_in(answer)}).text
            assert "203.0.113.9" in page and "1.2.3.4" not in page


def test_the_own_password_is_changed_by_who_knows_the_old_one(shared: Dashboard, http: httpx.Client) -> None:
    add_person(shared, "lin", "viewer", PASSWORD)
    here, there = cookie_of(shared, "lin"), cookie_of(shared, "lin")
    new = "another long password"

    def change(**fields: str) -> httpx.Response:
        given = {"old_password": PASSWORD, "password": new, "again": new, **fields}
        return http.post("/account/password", data=given, headers={"Cookie": here})

    for wrong, words in (
        ({"old_password": "wrong"}, "The present password is wrong."), ({"again": "x"}, "two new passwords differ"),
        ({"password": "short", "again": "short"}, "10 to 200 characters"),
        ({"password": "lin" * 100, "again": "lin" * 100}, "10 to 200 characters"),
    ):  # fmt: skip
        answer = change(**wrong)
        assert answer.status_code == 422 and words in answer.text
    after = cookie_in(change())
    statuses = [http.get("/api/me", headers={"Cookie": one}).status_code for one in (here, there, after)]
    assert statuses == [401, 401, 200]
    assert [sign_in(http, "lin").status_code, sign_in(http, "lin", new).status_code] == [401, 303]
