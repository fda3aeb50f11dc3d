"""Strangers on both ports who send without end, send nothing, read nothing, or are many: nobody else notices."""

import contextlib
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from federation.protocol.guarded_http import HttpLimits
from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.faults.test_network import MEGABYTE, masked, peak_bytes, pour, upgraded
from tests.support.authority import Authority
from tests.support.dashboard import Api, running
from tests.support.http import LOCAL
from tests.support.light_client import Answer, LightClient, Stage, honest
from tests.support.processes import Meadow, make_meadow, wait_until
from webapp.db.repository.events import StoredEvent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHUNKED = b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
LINES = b"".join(b"x-%d: %s\r\n" % (number, b"a" * 100) for number in range(500))
WITHOUT_END: dict[str, tuple[bytes, bytes]] = {
    "a header line": (b"GET / HTTP/1.1\r\nx: ", b"a" * MEGABYTE),
    "header lines": (b"GET / HTTP/1.1\r\n", LINES),
    "short header lines": (b"GET / HTTP/1.1\r\n", b"a:\r\n" * 10_000),
    "an address": (b"GET /", b"a" * MEGABYTE),
    "a chunked body": (CHUNKED, b"100000\r\n%b\r\n" % bytes(MEGABYTE)),
    "a chunk's extension": (CHUNKED + b"1;", b"a" * MEGABYTE),
    "trailers": (CHUNKED + b"0\r\n", LINES),
    "requests": (b"", b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 20_000),
    "blank lines": (b"", b"\r\n" * MEGABYTE),
}  # fmt: skip
FRAMES: dict[str, tuple[bytes, bytes]] = {
    "texts": (b"", masked(1, MEGABYTE) + b"x" * MEGABYTE),
    "pieces": (b"", masked(2, MEGABYTE) + bytes(MEGABYTE)),
    "pings": (b"", (b"\x89\xfd" + bytes(4 + 125)) * 8000),
    "fragments": (b"\x01\x80" + bytes(4), (b"\x00\xfd" + bytes(4 + 125)) * 8000),
}  # fmt: skip
MEGABYTES = 100


def pour_without_end(peer: socket.socket, head: bytes, block: bytes) -> int:
    """Send a beginning and then the same again and again, up to 100 MB; return how many bytes were taken."""
    with peer:
        peer.settimeout(2)
        if pour(peer, head) < len(head):
            return 0
        return pour(peer, block, times=MEGABYTES * MEGABYTE // len(block))


def connected(port: int, address: str = "127.0.0.1") -> socket.socket:
    """Return a connection from one of this machine's addresses."""
    return socket.create_connection(("127.0.0.1", port), 10, (address, 0))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Meadow, int]]:
    """A dashboard for all strangers, and its memory before they came."""
    process = make_meadow(tmp_path_factory.mktemp("shared"), preloaded=True)
    try:
        process.start()
        yield process, psutil.Process(process.running.pid).memory_info().rss
    finally:
        process.kill()
        sys.stderr.write(process.output)


def six_pour(shared: tuple[Meadow, int], connect: Callable[[], socket.socket], head: bytes, block: bytes) -> None:
    """Let six strangers pour; assert that little is taken, and that it costs little memory and no error."""
    meadow, before = shared
    with ThreadPoolExecutor(6) as strangers:
        took = [one.result() for one in [strangers.submit(pour_without_end, connect(), head, block) for _ in range(6)]]
    assert max(took) < 24 * MEGABYTE, took
    assert peak_bytes(meadow.running.pid) - before < 100 * 10**6
    assert httpx.get(f"{meadow.url}/readyz", **LOCAL).status_code == 200
    assert "Traceback" not in meadow.output


@pytest.mark.parametrize("what", WITHOUT_END)
def test_six_strangers_who_send_without_end_cost_little_memory(shared: tuple[Meadow, int], what: str) -> None:
    head, block = WITHOUT_END[what]
    for port, path in ((shared[0].port, b"/api/runs"), (shared[0].flower_port, b"/v1/fleet/pull-messages")):
        six_pour(shared, partial(connected, port), head.replace(b"%b", path), block)


@pytest.mark.parametrize("what", FRAMES)
def test_six_strangers_who_send_frames_without_end_cost_little_memory(shared: tuple[Meadow, int], what: str) -> None:
    six_pour(shared, partial(upgraded, shared[0].flower_address), *FRAMES[what])


BODIES = {
    "unknown fields": {f"k{number}": 1 for number in range(35_000)},
    "options that are none": {"app_config": {f"k{number}": [] for number in range(30_000)}},
    "clients that are none": {"clients": [[]] * 100_000},
    "a field that is a long list": {"network": [[]] * 100_000},
}


