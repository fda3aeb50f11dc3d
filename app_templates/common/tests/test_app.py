"""Two clients train for some rounds without a server: python -m pytest"""

import time

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, Metadata, RecordDict

from my_app import task
from my_app.client_app import app

CLIENTS, ROUNDS = 2, 5


def ask(kind: str, weights: list[np.ndarray], client: int) -> RecordDict:
    """Send a message to the app of a client, as Flower does, and return the content of its reply."""
    content = RecordDict({"arrays": ArrayRecord(weights), "config": ConfigRecord({})})
    metadata = Metadata(
        run_id=1, message_id="1", src_node_id=1, dst_node_id=2, reply_to_message_id="", group_id="1",
        created_at=time.time(), ttl=60.0, message_type=kind,
    )  # fmt: skip
    node = {"partition-id": client, "num-partitions": CLIENTS}
    reply = app(Message(content, metadata=metadata), Context(1, 2, node, RecordDict(), {"local-epochs": 2}))
    return reply.content


def loss_of(weights: list[np.ndarray]) -> float:
    return float(np.mean([ask("evaluate", weights, client)["metrics"]["loss"] for client in range(CLIENTS)]))


def test_the_mean_of_two_clients_learns() -> None:
    first = weights = task.first_weights()
    for _ in range(ROUNDS):
        replies = [ask("train", weights, client)["arrays"].to_numpy_ndarrays() for client in range(CLIENTS)]
        assert [[one.shape for one in reply] for reply in replies] == [[one.shape for one in first]] * CLIENTS
        weights = [np.mean(both, axis=0) for both in zip(*replies, strict=True)]
    assert loss_of(weights) < 0.7 * loss_of(first)


def test_clients_hold_different_samples() -> None:
    (one, _), (other, _) = (task.load_data({"partition-id": n, "num-partitions": CLIENTS}) for n in range(CLIENTS))
    assert len(one.y) > 0 and not np.array_equal(one.x[: len(other.x)], other.x[: len(one.x)])
