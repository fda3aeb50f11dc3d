"""The store of Flower Apps: uploaded by operators, approved by admins, told in the audit log, off by default."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.dashboard import Dashboard, named, running
from tests.support.flower_apps import folder_of, zip_of
from tests.support.people import acting, add_person, cookie_of
from webapp.problems import Conflict


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("apps"), apps=True, demo_clients=0) as dashboard:
        for role in ("admin", "operator", "viewer"):
            add_person(dashboard, role, role)
        yield dashboard


def uploaded(http: httpx.Client, packed: bytes) -> httpx.Response:
    return http.post("/api/apps", files={"file": ("app.zip", packed)})


def test_an_operator_uploads_an_admin_approves_the_hash_and_the_audit_log_tells_it(shared: Dashboard) -> None:
    packed = zip_of(folder_of("first"))
    with (
        acting(shared, Cookie=cookie_of(shared, "operator")) as operator,
        acting(shared, Cookie=cookie_of(shared, "admin")) as admin,
    ):
        app = uploaded(operator, packed).json()
        assert (app["publisher"], app["name"], app["state"], app["added_by"]) == (
            "lab", "first", "uploaded", "operator",
        )  # fmt: skip
        assert uploaded(operator, packed).json()["id"] == app["id"]
        with pytest.raises(Conflict, match=r"lab/first 1.0.0 \(\w{8}\) is uploaded"):
            shared.parts.apps.approved(app["hash"])
        path = f"/api/apps/{app['id']}"
        for refused in (f"{path}/approve", f"{path}/withdraw"):
            assert operator.post(refused).status_code == 403
        assert operator.delete(path).status_code == 403
        assert admin.post(f"{path}/approve").json()["state"] == "approved"
        named(admin.post(f"{path}/approve"), 409)
        assert shared.parts.apps.approved(app["hash"])[1] == shared.parts.apps.file_of(app["hash"]).read_bytes()
        assert admin.post(f"{path}/withdraw").json() | {"decided_at": ""} == app | {
            "state": "withdrawn", "decided_by": "admin", "decided_at": "",
        }  # fmt: skip
        entries = admin.get("/api/audit", params={"limit": 50}).json()["items"]
        done = [one for one in entries if one["outcome"] == "done" and "/api/apps" in one["action"]]
        assert [one["action"].rpartition("/")[2] for one in done] == ["withdraw", "approve", "apps", "apps"]
        assert {(one["target"], one["detail"]["sha256"]) for one in done} == {(f"app {app['id']}", app["hash"])}
        assert admin.delete(path).status_code == 204
        assert not shared.parts.apps.file_of(app["hash"]).exists()


def test_an_approved_fab_that_was_changed_on_disk_does_not_run(shared: Dashboard) -> None:
    with acting(shared, Cookie=cookie_of(shared, "admin")) as admin:
        app = uploaded(admin, zip_of(folder_of("second"))).json()
        assert admin.post(f"/api/apps/{app['id']}/approve").status_code == 200
    shared.parts.apps.file_of(app["hash"]).write_bytes(b"another app")
    with pytest.raises(Conflict, match="changed on disk"):
        shared.parts.apps.approved(app["hash"])


def test_the_pages_offer_what_the_reader_may_do_and_say_why_an_archive_is_refused(shared: Dashboard) -> None:
    with acting(shared, Cookie=cookie_of(shared, "operator")) as operator:
        refused = operator.post("/apps", files={"file": ("app.zip", zip_of({"a.py": ""}))})
        assert refused.status_code == 422 and "There is no pyproject.toml in the app" in refused.text
        answer = operator.post("/apps", files={"file": ("app.zip", zip_of(folder_of("third")))})
        assert answer.status_code == 303
        path = answer.headers["location"].partition("?")[0]
        page = operator.get(path).text
        assert re.search(r"num-server-rounds</code></th>\s*<td>2</td>", page) and "/approve" not in page
    with acting(shared, Cookie=cookie_of(shared, "admin")) as admin:
        assert f'action="{path}/approve"' in admin.get(path).text
        assert admin.post(f"{path}/approve").status_code == 303
        assert "Approved" in admin.get("/apps").text
    with acting(shared, Cookie=cookie_of(shared, "viewer")) as viewer:
        assert "<form" not in viewer.get("/apps").text.partition("<main")[2]
        assert viewer.post("/apps").status_code == 403


def test_apps_are_off_by_default(tmp_path: Path) -> None:
    with running(tmp_path) as dashboard:
        refused = uploaded(dashboard.http, zip_of(folder_of()))
        assert named(refused, 409) == set() and "--apps" in refused.json()["detail"]
        page = dashboard.http.get("/apps").text
        assert "--apps" in page and 'action="/apps"' not in page and 'href="/apps"' not in page
