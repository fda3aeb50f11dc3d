"""Sessions: one id a login, ended by the person, an admin or time, at once and in mid-session."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.support.asked import asked
from tests.support.dashboard import Dashboard, read_events
from tests.support.people import PASSWORD, acting, add_person, cookie_in, cookie_of, sign_in, token_of
from tests.support.processes import wait_until
from webapp.accounts.roles import Role
from webapp.db.repository.rows import change_row
from webapp.db.tables import User


@pytest.fixture
def ada(dashboard: Dashboard) -> int:
    add_person(dashboard, "root")
    return add_person(dashboard, "ada", "operator")


@pytest.fixture
def password(dashboard: Dashboard, ada: int) -> str:
    """The password of ada; tests that need none do without, because hashes take their time."""
    with dashboard.parts.database.write() as session:
        change_row(session, User, ada, password_hash=dashboard.parts.accounts.passwords.hash(PASSWORD))
    return PASSWORD


def role_of(dashboard: Dashboard, **headers: str) -> str | int:
    """Return the role with which a request is made, or the status of its refusal."""
    with acting(dashboard, **headers) as http:
        answer = http.get("/api/me")
        return str(answer.json()["role"]) if answer.status_code == 200 else answer.status_code


def test_a_login_gives_a_cookie_that_scripts_and_other_hosts_never_see(dashboard: Dashboard, password: str) -> None:
    with acting(dashboard) as http:
        answer = sign_in(http, "Ada", next="/runs?q=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/runs?q=1")
        name, _, rest = answer.headers["set-cookie"].partition("=")
        assert name == "__Host-meadow"
        assert {one.strip().lower() for one in rest.split(";")[1:]} == {
            "secure", "httponly", "samesite=lax", "path=/", "max-age=604800",
        }  # fmt: skip
        assert role_of(dashboard, Cookie=cookie_in(answer)) == "operator"


def test_a_login_leads_to_no_other_site(dashboard: Dashboard, ada: int) -> None:
    with acting(dashboard, Cookie=cookie_of(dashboard, "ada")) as http:
        assert http.get("/login", params={"next": "/runs?q=a%20b#x"}).headers["location"] == "/runs?q=a%20b#x"
        for other in ("//evil.example", "/\\evil.example", "https://evil.example", "/\tx", "", "/login", "/a\r\nA: b"):
            assert http.get("/login", params={"next": other}).headers["location"] == "/", other


def test_a_session_id_that_was_there_before_the_login_is_worth_nothing(dashboard: Dashboard, password: str) -> None:
    planted = "__Host-meadow=" + "planted" * 6
    with acting(dashboard, Cookie=planted) as http:
        first = cookie_in(sign_in(http, "ada"))
    assert first != planted and role_of(dashboard, Cookie=planted) == 401
    with acting(dashboard, Cookie=first) as http:
        second = cookie_in(sign_in(http, "ada"))
    assert role_of(dashboard, Cookie=first) == 401, "the login ends the session that the browser had"
    assert role_of(dashboard, Cookie=second) == "operator"


def test_signing_out_ends_the_session_here_or_everywhere(dashboard: Dashboard, ada: int) -> None:
    here, there, third = (cookie_of(dashboard, "ada") for _ in range(3))
    with acting(dashboard, Cookie=here) as http:
        answer = http.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert [role_of(dashboard, Cookie=one) for one in (here, there)] == [401, "operator"]
    with acting(dashboard, Cookie=there) as http:
        assert http.post("/logout/everywhere").status_code == 303
    assert [role_of(dashboard, Cookie=one) for one in (there, third)] == [401, 401]


def test_what_an_admin_changes_counts_from_the_next_request_on(dashboard: Dashboard, ada: int) -> None:
    people, cookie = dashboard.parts.accounts.people, cookie_of(dashboard, "ada")
    token = f"Bearer {token_of(dashboard, 'ada', 'operator')}"

    def roles() -> list[str | int]:
        return [role_of(dashboard, Cookie=cookie), role_of(dashboard, Authorization=token)]

    assert roles() == ["operator", "operator"]
    people.set_role(ada, Role.VIEWER)
    assert roles() == ["viewer", "viewer"], "a token is worth no more than its person"
    people.set_role(ada, Role.ADMIN)
    assert roles() == ["admin", "operator"]
    people.disable(ada)
    assert roles() == [401, 401]
    people.enable(ada)
    assert roles() == [401, "operator"], "a session does not come back"
    cookie = cookie_of(dashboard, "ada")
    people.set_password(ada, "another long password")  # takes a hash
    assert roles() == [401, "operator"]
    people.remove(ada)
    assert roles() == [401, 401]


@pytest.mark.parametrize(
    "change", ["UPDATE users SET role = 'viewer' WHERE name = 'ada'", "DELETE FROM sessions", "DELETE FROM api_tokens"]
)
def test_another_machine_s_change_in_the_database_counts_within_a_second(
    dashboard: Dashboard, ada: int, change: str
) -> None:
    cookie, token = cookie_of(dashboard, "ada"), f"Bearer {token_of(dashboard, 'ada', 'operator')}"
    headers = {"Authorization": token} if "tokens" in change else {"Cookie": cookie}
    assert role_of(dashboard, **headers) == "operator"
    with dashboard.parts.database.engine.begin() as connection:
        connection.execute(text(change))
    wait_until(lambda: role_of(dashboard, **headers) in ("viewer", 401), 3)


def test_an_open_stream_ends_with_the_access_of_its_reader(dashboard: Dashboard, ada: int) -> None:
    with acting(dashboard, Cookie=cookie_of(dashboard, "ada")) as http, http.stream("GET", "/api/events") as answer:
        lines = answer.iter_lines()
        assert next(lines)
        dashboard.parts.accounts.people.set_role(ada, Role.VIEWER)
        assert list(read_events(lines)) == [], "the stream ends; the reader comes again with the new role"


def test_the_first_account_ends_the_streams_of_the_local_mode(dashboard: Dashboard) -> None:
    with acting(dashboard) as http, http.stream("GET", "/api/events") as answer:
        assert answer.status_code == 200
        add_person(dashboard, "root")
        list(answer.iter_lines())
        assert http.get("/api/runs").status_code == 401


@pytest.mark.parametrize(
    ("created", "seen", "expires"),
    [(-1, -13, 24), (-169, -0.1, -1), (24, 24, 192)], ids=["idle", "over", "begins in the future"],
)  # fmt: skip
def test_a_session_ends_when_it_is_idle_or_old_or_the_clock_was_set_back(
    dashboard: Dashboard, ada: int, created: float, seen: float, expires: float
) -> None:
    cookie, now = cookie_of(dashboard, "ada"), datetime.now(UTC)
    times = {
        name: now + timedelta(hours=hours)
        for name, hours in (("created_at", created), ("last_seen_at", seen), ("expires_at", expires))
    }
    with dashboard.parts.database.engine.begin() as connection:
        values = {name: at.replace(tzinfo=None).isoformat(" ") for name, at in times.items()}
        connection.execute(text("UPDATE sessions SET " + ", ".join(f"{name} = :{name}" for name in values)), values)
    assert role_of(dashboard, Cookie=cookie) == 401


def test_only_what_a_person_does_keeps_a_session(dashboard: Dashboard, ada: int) -> None:
    cookie = cookie_of(dashboard, "ada")
    before = datetime.now(UTC) - timedelta(hours=11)

    def last_seen(**headers: str) -> datetime:
        with dashboard.parts.database.engine.begin() as connection:
            value = before.replace(tzinfo=None).isoformat(" ")
            connection.execute(text("UPDATE sessions SET last_seen_at = :at"), {"at": value})
        dashboard.parts.accounts.changes.note()
        assert role_of(dashboard, Cookie=cookie, **headers) == "operator"
        with dashboard.parts.database.engine.begin() as connection:
            stored = connection.execute(text("SELECT last_seen_at FROM sessions")).scalar_one()
        return datetime.fromisoformat(str(stored)).replace(tzinfo=UTC)

    assert last_seen(**{"Sec-Fetch-Dest": "empty"}) == before, "a page that refreshes itself"
    assert last_seen(**{"Sec-Fetch-Dest": "document"}) > before + timedelta(hours=10)


def test_a_request_with_a_session_or_a_token_costs_one_query_a_second(dashboard: Dashboard, ada: int) -> None:
    cookie, token = cookie_of(dashboard, "ada"), f"Bearer {token_of(dashboard, 'ada')}"
    for headers in ({"Cookie": cookie}, {"Authorization": token}):
        with acting(dashboard, **headers) as http, asked(dashboard.parts.database.engine) as statements:
            for _ in range(5):
                assert http.get("/api/me").status_code == 200
        of_accounts = [one for one, _ in statements if "users" in one]
        assert 1 <= len(of_accounts) <= 3, "a slow machine may need more than a second"


def test_the_local_mode_asks_the_database_nothing(dashboard: Dashboard) -> None:
    with asked(dashboard.parts.database.engine) as statements:
        assert dashboard.http.get("/api/me").json() == {"kind": "local", "name": "local", "role": "admin"}
    assert statements == []
