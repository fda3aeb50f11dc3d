"""Accounts: the first one, by page, command or file; what admins do to others; the last admin stays."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.support.dashboard import Dashboard, named, running
from tests.support.markup import flash_of, get_page, parse
from tests.support.people import PASSWORD, acting, add_person, cookie_in, cookie_of
from webapp.__main__ import main
from webapp.accounts.changes import AccountChanges
from webapp.accounts.first_account import AccountMissing, ensure_first_account
from webapp.accounts.passwords import Passwords
from webapp.accounts.people import People
from webapp.accounts.roles import Role
from webapp.db.database import Database
from webapp.db.migrations import migrate_database
from webapp.problems import Conflict

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``python -m webapp users`` on the dashboard's data; give the exit code and what was said."""

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(["users", *arguments, "--data-dir", str(dashboard.parts.settings.data_dir)])
        said = capsys.readouterr()
        return code, (said.err if code else said.out).strip()

    return run


def test_the_first_account_is_made_on_a_page_and_ends_the_local_mode(dashboard: Dashboard) -> None:
    http = dashboard.http
    home = get_page(http, "/")
    assert "Local mode: everyone on this machine has full access." in home.one("footer").text
    assert home.one("footer").one("a")["href"] == "/setup"
    assert http.get("/people").headers["location"] == http.get("/account").headers["location"] == "/setup"
    fields = {"name": "Ada", "password": PASSWORD, "again": PASSWORD}
    for wrong in ({"again": "x"}, {"name": "local"}, {"name": "a b"}, {"password": "short", "again": "short"}):
        refused = http.post("/setup", data=fields | wrong)
        assert refused.status_code == 422 and parse(refused.text).one("p", role="alert").text
    answer = http.post("/setup", data=fields)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/people")
    assert http.get("/").status_code == 401
    with acting(dashboard, Cookie=cookie_in(answer)) as ada:
        page = get_page(ada, answer.headers["location"])
        assert flash_of(page) == "The account ada was created. From now on everyone signs in."
        assert "Local mode" not in page.one("footer").text
        assert page.one("summary").text == "ada admin"
        assert ada.post("/setup", data=fields).status_code == 409
    assert http.post("/setup", data=fields).status_code == 401


