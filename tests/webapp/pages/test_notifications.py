"""Notifications over API and page: a channel from its form to the delivery, and no secret on the way back."""

import hmac
from collections.abc import Iterator

import pytest

from tests.support.dashboard import Dashboard, finished_run, named, running
from tests.support.markup import get_page
from tests.support.processes import wait_until
from tests.support.receivers import http_receiver

KEY = "a-key-that-nobody-sees-again"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared"), allow_private_webhooks=True) as made:
        yield made


def test_a_run_is_told_to_a_channel_that_was_added_on_the_page(shared: Dashboard) -> None:
    with http_receiver() as receiver:
        form = {"name": "lab", "kind": "webhook", "address": receiver.url("/T0KEN"), "secret": KEY,
                "events": ["run_finished", "client_lost"]}  # fmt: skip
        assert shared.http.post("/notifications", data=form).status_code == 303
        (channel,) = shared.http.get("/api/notifications/channels").json()["items"]
        assert (channel["address"], channel["has_secret"]) == ("http://127.0.0.1/…", True)
        assert shared.http.post(f"/notifications/{channel['id']}/test").status_code == 303
        wait_until(lambda: len(receiver.bodies) == 1)
        run_id = finished_run(shared, num_rounds=1)
        wait_until(lambda: len(receiver.bodies) == 2)
    assert receiver.messages()[1]["run_id"] == run_id

    def all_sent() -> bool:
        items = shared.http.get("/api/notifications/deliveries").json()["items"]
        return {one["event"]: one["state"] for one in items}.get("run_finished") == "sent"

    wait_until(all_sent)
    page = get_page(shared.http, "/notifications").text
    assert f"Run {run_id}" in page and "answered 200" in page
    for text in (page, shared.http.get("/api/notifications/channels").text, shared.http.get("/server").text):
        assert KEY not in text and "T0KEN" not in text
    assert shared.http.post(f"/api/notifications/channels/{channel['id']}/disable").json()["enabled"] is False
    assert shared.http.delete(f"/api/notifications/channels/{channel['id']}").status_code == 204
    assert shared.http.get("/api/notifications/deliveries").json() == {"items": []}


def test_a_made_key_is_shown_once(shared: Dashboard) -> None:
    body = {"name": "x", "kind": "webhook", "address": "https://hooks.example/x", "events": ["run_failed"]}
    made = shared.http.post("/api/notifications/channels", json=body).json()
    assert len(made["secret"]) > 40
    assert made["secret"] not in shared.http.get("/notifications").text
    assert shared.http.delete(f"/api/notifications/channels/{made['id']}").status_code == 204
    assert named(shared.http.delete(f"/api/notifications/channels/{made['id']}"), 404) == set()


def test_a_channel_is_changed_and_keeps_what_is_not_given(shared: Dashboard) -> None:
    with http_receiver() as old, http_receiver() as new:
        body = {"name": "x", "kind": "webhook", "address": old.url("/T0KEN"), "secret": KEY, "events": ["run_failed"]}
        address = (
            f"/api/notifications/channels/{shared.http.post('/api/notifications/channels', json=body).json()['id']}"
        )
        form = address.removeprefix("/api").replace("/channels", "")
        page = get_page(shared.http, form)
        assert page.one("input", id="name")["value"] == "x" and not page.one("input", id="address").attributes.get(
            "value"
        )
        assert KEY not in page.text and "T0KEN" not in page.text
        changes = {"name": "y", "address": new.url("/N3W"), "secret": "", "events": ["run_finished"]}
        wrong = shared.http.post(form, data=changes | {"address": "ftp://x/", "name": "typed"})
        assert wrong.status_code == 422 and 'value="typed"' in wrong.text
        assert shared.http.post(form, data=changes).status_code == 303
        assert shared.http.post(f"{form}/test").status_code == 303
        wait_until(lambda: len(new.bodies) == 1)
        assert (old.bodies, new.paths) == ([], ["/N3W"])
        signed = f"{new.headers[0]['X-Meadow-Timestamp']}.".encode() + new.bodies[0]
        assert new.headers[0]["X-Meadow-Signature"] == f"sha256={hmac.new(KEY.encode(), signed, 'sha256').hexdigest()}"
    changed = shared.http.patch(address, json={"name": "z"}).json()
    assert [changed[name] for name in ("name", "events", "secret", "has_secret")] == ["z", ["run_finished"], None, True]
    made = shared.http.patch(address, json={"secret": ""}).json()["secret"]
    assert len(made) > 40 and made != KEY
    assert named(shared.http.patch(address, json={"kind": "slack"}), 422) == {"kind"}
    assert named(shared.http.patch(address, json={"events": ["target_reached"]}), 422) == {"target_metric"}
    (entry,) = shared.http.get("/api/audit?action=PATCH&outcome=done&limit=1").json()["items"]
    assert entry["detail"] == {"changed": ["secret"]} and made not in str(entry)
    assert shared.http.delete(address).status_code == 204
    assert shared.http.patch(address, json={}).status_code == shared.http.get(form).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"address": "ftp://host/"}, "address"),
        ({"kind": "email", "address": "a@b.example\r\nBcc: c@d.example"}, "address"),
        ({"kind": "ntfy", "address": "https://ntfy.sh/"}, "address"),
        ({"events": []}, "events"),
        ({"events": ["target_reached"], "target_metric": "evaluate_accuracy"}, "target_value"),
        ({"events": ["target_reached"], "target_metric": "x", "target_value": 1}, "target_metric"),
        ({"secret": "line\nbreak"}, "secret"),
        ({"name": "\n"}, "name"),
    ],
)
def test_what_cannot_be_a_channel_is_named(shared: Dashboard, wrong: dict[str, object], field: str) -> None:
    body = {"name": "x", "kind": "webhook", "address": "https://hooks.example/x", "events": ["run_failed"]} | wrong
    assert named(shared.http.post("/api/notifications/channels", json=body), 422) == {field}
    page = shared.http.post("/notifications", data=body | {"target_value": str(body.get("target_value", ""))})
    assert page.status_code == 422 and 'role="alert"' in page.text
