"""Join codes over API and pages, with light clients on the real stream lane."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.protocol.join_code import JoinCode
from federation.protocol.messages import Close
from tests.support.dashboard import Dashboard, named, running
from tests.support.light_client import LightClient
from tests.support.markup import get_page, parse
from tests.support.people import acting, add_person, token_of
from tests.support.processes import wait_until
from webapp.accounts.roles import Role
from webapp.db.tables import JoinCode as Row


@pytest.fixture
def coded(tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard that admits new clients by join code."""
    with running(tmp_path, admission="code") as made:
        yield made


def closed(client: LightClient) -> tuple[int, str]:
    return wait_until(lambda: client.closed, what="the close") or (0, "")


def test_a_code_made_over_the_api_admits_one_client_and_is_stored_only_as_a_hash(coded: Dashboard) -> None:
    answer = coded.http.post("/api/join-codes", json={"name": "site-a", "partition": 0, "partitions": 2})
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    made = answer.json()
    code = JoinCode.decode(made["code"])
    assert made["command"] == f"python -m federation.client --join {made['code']}"
    assert (code.server, code.name, code.partition, code.partitions) == (coded.flower_address, "site-a", 0, 2)
    with coded.stage() as stage:
        stranger = stage.add("stranger")
        assert closed(stranger)[0] == Close.CODE_NEEDED and stranger.welcome is None
        stage.add("site-a", code=code.secret)
        (client,) = coded.wait_for_clients(1)
        late = stage.add("late", code=code.secret)
        assert closed(late) == (Close.CODE_REFUSED, "this join code has been used by another client; press Add client "
                                                    "on the dashboard for a new one")  # fmt: skip
        (listed,) = coded.http.get("/api/join-codes").json()["items"]
    assert (listed["state"], listed["client_id"], listed["created_by"]) == ("used", client["id"], "local")
    assert [one["name"] for one in coded.http.get("/api/clients").json()["items"]] == ["site-a"]
    (joined,) = (one for one in coded.http.get("/api/audit").json()["items"] if one["action"] == "join")
    assert [joined[name] for name in ("actor_kind", "actor", "target", "address", "detail")] == [
        "client", "site-a", f"client {client['id']}", "127.0.0.1",
        {"code": listed["id"], "made_by": "local", "key": client["fingerprint"]},
    ]  # fmt: skip
    with coded.parts.database.read() as session:
        assert code.secret not in repr(vars(session.get_one(Row, listed["id"])))
    problem = coded.http.post(f"/api/join-codes/{listed['id']}/revoke")
    assert (problem.status_code, "revoke the access of the client" in problem.json()["detail"]) == (409, True)


def test_the_codes_of_a_person_who_may_make_none_any_more_are_revoked(coded: Dashboard) -> None:
    people = coded.parts.accounts.people
    add_person(coded, "root")
    endings: dict[str, Callable[[int], object]] = {
        "lowered": lambda user_id: people.set_role(user_id, Role.VIEWER), "disabled": people.disable,
        "removed": people.remove, "raised": lambda user_id: people.set_role(user_id, Role.ADMIN),
    }  # fmt: skip
    for name, end in endings.items():
        user_id = add_person(coded, name, "operator")
        with acting(coded, Authorization=f"Bearer {token_of(coded, name, 'operator')}") as http:
            assert http.post("/api/join-codes", json={}).status_code == 201
        end(user_id)
    states = {code.created_by: state for code, state in coded.parts.join_codes.list()}
    assert states == {"lowered": "revoked", "disabled": "revoked", "removed": "revoked", "raised": "open"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"partition": 2, "partitions": 2}, "partition"),
        ({"partition": 0}, "partitions"),
        ({"partitions": 2}, "partition"),
        ({"dataset": "secrets"}, "dataset"),
        ({"server": "lab:8080/x"}, "server"),
        ({"server": "ann@lab"}, "server"),
        ({"name": "x" * 65}, "name"),
        ({"role": "admin"}, "role"),
    ],
)
def test_settings_that_no_client_could_use_are_refused(coded: Dashboard, body: dict[str, object], field: str) -> None:
    assert named(coded.http.post("/api/join-codes", json=body), 422) == {field}
    assert coded.http.get("/api/join-codes").json()["items"] == []


def test_a_person_makes_a_code_sees_it_once_and_revokes_it(coded: Dashboard) -> None:
    for path in ("/", "/clients"):
        page = get_page(coded.http, path)
        assert page.all("a", href="/clients/add") and not page.all("code", id="join"), "no command without a code"
    form = {"name": "St. Anna", "dataset": "digits", "partition": "1", "partitions": "3", "server": "lab.example:80"}
    page = parse(coded.http.post("/clients/add", data=form).text)
    command = page.one("code", id="join").text
    assert page.one("button", data_from="#join").text == "Copy"
    text = command.rpartition(" ")[2]
    assert JoinCode.decode(text).model_dump(exclude={"secret"}, exclude_none=True) == {
        "server": "lab.example:80", "name": "St. Anna", "dataset": "digits", "partition": 1, "partitions": 3,
    }  # fmt: skip
    again = get_page(coded.http, "/clients/add")
    assert text not in again.text and "St. Anna, digits, partition 1 of 3" in again.text
    (address,) = [str(form["action"]) for form in again.all("form") if str(form["action"]).endswith("/revoke")]
    assert coded.http.post(address, follow_redirects=True).status_code == 200
    assert "Revoked" in get_page(coded.http, "/clients/add").one("section", id="join-codes").text
    with coded.stage() as stage:
        client = stage.add("late", code=JoinCode.decode(text).secret)
        assert closed(client)[1].startswith("this join code was revoked")


def test_the_form_comes_back_with_what_is_wrong(coded: Dashboard) -> None:
    answer = coded.http.post("/clients/add", data={"name": "a", "partition": "x", "partitions": "2", "server": ""})
    page = parse(answer.text)
    assert answer.status_code == 422 and page.one("input", id="partition")["value"] == "x"
    assert "whole number from 0" in page.one("small", id="partition-error").text
