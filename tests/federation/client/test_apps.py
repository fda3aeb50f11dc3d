"""People's own apps in a client process: what they raise, and the forms in which Flower apps are written."""

import asyncio
import io
from threading import Event
from typing import Any

import httpx
import numpy as np
from flwr.clientapp import ClientApp
from rich.console import Console

from federation.client.console import TaskConsole
from federation.client.tasks.executor import Executor
from federation.client.tasks.worker import Worker
from federation.learning.client_app import Work
from federation.protocol import messages
from tests.conftest import StartClient
from tests.federation.client.test_own_model import ended
from tests.support.http import LOCAL
from tests.support.processes import Meadow, wait_until
from tests.support.small_server import WEIGHTS, SmallServer, joined


def test_whatever_an_app_raises_is_a_failed_reply_and_the_client_goes_on(client: StartClient) -> None:
    says = {
        "CancelledError": "CancelledError: far \\ud800", "Panic": "Panic: far \\ud800",
        "Mute": "Mute: its text cannot be read",
    }  # fmt: skip
    with SmallServer().running() as server:
        _, peer = joined(client, server)
        for number, (name, text) in enumerate(says.items()):
            peer.send_task("train", WEIGHTS, pieces=not number, raises=name)
            assert (peer.next(messages.Offer).error or "").startswith(text)
        peer.send_task("evaluate", WEIGHTS, pieces=False)
        assert peer.next(messages.Offer).error is None


def test_an_app_that_closes_the_standard_streams_takes_the_log_alone_with_it(client: StartClient) -> None:
    tasks: tuple[dict[str, Any], ...] = ({"close_streams": True}, {"raises": "Panic"}, {}, {})
    with SmallServer().running() as server:
        process, peer = joined(client, server)
        for number, more in enumerate(tasks):
            message_id = peer.send_task("train", WEIGHTS, pieces=not number, **more)
            offer = peer.next(messages.Offer)
            assert (offer.message_id, offer.error is None) == (message_id, "raises" not in more)
        assert process.interrupt(5) == 0


def test_a_worker_thread_that_ends_is_reported_whatever_it_raised() -> None:
    def warm() -> None:
        raise asyncio.CancelledError

    failed = Event()
    work = Work(ClientApp(), prepare=lambda config: {}, data={}, warm=warm)
    worker = Worker(TaskConsole(Console()), warm_up=Executor(work, {}).warm_up, on_failure=failed.set)
    worker.start()
    assert failed.wait(10) and worker.wait(10)


def test_an_app_of_a_client_fn_learns_in_a_run_and_gets_the_options_of_the_run(
    meadow: Meadow, client: StartClient
) -> None:
    with io.BytesIO() as file, httpx.Client(base_url=meadow.url, **LOCAL, timeout=20) as http:
        np.savez(file, a=np.zeros((2, 3), np.float32), b=np.zeros(1, np.float32))
        kept = http.post("/api/weights", files={"file": file.getvalue()}).json()["id"]
        for part, name in enumerate(("left", "right")):
            client(meadow.flower_address, name, "--app", "tests.support.legacy_app:app", "--partition", str(part))
        body = {"network": "custom", "initial_weights": kept, "num_rounds": 3,
                "app_config": {"penalty": "l2", "rate": 0.5}}  # fmt: skip
        run_id = http.post("/api/runs", json=body).json()["id"]
        run = wait_until(lambda: ended(http, run_id), 60)
    assert run["state"] == "completed", run
    assert run["last_metrics"]["evaluate_loss"] == 3 and run["last_metrics"]["evaluate_accuracy"] == 0.25
