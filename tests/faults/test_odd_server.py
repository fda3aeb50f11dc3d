"""Every field of every frame of a server with values of every type and size: the client stays, and does its next task.

The cases come from the classes of the frames, so that a new field is met, too.
"""

import pytest

from federation.protocol import messages
from tests.conftest import StartClient
from tests.support.odd_clients import odd_frames
from tests.support.odd_values import sampled
from tests.support.small_server import WEIGHTS, Peer, SmallServer, joined

GOOD = (
    messages.Challenge(nonce="n", time="2026-01-01T00:00:00+00:00", versions={"protocols": [1]}),
    messages.Welcome(state="admitted", client_id=1, node_id="5", limits={}),
    messages.Task(
        message_id="odd", run_id=1, round=1, phase="train", deadline_seconds=60, config={"server-round": 1},
        content=WEIGHTS[0],
    ),
    messages.Grant(message_id="odd"), messages.Ack(message_id="odd", refused="late"), messages.Cancel(message_id="odd"),
    messages.Bye(code=messages.Close.STOPPING, reason="stopping"),
)  # fmt: skip
"""A good frame of each kind. A bye of another code ends the client, and rightly so."""


def does_a_task(peer: Peer) -> bool:
    """Send a task, and wait for its reply; replies to odd tasks are passed over."""
    message_id = peer.send_task("train", WEIGHTS)
    while (offer := peer.next(messages.Offer)).message_id != message_id:
        peer.send(messages.Cancel(message_id=offer.message_id))
    return list(peer.fetch(offer)) == ["a", "b"]


@pytest.mark.slow
def test_no_value_in_any_field_of_a_servers_frame_ends_the_client(client: StartClient) -> None:
    with SmallServer().running() as server:
        process, peer = joined(client, server)
        good: dict[type[messages.Frame], messages.Frame] = {type(frame): frame for frame in GOOD}
        for odd in sampled(odd_frames(*good), 8):
            peer.socket.send(odd.text(good[odd.kind]))
            for piece in messages.pieces(WEIGHTS[0].id, WEIGHTS[1]):
                peer.socket.send(piece)
            assert does_a_task(peer.welcome()), odd.field  # with limits as before
        assert process.running.poll() is None
        assert "thread failed" not in process.output and "connection failed" not in process.output
        assert process.interrupt(3) == 0
