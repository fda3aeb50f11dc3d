"""The client process over a real socket: it joins, works, reconnects, cancels, and waits for its server."""

import errno
import logging
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from federation.client.description import ClientDescription
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.reconnect import ReconnectLoop, failure_sentence
from federation.protocol import messages
from tests.conftest import StartClient
from tests.support.coroutines import in_a_thread
from tests.support.processes import free_port, wait_until
from tests.support.proxy import Proxy
from tests.support.small_server import NUMPY_APP, WEIGHTS, SmallServer, as_content, joined


def test_a_server_that_stands_still_is_one_sentence_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with SmallServer().running() as server, Proxy(server.address).running() as between:
        host, port = between.address.split(":")
        loop = ReconnectLoop(
            (host, int(port)), Identity.load(tmp_path / "key.json", "site-a", "site-a"), ClientDescription(),
            Outbox(lambda task: None), ping_seconds=0.1, pong_seconds=0.4,
        )  # fmt: skip
        with in_a_thread(loop.run):
            server.next_connection().welcome()
            wait_until(lambda: "joined as client" in caplog.text)
            between.stall()
            wait_until(lambda: "retrying" in caplog.text)
            between.flow()
            server.next_connection().welcome()
    lost = [record.getMessage() for record in caplog.records if "connection lost" in record.getMessage()]
    assert lost and lost[0].startswith(f"{between.address}: connection lost (the server stopped responding), retrying")
    of_client = [record for record in caplog.records if record.name.startswith("federation.")]
    assert of_client and not [record for record in of_client if record.exc_info or record.levelno >= logging.ERROR]


def test_a_hello_describes_the_client_and_its_data(client: StartClient) -> None:
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        hello = peer.hello
    assert (hello.name, hello.pending) == ("site-a", [])
    assert hello.data == {"dataset": None, "partition": 1, "partitions": 2, "samples": None,
                          "app": "tests.support.numpy_app:app", "source": "tests.support.numpy_app:app"}  # fmt: skip
    assert hello.versions["protocol"] == messages.PROTOCOL and str(hello.versions["flwr"]).startswith("1.42.")
    assert hello.facts["cpus"] >= 1 and hello.facts["memory_bytes"] > 2**20 and hello.facts["hostname"]


def test_a_client_joins_and_answers_prepare_train_and_evaluate(client: StartClient) -> None:
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        peer.send_task("prepare")
        assert peer.next(messages.Offer).data == {}

        message_id = peer.send_task(
            "train", WEIGHTS, steps_per_epoch=None, clients=["a", "b"], options={"beta": [1, 2]}
        )
        offer = peer.next(messages.Offer)
        assert (offer.message_id, offer.error, offer.num_examples) == (message_id, None, 10)
        assert offer.metrics == {"loss": 0.5, "calls": 1, "node": 1}
        assert 0 < offer.seconds < 10
        arrays = peer.fetch(offer)
        assert list(arrays) == ["a", "b"] and arrays["b"].dtype == np.int64
        np.testing.assert_array_equal(arrays["a"], np.arange(1, 7, dtype=np.float32).reshape(2, 3))

        peer.send_task("evaluate", WEIGHTS, pieces=False)
        offer = peer.next(messages.Offer)
        assert (offer.content, offer.num_examples) == (None, 4)
        assert offer.metrics == {"loss": 15.0, "accuracy": 0.25}


