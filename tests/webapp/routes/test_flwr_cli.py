"""The flwr command against a dashboard with TLS: login on a page, run, ls, log, stop, and nothing else of Flower."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flwr.proto.control_pb2 import (
    GetAuthTokensRequest,
    GetAuthTokensResponse,
    GetLoginDetailsResponse,
    ListRunsRequest,
    ListRunsResponse,
    StartRunRequest,
    StopRunRequest,
    StreamLogsRequest,
)
from flwr.proto.fab_pb2 import Fab
from flwr.proto.federation_config_pb2 import SimulationConfig
from flwr.proto.transport_pb2 import Scalar

from tests.support.authority import Authority
from tests.support.dashboard import Dashboard, named, running
from tests.support.flower_apps import APPS
from tests.support.flwr_command import FlwrCommand, call
from tests.support.light_node import LightNode
from tests.support.people import add_person, cookie_of, token_of
from webapp.accounts.device_logins import MOST, MOST_OF_ADDRESS, SECONDS, DeviceLogins
from webapp.accounts.principal import Kind, Principal
from webapp.accounts.roles import Role
from webapp.problems import NotFound, Problem

pytestmark = pytest.mark.slow
APP = str(APPS / "hostile")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Dashboard]:
    """The dashboard before its first account."""
    folder = tmp_path_factory.mktemp("flwr")
    with running(
        folder, verify=authority.trusted(), tls_certificate=authority.issue(), apps=True, flwr_cli=True, demo_clients=0
    ) as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def shared(local: Dashboard) -> Dashboard:
    for role in ("admin", "operator", "viewer"):
        add_person(local, role, role)
    return local


def test_without_accounts_no_login_is_needed_and_none_is_offered(local: Dashboard) -> None:
    listed = call(local.http, "list-runs", ListRunsRequest())
    assert listed.status_code == 200 and not ListRunsResponse.FromString(listed.content).run_dict
    assert f'address = "127.0.0.1:{local.http.base_url.port}"' in local.http.get("/apps").text
    assert "works without accounts" in call(local.http, "get-login-details").json()["detail"]


def test_from_login_to_stop_with_an_approval_of_login_and_app(
    shared: Dashboard, tmp_path: Path, authority: Authority
) -> None:
    http, operator = shared.http, {"Cookie": cookie_of(shared, "operator")}
    flwr = FlwrCommand(tmp_path / "home", f"127.0.0.1:{http.base_url.port}", authority.file)
    asked = call(http, "list-runs")
    assert (asked.status_code, asked.headers["www-authenticate"] == "Bearer") == (401, False), "it would renew a token"
    login = flwr.start("login", "meadow")
    path, code_of = re.search(r"https://[^/\s]+(/account/flwr-login\?code=(\S+))", login.wait_for("code=")).groups()  # type: ignore[union-attr]
    page = http.get(path, headers=operator).text
    assert code_of in page and "your address" in page and "admin" not in page.partition("<main")[2]
    form = {"code": code_of, "decision": "approve", "role": "operator", "days": "3"}
    assert http.post("/account/flwr-login", data=form, headers=operator).status_code == 303
    assert "Login successful" in login.end()[1]
    (token,) = http.get("/api/tokens", headers=operator).json()["items"]
    assert (token["name"], token["role"]) == ("flwr login from 127.0.0.1", "operator")

    with_settings = ("run", APP, "meadow", "--run-config", "what='compute'")
    code, said = flwr.run(*with_settings)
    assert code == 1 and "lab/hostile 1.0.0 is uploaded" in said and "/apps/1" in said, said
    admin = {"Cookie": cookie_of(shared, "admin")}
    assert http.post("/api/apps/1/approve", headers=admin).status_code == 200
    fab = shared.parts.apps.file_of(shared.parts.apps.show(1).hash).read_bytes()
    for name, value, says in (("epochs", Scalar(string="1"), "no setting epochs"), ("what", Scalar(bool=True), "text")):
        wrong = StartRunRequest(fab=Fab(content=fab), override_config={name: value})
        answer = call(http, "start-run", wrong, Authorization=f"Bearer {flwr.token}")
        assert named(answer, 422) == {"settings"} and says in answer.json()["detail"]
    with LightNode(shared.flower_address, authority=authority.file):
        started = flwr.start(*with_settings, "--stream")
        run_id = int(re.search(r"started run (\d+)", started.wait_for("started run"))[1])  # type: ignore[index]
        started.wait_for("Meadow: 1 of 2 SuperNodes online")
        changed = http.post(f"/api/runs/{run_id}/min_clients", json={"min_clients": 1}, headers=operator)
        assert changed.status_code == 202
        started.wait_for("begins")
        code, said = flwr.run("ls", "meadow", "--format", "json")
        (row,) = json.loads(said)["runs"]
        assert (row["run-id"], row["fab-id"], row["fab-version"], row["status"]) == (
            str(run_id), "lab/hostile", "1.0.0", "running",
        )  # fmt: skip
        assert flwr.run("stop", str(run_id), "meadow")[0] == 0
        code, said = started.end()
        assert code == 0 and f"Meadow: run {run_id} stopped" in said
    run = http.get(f"/api/runs/{run_id}", headers=operator).json()
    assert (run["state"], run["started_by"], run["stopped_by"]) == ("stopped", "operator", "operator")
    listed = call(http, "list-runs", ListRunsRequest(run_id=run_id), Authorization=f"Bearer {flwr.token}")
    status = ListRunsResponse.FromString(listed.content).run_dict[run_id].status
    assert (status.status, status.sub_status) == ("finished", "stopped")

    entries = http.get("/api/audit", params={"limit": 50}, headers=admin).json()["items"]
    ours = [one for one in entries if one["actor"] == "operator" and ("flwr" in str(one) or "/v1/" in str(one))]
    assert [(one["action"], one["outcome"], one["target"]) for one in ours] == [
        ("POST /v1/control/stop-run", "done", f"run {run_id}"),
        ("POST /v1/control/start-run", "done", f"run {run_id}"),
        ("POST /v1/control/start-run", "failed", "app 1"),
        ("POST /v1/control/start-run", "done", "app 1"),
        ("POST /v1/control/get-auth-tokens", "done", "flwr login from 127.0.0.1"),
        ("POST /account/flwr-login", "done", "flwr login from 127.0.0.1"),
    ]
    following = http.stream(
        "POST", "/v1/control/stream-logs", content=StreamLogsRequest(run_id=queued(shared)).SerializeToString(),
        headers={"Authorization": f"Bearer {flwr.token}"},
    )  # fmt: skip
    with following as answer:
        pieces = answer.iter_raw()
        next(pieces)
        assert http.delete(f"/api/tokens/{token['id']}", headers=operator).status_code == 204
        assert b"your access has ended" in b"".join(pieces)
    assert call(http, "list-runs", Authorization=f"Bearer {flwr.token}").status_code == 401


def queued(dashboard: Dashboard) -> int:
    """Return a run of the app that waits for SuperNodes."""
    app = dashboard.parts.apps.list()[0]
    body = {"network": "app", "app": app.hash}
    answer = dashboard.http.post("/api/runs", json=body, headers={"Cookie": cookie_of(dashboard, "operator")})
    return int(answer.json()["id"])


def test_nothing_else_of_flower_is_answered_and_what_is_no_app_of_ones_own_is_refused(shared: Dashboard) -> None:
    token = {"Authorization": f"Bearer {token_of(shared, 'operator', 'operator')}"}

    def refused(name: str, message: object, status: int, says: str) -> None:
        answer = call(shared.http, name, message, **token)
        assert named(answer, status) <= {"file"} and says in answer.json()["detail"], answer.text

    for name in ("register-node", "pull-artifacts", "refresh-auth-tokens", "start-automation", "list-federations"):
        refused(name, None, 404, "flwr login, run, ls, log and stop")
    refused("start-run", StartRunRequest(app_spec="@lab/app"), 400, "not downloaded by name")
    refused("start-run", StartRunRequest(federation="@lab/other"), 400, "--federation")
    simulated = StartRunRequest(override_federation_config=SimulationConfig(num_supernodes=3))
    refused("start-run", simulated, 400, "--federation-config")
    refused("start-run", StartRunRequest(), 422, "zip")
    of_a_run = {"stop-run": StopRunRequest, "stream-logs": StreamLogsRequest, "list-runs": ListRunsRequest}
    for name, message in of_a_run.items():
        refused(name, message(run_id=2**63), 404, "no run")
    garbage = shared.http.post("/v1/control/start-run", content=b"\xff" * 100, headers=token)
    assert named(garbage, 400) == set()
    large = shared.http.post("/v1/control/start-run", content=b"\0" * (11 * 2**20), headers=token)
    assert named(large, 413) == set()


def begin(http: httpx.Client) -> tuple[str, str]:
    """Begin a login; return its secret and its code."""
    details = GetLoginDetailsResponse.FromString(call(http, "get-login-details").content)
    return details.device_code, details.verification_uri_complete.partition("code=")[2]


def test_a_login_that_is_refused_or_over_gives_no_token_and_one_that_is_approved_gives_one_once(
    shared: Dashboard,
) -> None:
    http, viewer = shared.http, {"Cookie": cookie_of(shared, "viewer")}
    secret, code = begin(http)
    poll = GetAuthTokensRequest(device_code=secret)
    assert GetAuthTokensResponse.FromString(call(http, "get-auth-tokens", poll).content).access_token == ""
    above = http.post(
        "/account/flwr-login", headers=viewer,
        data={"code": code, "decision": "approve", "role": "operator", "days": "1"},
    )  # fmt: skip
    assert above.status_code == 422 and "above yours" in above.text
    assert http.post("/account/flwr-login", data={"code": code, "decision": "no"}, headers=viewer).status_code == 303
    answer = call(http, "get-auth-tokens", poll)
    assert answer.status_code == 403 and "refused on the dashboard" in answer.json()["detail"]
    assert call(http, "get-auth-tokens", poll).status_code == 404

    clock = [0.0]
    logins = DeviceLogins(shared.parts.accounts.tokens, lambda: clock[0])
    person = Principal(Kind.USER, shared.parts.accounts.people.find("viewer").id, "viewer", Role.VIEWER)
    login, secret = logins.begin("10.0.0.1")
    logins.approve(login.code, person, Role.VIEWER, 1)
    assert (taken := logins.take(secret, "10.0.0.1")) is not None and taken[1].startswith("mdw_")
    for over in (secret, logins.begin("10.0.0.1")[1]):
        clock[0] += SECONDS
        with pytest.raises(NotFound, match="flwr login again"):
            logins.take(over, "10.0.0.1")


def test_logins_that_wait_and_secrets_that_are_tried_are_bounded(shared: Dashboard) -> None:
    logins = DeviceLogins(shared.parts.accounts.tokens)
    for _ in range(MOST_OF_ADDRESS):
        logins.begin("10.0.0.1")
    with pytest.raises(Problem, match="Too many logins") as caught:
        logins.begin("10.0.0.1")
    assert caught.value.status == 429
    for number in range(MOST - MOST_OF_ADDRESS):
        logins.begin(f"10.0.{number}.2")
    with pytest.raises(Problem, match="Too many logins"):
        logins.begin("10.1.0.1")
    statuses = []
    for _ in range(11):
        try:
            logins.take("guessed", "10.0.0.9")
        except Problem as error:
            statuses.append(error.status)
    assert statuses == [404] * 10 + [429]