def test_of_two_first_accounts_at_once_one_is_made(dashboard: Dashboard) -> None:
    begin, statuses = threading.Barrier(2), list[int]()

    def create(name: str) -> None:
        begin.wait(10)
        fields = {"name": name, "password": PASSWORD, "again": PASSWORD}
        with acting(dashboard) as http:
            statuses.append(http.post("/setup", data=fields).status_code)

    threads = [threading.Thread(target=create, args=(name,)) for name in ("ada", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses)[0] == 303 and sorted(statuses)[1] in (401, 409)
    assert len(dashboard.parts.accounts.people.list()) == 1


def test_commands_change_accounts_of_a_running_dashboard_at_once(dashboard: Dashboard, command: Command) -> None:
    assert dashboard.http.get("/api/me").status_code == 200
    assert command("list") == (0, "There are no accounts.")
    assert command("add", "ada", "--role", "viewer", typed=f"{PASSWORD}\n") == (
        1,
        "The first account must be an admin.",
    )
    assert command("add", "ada", "--role", "admin", typed="short\n")[0] == 1
    assert command("add", "ada", "--role", "admin", typed=f"{PASSWORD}\n")[0] == 0
    assert dashboard.http.get("/api/me").status_code == 401, "the local mode has ended"
    assert command("add", "ben", typed=f"{PASSWORD}\n")[0] == 0
    with acting(dashboard, Cookie=cookie_of(dashboard, "ben")) as http:
        assert http.get("/api/me").json()["role"] == "viewer"
        assert command("role", "ben", "operator")[0] == 0
        assert http.get("/api/me").json()["role"] == "operator"
        assert command("disable", "ben")[0] == 0
        assert http.get("/api/me").status_code == 401
    assert command("list") == (0, "ada  admin\nben  operator  disabled")
    assert command("remove", "ada") == (1, "ada is the only admin: give another person the role first.")
    assert command("remove", "ben")[0] == command("password", "ada", typed=f"{PASSWORD}2\n")[0] == 0
    assert command("remove", "ben") == (1, "There is no account ben.")


def test_a_command_takes_no_password_as_an_argument(dashboard: Dashboard, command: Command) -> None:
    with pytest.raises(SystemExit) as caught:
        command("add", "ada", "--password", PASSWORD)
    assert caught.value.code == 2


def test_a_file_with_a_password_makes_the_first_admin_and_no_other(dashboard: Dashboard, tmp_path: Path) -> None:
    file, parts = tmp_path / "password", dashboard.parts
    settings = parts.settings.model_copy(update={"admin_password_file": file, "host": "0.0.0.0"})
    with pytest.raises(AccountMissing, match=r"^--admin-password-file .*cannot be read: No such file"):
        ensure_first_account(parts.accounts, settings)
    file.write_text("short\n")
    with pytest.raises(AccountMissing, match="A password has 10 to 200 characters"):
        ensure_first_account(parts.accounts, settings)
    file.write_text(f"{PASSWORD}\n")
    ensure_first_account(parts.accounts, settings)
    ensure_first_account(parts.accounts, settings)
    assert [(one.name, one.role) for one in parts.accounts.people.list()] == [("admin", "admin")]
    assert parts.accounts.sessions.sign_in("admin", PASSWORD, "127.0.0.1")


def test_an_admin_manages_people_on_their_page(dashboard: Dashboard) -> None:
    add_person(dashboard, "root")
    with acting(dashboard, Cookie=cookie_of(dashboard, "root")) as http:
        new = {"name": "Ben", "password": PASSWORD, "role": "viewer"}
        assert http.post("/people", data=new).status_code == 303
        assert http.post("/people", data=new).status_code == 409
        assert http.post("/people", data=new | {"name": "x", "role": "god"}).status_code == 422
        ben = dashboard.parts.accounts.people.find("ben").id
        for verb, data in (("role", {"role": "operator"}), ("password", {"password": PASSWORD}), ("disable", {})):
            assert http.post(f"/people/{ben}/{verb}", data=data).status_code == 303
        page = get_page(http, "/people")
        assert [row.one("th").text for row in page.one("tbody").all("tr")] == ["ben disabled", "root"]
        assert http.post(f"/people/{ben}/enable").status_code == 303
        assert "Remove ben?" in get_page(http, f"/people/{ben}/remove").one("h1").text
        assert http.post(f"/people/{ben}/remove").status_code == 303
        root = dashboard.parts.accounts.people.find("root").id
        for verb, data in (("remove", {}), ("disable", {}), ("role", {"role": "viewer"})):
            assert http.post(f"/people/{root}/{verb}", data=data).status_code == 409, verb


def test_the_api_of_accounts_takes_no_field_that_it_does_not_know(dashboard: Dashboard) -> None:
    http = dashboard.http
    made = http.post("/api/users", json={"name": "ada", "password": PASSWORD, "role": "admin"})
    assert made.status_code == 201 and "password" not in made.text.replace("has_password", "")
    with acting(dashboard, Cookie=cookie_of(dashboard, "ada")) as ada:
        assert named(ada.post("/api/users", json={"name": "b", "password": PASSWORD, "id": 1}), 422) == {"id"}
        assert named(ada.post("/api/users", json={"name": "b", "password": "short"}), 422) == {"password"}
        assert "short" not in ada.post("/api/users", json={"name": "b", "password": "short"}).text
        assert named(ada.post("/api/users/1/role", json={"role": "owner"}), 422) == {"role"}
        assert named(ada.post("/api/runs", json={"role": "admin", "state": "completed"}), 422) == {"role", "state"}
        assert ada.get("/api/users").json()["items"][0]["name"] == "ada"
        assert ada.delete("/api/users/1").status_code == 409


def test_a_restored_backup_brings_no_session_back(dashboard: Dashboard, tmp_path: Path) -> None:
    add_person(dashboard, "ada")
    cookie, data = cookie_of(dashboard, "ada"), str(dashboard.parts.settings.data_dir)
    assert main(["db", "backup", str(tmp_path / "one.tar"), "--data-dir", data]) == 0
    with acting(dashboard, Cookie=cookie) as http:
        assert http.post("/logout").status_code == 303
    again = tmp_path / "again"
    assert main(["db", "restore", str(tmp_path / "one.tar"), "--data-dir", str(again / "data")]) == 0
    with running(again) as restored, acting(restored, Cookie=cookie) as http:
        assert http.get("/api/me").status_code == 401
        assert [person.name for person in restored.parts.accounts.people.list()] == ["ada"]


def test_two_admins_who_take_each_other_s_role_at_once_leave_one(database_url: str, tmp_path: Path) -> None:
    """Each has a database object of its own, as the dashboard and a command have: no lock of this process decides."""
    migrate_database(database_url)
    databases = [Database(database_url) for _ in range(2)]
    both = [People(one, Passwords(), AccountChanges(tmp_path / "changes")) for one in databases]
    try:
        ids = [both[0].add(name, None, Role.ADMIN).id for name in ("ada", "ben")]
        for _ in range(10):
            together = Barrier(2)

            def take(number: int, together: Barrier = together) -> bool:
                together.wait(10)
                try:
                    return both[number].set_role(ids[1 - number], Role.VIEWER).role is Role.VIEWER
                except Conflict:
                    return False

            with ThreadPoolExecutor(2) as pool:
                assert sorted(pool.map(take, range(2))) == [False, True]
            for user_id in ids:
                both[0].set_role(user_id, Role.ADMIN)
    finally:
        for one in databases:
            one.close()