@pytest.mark.parametrize("what", BODIES)
def test_six_strangers_who_send_large_bodies_cost_little_memory(shared: tuple[Meadow, int], what: str) -> None:
    meadow, before = shared
    with ThreadPoolExecutor(6) as strangers:
        answers = list(strangers.map(lambda _: httpx.post(f"{meadow.url}/api/runs", json=BODIES[what]), range(6)))
    assert {(answer.status_code, len(answer.content) < 10_000) for answer in answers} == {(422, True)}
    assert peak_bytes(meadow.running.pid) - before < 100 * 10**6


def test_silent_peers_half_heads_and_half_bodies_are_closed_on_both_ports(shared: tuple[Meadow, int]) -> None:
    meadow, _ = shared
    began, peers = time.monotonic(), []
    for port in (meadow.port, meadow.flower_port):
        for sent in (b"", b"GET / HTTP/1.1\r\nhost: ", CHUNKED.replace(b"%b", b"/api/runs") + b"5\r\nx"):
            peers.append(connected(port))
            peers[-1].sendall(sent)
    for peer in peers:
        with peer, contextlib.suppress(ConnectionError):
            peer.settimeout(30)
            while peer.recv(65_536):
                pass
    assert time.monotonic() - began < 25


def test_a_reader_of_an_event_stream_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    with ExitStack() as stack:
        dashboard = stack.enter_context(running(tmp_path, limits=HttpLimits(unread=1.0)))
        event_hub, port = dashboard.parts.event_hub, dashboard.http.base_url.port or 80
        for _ in range(20):
            silent = stack.enter_context(connected(port))
            silent.sendall(b"GET /api/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        reading = stack.enter_context(ThreadPoolExecutor(1)).submit(
            dashboard.stream, "/api/events", lambda events: len(events) == 901
        )
        wait_until(lambda: event_hub.stream_count == 21)
        for number in range(1, 901):
            event_hub.publish([StoredEvent(number, None, None, "round", datetime.now(UTC), {"x": "x" * 1000})])
        wait_until(lambda: event_hub.stream_count == 1)
        event_hub.publish([StoredEvent(901, None, None, "round", datetime.now(UTC), {})])
        assert len(reading.result(10)) == 901


def unhurried(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
    answer = honest(task, weights, layout)
    answer.delay_seconds = 0.05
    return answer


def test_more_idle_connections_than_descriptors_harm_no_run(tmp_path: Path) -> None:
    """The process may have 1,024 descriptors; it starts with fewer, and takes them."""
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    meadow = make_meadow(tmp_path)
    meadow.arguments = ["-c", 'ulimit -Sn 256; ulimit -Hn 1024; exec "$0" "$@"', sys.executable, *meadow.arguments]
    meadow.program = Path("/bin/sh")
    try:
        meadow.start()
        assert psutil.Process(meadow.running.pid).rlimit(psutil.RLIMIT_NOFILE) == (1024, 1024)
        with ExitStack() as stack:
            api = Api(stack.enter_context(httpx.Client(base_url=meadow.url, **LOCAL, timeout=20)))
            stage = stack.enter_context(Stage(meadow.flower_address))
            for name in "ab":
                stage.add(name, unhurried)
            api.wait_for_clients(2)
            run_id = api.start_run(num_rounds=100_000)
            for port in (meadow.port, meadow.flower_port) * 1100:
                with contextlib.suppress(ConnectionError):
                    idle = stack.enter_context(connected(port, "127.0.0.2"))
                    idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            done = api.run(run_id)["current_round"]
            wait_until(lambda: api.run(run_id)["current_round"] > done + 10)
            assert api.run(run_id)["state"] == "running"
        assert "refuses connections" in meadow.output and "Too many open files" not in meadow.output
    finally:
        meadow.kill()
        sys.stderr.write(meadow.output)


def test_500_silent_peers_of_each_port_that_speaks_tls_harm_no_run_and_are_closed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with ExitStack() as stack:
        dashboard = stack.enter_context(
            running(tmp_path, verify=authority.trusted(), tls_certificate=authority.issue())
        )  # fmt: skip
        stage, client = stack.enter_context(dashboard.stage()), LightClient(dashboard.flower_address, "a", unhurried)
        client.tls = authority.trusted()
        stage.do(client.run())
        dashboard.wait_for_clients(1)
        run_id = dashboard.start_run(num_rounds=100_000, min_clients=1)
        peers = []
        for port in (dashboard.http.base_url.port or 0, dashboard.parts.flower_address[1]) * 500:
            peers.append(stack.enter_context(connected(port, "127.0.0.2")))
        for peer in peers[:200]:
            peer.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a handshake
        done = dashboard.run(run_id)["current_round"]
        wait_until(lambda: dashboard.run(run_id)["current_round"] > done + 10)
        for peer in peers:
            peer.settimeout(30)
            with contextlib.suppress(ConnectionError):
                assert peer.recv(1) == b""
        assert client.closed is None and dashboard.run(run_id)["state"] == "running"
