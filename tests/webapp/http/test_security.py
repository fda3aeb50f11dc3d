"""Guards before every handler: foreign hosts, other sites' requests, and the headers of every answer."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from tests.support.dashboard import Dashboard, running
from tests.support.routes import filled, walk
from webapp.app import create_app
from webapp.http.origin import host_name
from webapp.http.security import CONTENT_SECURITY_POLICY, HEADERS, MAX_BODY_BYTES, host_rule
from webapp.sanitizing import clean_json, clean_text, csv_cell
from webapp.settings import Settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("shared")) as made:
        yield made


def calls() -> list[tuple[str, str]]:
    """Return method and path of every route of the app, ids filled in, and a static file."""
    found = [("GET", "/static/css/base.css")]
    for route in walk(create_app(Settings()).routes):
        if isinstance(route, APIRoute | Route):
            found += [(method, filled(route.path)) for method in route.methods or () if method != "HEAD"]
        else:
            assert isinstance(route, Mount), f"{route} is served, and this test does not know how to call it"
    return sorted(found)


UNSAFE = [call for call in calls() if call[0] not in ("GET", "OPTIONS")]


def test_the_walk_finds_the_routes() -> None:
    assert {("GET", "/"), ("GET", "/api/events"), ("POST", "/api/runs"), ("GET", "/docs"), ("GET", "/healthz")} <= set(
        calls()
    )
    assert len(UNSAFE) >= 6


@pytest.mark.parametrize(("method", "path"), calls())
def test_a_foreign_host_is_refused_on_every_route(shared: Dashboard, method: str, path: str) -> None:
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost@evil.example"):
        answer = shared.http.request(method, path, headers={"Host": host})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), host


@pytest.mark.parametrize(("method", "path"), UNSAFE)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_site_changes_nothing(shared: Dashboard, method: str, path: str, headers: dict[str, str]) -> None:
    before = shared.http.get("/api/runs").json()
    answer = shared.http.request(method, path, headers=headers)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert shared.http.get("/api/runs").json() == before


def test_our_own_pages_and_plain_programs_may_change_things(shared: Dashboard) -> None:
    origin = str(shared.http.base_url).rstrip("/")
    for headers in ({"Origin": origin}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
        assert shared.http.post("/api/runs/12/stop", headers=headers).status_code == 404, headers


@pytest.mark.parametrize(
    "path", ["/", "/api/runs", "/api/nothing", "/nothing", "/static/css/base.css", "/docs", "/healthz"]
)
def test_every_answer_has_its_headers(shared: Dashboard, path: str) -> None:
    answers = [shared.http.get(path), shared.http.get(path, headers={"Host": "evil.example"}), shared.http.post(path)]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, (path, answer.status_code)
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_a_mistake_of_ours_tells_nothing_and_keeps_the_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KeyError("secret-key")

    with running(tmp_path) as dashboard:
        monkeypatch.setattr(type(dashboard.parts.clients), "list", fail)
        answer = dashboard.http.get("/api/clients")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret-key" not in answer.text
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def answer_to(dashboard: Dashboard, head: str, *pieces: bytes) -> int:
    """Send the beginning of a request that never ends; return the status of the answer."""
    url = dashboard.http.base_url
    with socket.create_connection((url.host, url.port or 80), 10) as sock:
        sock.sendall(f"{head}\r\nHost: {url.host}\r\n".encode())
        for piece in pieces:
            sock.sendall(piece)
        return int(sock.recv(65_536).split()[1])


@pytest.mark.parametrize("path", ["/api/runs", "/runs", "/api/runs/1/note", "/clients/1/rename"])
def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(shared: Dashboard, path: str) -> None:
    kind = "application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded"
    head = f"POST {path} HTTP/1.1\r\nContent-Type: {kind}"
    declared = f"Content-Length: {2**40}\r\n\r\n".encode()
    assert answer_to(shared, head, declared, b"{") == 413
    chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    chunks = [b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * (MAX_BODY_BYTES // 0x40000 + 1)]
    assert answer_to(shared, head, *chunks) == 413


def test_weights_have_a_limit_of_their_own(tmp_path: Path) -> None:
    with running(tmp_path, max_reply_bytes=4 * MAX_BODY_BYTES) as dashboard:
        for path, field in (("/api/weights", "file"), ("/runs", "weights")):
            for size, status in ((3 * MAX_BODY_BYTES, 422), (5 * MAX_BODY_BYTES, 413)):
                files = {field: ("w.npz", b"x" * size)}
                answer = dashboard.http.post(path, data={"network": "custom"}, files=files)
                assert answer.status_code == status, "no archive, or too much of one"


@pytest.mark.parametrize(
    "path",
    ["/static/../pyproject.toml", "/static/%2e%2e/pyproject.toml", "/static/..%2fwebapp/app.py", "/static//etc/passwd"],
)
def test_no_path_leads_out_of_the_static_files(shared: Dashboard, path: str) -> None:
    assert shared.http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("127.0.0.1:8000", "127.0.0.1"), ("localhost", "localhost"), ("LocalHost:1", "localhost"),
        ("[::1]:8000", "::1"), ("[::1]", "::1"), ("::1", ""), ("[::1", ""), ("a:b:c", ""), ("", ""),
    ],
)  # fmt: skip
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name


def allowed(name: str, **settings: Any) -> bool:
    return host_rule(Settings(**settings))(name)


def test_whose_names_the_dashboard_answers_to() -> None:
    assert allowed("127.0.0.1")
    assert allowed("localhost")
    assert not allowed("")
    assert not allowed("10.0.4.12")
    assert allowed("10.0.4.12", host="10.0.4.12")
    assert allowed("10.0.4.12", host="0.0.0.0")
    assert not allowed("evil.example", host="0.0.0.0")
    assert allowed("meadow.example", allowed_hosts=" Meadow.example , other")
    assert not allowed("meadow.example", allowed_hosts="other")


def test_what_strangers_write_is_one_bounded_line() -> None:
    assert clean_text("a\r\nb\x1b[31m\x00\u202e\ud800c") == "a  b [31m  c"
    assert len(clean_text("a" * 10_000, 64)) == 64
    assert clean_json({"nan": float("nan"), "deep": [[[[[1]]]]], "big": 2**80, 1: ("x\n",), "n": None, "b": True}) == {
        "nan": None, "deep": [[[None]]], "big": None, "1": ["x"], "n": None, "b": True,
    }  # fmt: skip
    assert len(clean_json(list(range(10_000)))) == 200
    assert csv_cell("=1+1") == "'=1+1"
    assert csv_cell("site-a") == "site-a"
