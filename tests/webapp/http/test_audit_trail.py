"""Every unsafe request and every one that is not allowed has its entry in the audit log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from federation.protocol.messages import Close
from federation.run.states import ENDED
from tests.support.dashboard import SYNTHETIC, Dashboard, finished_run, running
from tests.support.people import PASSWORD, acting, add_person, cookie_of, sign_in, token_of
from tests.support.processes import wait_until
from tests.support.routes import walk
from webapp.app import create_app
from webapp.db.audit_chain import verify
from webapp.db.repository.audit.entries import all_entries
from webapp.http.audit_trail import QUESTIONS, SAFE, UNAVAILABLE
from webapp.settings import Settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared")) as made:
        yield made


def entries(dashboard: Dashboard) -> list[dict[str, Any]]:
    with dashboard.parts.database.read() as session:
        found = list(all_entries(session))
    assert verify(found).fault == ""
    return found


def added(dashboard: Dashboard, method: str, path: str, **request: Any) -> tuple[int, list[tuple[Any, ...]]]:
    """Send a request; return its status, and action, target, outcome and status of the entries that it added."""
    before = len(entries(dashboard))
    answer = dashboard.http.request(method, path, **request)
    columns = ("action", "target", "outcome", "status")
    return answer.status_code, [tuple(one[name] for name in columns) for one in entries(dashboard)[before:]]


UNSAFE = sorted(
    (method, route.path)
    for route in walk(create_app(Settings()).routes)
    if isinstance(route, APIRoute)
    for method in (route.methods or set()) - SAFE
    if route.path not in QUESTIONS
)


def test_each_unsafe_route_adds_an_entry_with_its_template(shared: Dashboard) -> None:
    assert len(UNSAFE) > 40
    for method, template in UNSAFE:
        path = template
        for part in template.split("/"):
            path = path.replace(part, "12345") if part.startswith("{") else path
        status, made = added(shared, method, path)
        assert len(made) == 1, f"{method} {template}: {made}"
        action, target, outcome, told = made[0]
        assert (action, told) == (f"{method} {template}", status)
        assert outcome == ("done" if status < 400 else "refused" if status in (401, 403, 429) else "failed")
        assert ("12345" in target) == ("{" in template), target


def test_reading_adds_no_entry(shared: Dashboard) -> None:
    for path in ("/", "/runs", "/api/runs", "/no-such-page", "/runs/99999", "/static/css/base.css"):
        assert added(shared, "GET", path)[1] == []
        assert added(shared, "HEAD", path)[1] == []


def test_an_entry_says_what_was_done_to_which_run(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    other = dashboard.start_run(num_rounds=1)
    for path, data, detail in (
        (f"/api/runs/{run_id}/rounds", {"add": 3}, {"add": 3}),
        (f"/api/runs/{run_id}/rename", {"name": "=x\u202e y"}, {"name": "=x  y"}),
    ):
        dashboard.http.post(path, json=data)
        one = entries(dashboard)[-1]
        assert (one["target"], one["detail"]) == (f"run {run_id}", detail)
    dashboard.http.post(f"/api/runs/{other}/stop")
    dashboard.http.post(f"/api/runs/{run_id}/stop")
    wait_until(lambda: all(dashboard.run(one)["state"] in ENDED for one in (run_id, other)))  # an active one stays
    dashboard.http.post("/runs/archive", data={"id": [run_id, other]})
    assert entries(dashboard)[-1]["detail"] == {"runs": [run_id, other]}
    first = entries(dashboard)[0]
    assert (first["actor_kind"], first["actor"], first["address"]) == ("local", "this machine", "127.0.0.1")
    assert [(one["action"], one["target"]) for one in entries(dashboard)[:2]] == [
        ("POST /api/runs", f"run {run_id}"), ("POST /api/runs", f"run {other}"),
    ]  # fmt: skip
    assert all(abs((one["at"] - first["at"]).total_seconds()) < 60 for one in entries(dashboard))


def test_what_is_refused_before_any_handler_has_an_entry(shared: Dashboard) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        before = len(entries(shared))
        assert shared.http.post("/api/runs/7/stop", headers=headers).status_code == 403
        found = entries(shared)[before:]
        if found:  # the second is counted with the first
            assert [(one["actor_kind"], one["target"], one["detail"]) for one in found] == [
                ("anonymous", "/api/runs/7/stop", {"refusal": "cross-site request"})
            ]
    for method in ("GET", "POST"):
        status, made = added(shared, method, "/api/runs?secret=1", headers={"Host": "evil.example"})
        assert (status, made) == (400, [(method, "/api/runs", "refused", 400)])
    for number in range(50):
        shared.http.get(f"/{number}", headers={"Host": "evil.example"})
    assert len([one for one in entries(shared) if one["detail"] == {"refusal": "foreign host"}]) == 2


def test_an_entry_says_who_acted_and_who_was_refused(dashboard: Dashboard) -> None:
    ada = add_person(dashboard, "ada", "admin", PASSWORD)
    bob = add_person(dashboard, "bob", "viewer")
    token, cookie = token_of(dashboard, "ada", "operator"), cookie_of(dashboard, "bob")
    with acting(dashboard) as http:
        assert sign_in(http, "ada", "wrong").status_code == 401
        assert sign_in(http, "ada").status_code == 303
        assert http.post("/runs/7/stop", headers={"Accept": "text/html"}).status_code == 303
        assert http.get("/api/runs/7").status_code == 401
        assert http.get("/runs", headers={"Accept": "text/html"}).status_code == 303, "leads to the sign-in form"
    with acting(dashboard, Cookie=cookie) as http:
        assert http.post("/api/runs/7/stop").status_code == 403
        assert http.get("/api/audit").status_code == http.get("/audit").status_code == 403
        assert http.get("/runs/new").status_code == 403
    with acting(dashboard, Authorization=f"Bearer {token}") as http:
        assert http.post("/api/runs/7/stop").status_code == 404
    columns = ("actor_kind", "actor", "actor_id", "action", "target", "outcome", "status")
    assert [tuple(one[name] for name in columns) for one in entries(dashboard)] == [
        ("anonymous", "", None, "POST /login", "", "refused", 401),
        ("user", "ada", ada, "POST /login", "", "done", 303),
        ("anonymous", "", None, "POST /runs/{run_id}/stop", "run 7", "refused", 303),
        ("anonymous", "", None, "GET /api/runs/{run_id}", "run 7", "refused", 401),
        ("user", "bob", bob, "POST /api/runs/{run_id}/stop", "run 7", "refused", 403),
        ("user", "bob", bob, "GET /api/audit", "", "refused", 403),
        ("user", "bob", bob, "GET /audit", "", "refused", 403),
        ("user", "bob", bob, "GET /runs/new", "", "refused", 403),
        ("token", "ada", ada, "POST /api/runs/{run_id}/stop", "run 7", "failed", 404),
    ]
    assert PASSWORD not in str(entries(dashboard)) and token not in str(entries(dashboard))


def test_a_client_that_is_refused_has_an_entry(dashboard: Dashboard) -> None:
    with dashboard.stage() as stage:
        light = stage.add("site-a")
        (client,) = dashboard.wait_for_clients(1)
        assert dashboard.http.post(f"/api/clients/{client['id']}/revoke").status_code == 200
        stage.add("site-a", key=light.key)
        wait_until(lambda: len(entries(dashboard)) > 1, what="the entry of the refused client")
    revoked, refused = entries(dashboard)[:2]
    assert (revoked["action"], revoked["target"]) == ("POST /api/clients/{client_id}/revoke", f"client {client['id']}")
    assert [refused[name] for name in ("actor_kind", "actor", "action", "outcome", "status", "address")] == [
        "client", "site-a", "connect", "refused", Close.REVOKED, "127.0.0.1",
    ]  # fmt: skip


def test_nothing_is_changed_while_entries_cannot_be_written(
    dashboard: Dashboard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, away = tmp_path / "data", tmp_path / "away"
    dashboard.parts.database.close()
    folder.rename(away)
    try:
        first, second = (dashboard.http.post("/api/runs", json=SYNTHETIC) for _ in range(2))
    finally:
        away.rename(folder)
    assert (first.status_code, second.status_code) == (503, 503)
    assert UNAVAILABLE in second.text and UNAVAILABLE not in first.text
    assert "not in the audit log yet: " in caplog.text and "'action': 'POST /api/runs'" in caplog.text
    run_id = dashboard.start_run()
    assert [(one["status"], one["target"]) for one in entries(dashboard)] == [(503, ""), (201, f"run {run_id}")]
