"""Requests as HTTP means them: HEAD where GET is, and bodies in an encoding that is not read."""

import gzip
import json
import socket
from collections.abc import Iterator

import pytest

from tests.support.dashboard import Dashboard, finished_run, named, running
from tests.support.processes import wait_until
from tests.webapp.http.test_security import calls

VARYING = {"date", "set-cookie", "x-request-id"}
STREAMS = ("/api/events", "/api/runs/1/events")
PATHS = [path for method, path in calls() if method == "GET" and path not in STREAMS]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard whose run 1 has ended and whose client 1 is offline."""
    with running(tmp_path_factory.mktemp("shared")) as made:
        finished_run(made, num_rounds=1)
        wait_until(lambda: {one["state"] for one in made.http.get("/api/clients").json()["items"]} == {"offline"})
        yield made


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_as_get_without_a_body(shared: Dashboard, path: str) -> None:
    got, head = shared.http.get(path), shared.http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    for name in {*got.headers, *head.headers} - VARYING - {"content-length", "transfer-encoding"}:
        assert head.headers.get(name) == got.headers.get(name), name


@pytest.mark.parametrize("path", STREAMS)
def test_head_of_a_stream_ends(shared: Dashboard, path: str) -> None:
    head = shared.http.head(path, params={"after": 0}, timeout=5)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    wait_until(lambda: shared.parts.event_hub.stream_count == 0)


def test_a_connection_goes_on_after_head(shared: Dashboard) -> None:
    url = shared.http.base_url
    with socket.create_connection((url.host, url.port or 80), 10) as sock:
        for _ in range(3):
            sock.sendall(f"HEAD /api/runs/1/model HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
            head, _, rest = sock.recv(65_536).partition(b"\r\n\r\n")
            assert (head.split()[1], rest) == (b"200", b"")


def test_head_of_what_takes_only_post_is_405(shared: Dashboard) -> None:
    head = shared.http.head("/api/runs/1/stop")
    assert (head.status_code, head.headers["allow"], head.content) == (405, "POST", b"")


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/api/runs", "application/json", json.dumps({"num_rounds": 1}).encode()),
        ("/runs", "application/x-www-form-urlencoded", b"num_rounds=1"),
        ("/api/weights", "multipart/form-data; boundary=x", b"--x--"),
        ("/api/runs/1/stop", "application/json", b""),
    ],
)
def test_a_body_in_another_encoding_is_refused_with_the_reason(
    shared: Dashboard, path: str, kind: str, body: bytes
) -> None:
    headers = {"Content-Type": kind, "Content-Encoding": "GZip"}
    answer = shared.http.post(path, content=gzip.compress(body), headers=headers)
    assert named(answer, 415) == set()
    assert "Content-Encoding GZip" in answer.json()["detail"]
    assert answer.headers["accept-encoding"] == "identity"


def test_an_encoding_that_changes_nothing_is_taken(shared: Dashboard) -> None:
    answer = shared.http.post("/api/runs/1/stop", headers={"Content-Encoding": "identity"})
    assert answer.status_code == 409


FORMS = [path for method, path in calls() if method == "POST" and not path.startswith(("/api/", "/demo-clients"))]
NO_FORMS = {b"null": "multipart/form-data; boundary=x", b"--x\r\nx": "multipart/form-data; boundary=x",
            b"": "multipart/form-data", b"--x\r\n\r\n\r\n--x": "multipart/form-data; boundary=x"}  # fmt: skip


def test_a_body_that_is_no_form_is_refused_wherever_one_is_read(dashboard: Dashboard) -> None:
    assert {"/login", "/runs", "/setup", "/people"} <= set(FORMS)
    for body, kind in NO_FORMS.items():
        for path in FORMS:
            answer = dashboard.http.post(path, content=body, headers={"Content-Type": kind})
            assert answer.status_code < 500, (path, body)
        if body == b"null":
            assert dashboard.http.post("/login", content=body, headers={"Content-Type": kind}).status_code == 400