def test_a_content_of_many_pieces_is_received_and_sent(client: StartClient) -> None:
    big = np.arange(3 * messages.PIECE_BYTES // 4 + 5, dtype=np.float32)
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        peer.send_task("train", as_content({"w": big}))
        np.testing.assert_array_equal(peer.fetch(peer.next(messages.Offer))["w"], big + 1)


def test_a_content_sent_once_serves_the_next_task_that_names_it_and_only_the_last_is_kept(client: StartClient) -> None:
    other = as_content({"a": np.full(3, 5, dtype=np.float32)})
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        peer.send_task("evaluate", WEIGHTS)
        assert peer.next(messages.Offer).metrics["loss"] == 15
        peer.send_task("evaluate", WEIGHTS, pieces=False)
        assert peer.next(messages.Offer).metrics["loss"] == 15
        peer.send_task("evaluate", other)
        assert peer.next(messages.Offer).metrics["loss"] == 15
        peer.send_task("evaluate", WEIGHTS)
        assert peer.next(messages.Offer).metrics["loss"] == 15


def test_a_content_that_was_broken_off_may_start_over(client: StartClient) -> None:
    big = np.ones(2 * messages.PIECE_BYTES // 4, dtype=np.float32)
    header, buffer = as_content({"w": big})
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        first = peer.send_task("evaluate", (header, buffer), pieces=False)
        peer.socket.send(next(messages.pieces(header.id, buffer)))
        peer.send(messages.Cancel(message_id=first))
        peer.send_task("evaluate", (header, buffer))
        assert peer.next(messages.Offer).metrics["loss"] == big.sum()


def test_a_reply_that_was_not_acknowledged_is_offered_again_and_once_acknowledged_is_not(client: StartClient) -> None:
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        message_id = peer.send_task("train", WEIGHTS)
        first = peer.next(messages.Offer)
        peer.cut()

        peer = server.next_connection()
        assert peer.hello.pending == [message_id]
        again = peer.welcome().next(messages.Offer)
        assert (again.message_id, again.content) == (message_id, first.content)
        peer.fetch(again)
        peer.cut()

        peer = server.next_connection().welcome()
        assert peer.hello.pending == []
        peer.send_task("evaluate", WEIGHTS, message_id="next")
        assert peer.next(messages.Offer).message_id == "next"


def test_a_task_under_way_goes_on_when_the_connection_is_lost(client: StartClient) -> None:
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        message_id = peer.send_task("train", WEIGHTS, batches=100, batch_seconds=0.03)
        peer.next(messages.ProgressFrame)
        peer.cut()
        peer = server.next_connection().welcome()
        assert peer.hello.pending == [message_id]
        offer = peer.next(messages.Offer)
        assert offer.message_id == message_id and offer.seconds >= 3


def test_progress_is_sent_at_most_twice_a_second(client: StartClient) -> None:
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        peer.send_task("train", WEIGHTS, batches=80, batch_seconds=0.02)
        frames = [peer.next(messages.ProgressFrame)]
        while isinstance(frame := peer.frames.get(timeout=10), messages.ProgressFrame):
            frames.append(frame)
    assert isinstance(frame, messages.Offer) and 2 <= len(frames) <= 1 + frame.seconds / messages.PROGRESS_SECONDS
    assert frames[0].batches == 80 and 0 < frames[0].batch < frames[1].batch and frames[0].loss == 1 / frames[0].batch


def test_a_cancelled_task_is_abandoned_between_batches_and_the_next_one_is_done(client: StartClient) -> None:
    with SmallServer().running() as server:
        process, peer = joined(client, server)
        cancelled = peer.send_task("train", WEIGHTS, batches=10_000, batch_seconds=0.02)
        peer.next(messages.ProgressFrame)
        peer.send(messages.Cancel(message_id=cancelled))
        cancelled_at = time.monotonic()
        following = peer.send_task("train", WEIGHTS, pieces=False)
        assert peer.next(messages.Offer).message_id == following
        assert time.monotonic() - cancelled_at < 2
        assert "round 3, train: cancelled" in process.output


def test_an_error_in_train_is_offered_and_the_client_goes_on(client: StartClient) -> None:
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        peer.send_task("train", WEIGHTS, error="the disk\nis " + "very " * 100 + "full")
        error = peer.next(messages.Offer).error
        assert error is not None and error.startswith("ValueError: the disk is very") and len(error) == 200
        peer.send_task("evaluate", WEIGHTS, pieces=False)
        assert peer.next(messages.Offer).error is None


def test_a_pending_client_stays_connected_and_works_once_it_is_admitted(client: StartClient) -> None:
    with SmallServer().running() as server:
        process = client(server.address, "site-a", *NUMPY_APP)
        peer = server.next_connection().welcome("pending")
        process.wait_for_output("pending approval")
        peer.welcome()
        peer.send_task("evaluate", WEIGHTS)
        assert peer.next(messages.Offer).num_examples == 4


def test_without_a_server_each_attempt_is_one_line_with_address_and_reason_until_it_comes(client: StartClient) -> None:
    port = free_port()
    process = client(f"127.0.0.1:{port}", "site-a", *NUMPY_APP)
    wait_until(lambda: process.output.count(f"127.0.0.1:{port}: connection refused, retrying in ") >= 3)
    with SmallServer().running(port) as server:
        server.next_connection(seconds=6)
    attempts = [line for line in process.output.splitlines() if f"127.0.0.1:{port}" in line]
    assert all("refused" in line or "connected to" in line for line in attempts[:4])
    assert "Traceback" not in process.output


@pytest.mark.parametrize("code", [messages.Close.TOO_SLOW, messages.Close.FULL, messages.Close.STOPPING])
def test_a_client_reconnects_after_a_temporary_close_code(client: StartClient, code: messages.Close) -> None:
    with SmallServer().running() as server:
        process, peer = joined(client, server)
        peer.refuse(code, "the server is stopping")
        server.next_connection()
    assert "connection lost (the server is stopping), retrying" in process.output


def test_a_proxy_in_the_environment_is_not_used_for_a_server_on_this_machine(client: StartClient) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    with SmallServer().running() as server:
        client(server.address, "site-a", *NUMPY_APP, http_proxy=proxy, https_proxy=proxy, all_proxy=proxy, no_proxy="")
        server.next_connection()


def test_a_wrong_clock_is_logged_with_its_offset(client: StartClient) -> None:
    with SmallServer(clock_offset=timedelta(seconds=37)).running() as server:
        process = client(server.address, "site-a", *NUMPY_APP)
        server.next_connection()
        process.wait_for_output("this machine's clock is 37 s behind the server's")


def test_a_host_with_several_addresses_refuses_a_connection_in_the_words_of_the_system() -> None:
    each = [f"[Errno {errno.ECONNREFUSED}] Connect call failed ('{host}', 8080)" for host in ("::1", "127.0.0.1")]
    assert failure_sentence(OSError(f"Multiple exceptions: {', '.join(each)}")) == "connection refused"


def test_a_server_that_is_not_meadow_is_logged_and_tried_again_and_its_redirect_is_not_followed(
    client: StartClient,
) -> None:
    class Other(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{free_port()}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        Thread(target=server.serve_forever).start()
        try:
            process = client(f"127.0.0.1:{server.server_port}", "site-a", *NUMPY_APP)
            process.wait_for_output("answered HTTP 302: not a Meadow server, retrying")
        finally:
            server.shutdown()
