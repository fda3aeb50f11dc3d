"""Every field of every frame that a client sends, with values of every type and size: no traceback, no broken page.

The cases come from the classes of the frames, so that a new field is met, too.
"""

from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from federation.protocol import messages
from federation.protocol.messages import Close
from tests.support.dashboard import Dashboard
from tests.support.light_client import Stage
from tests.support.odd_clients import OddClient, OddFrame, odd_frames
from tests.support.odd_values import sampled
from tests.support.processes import wait_until
from tests.support.unharmed import check_log, check_pages

AT_ONCE = 100
REFUSALS = {Close.BAD_FRAME, Close.SIGNATURE, Close.TOO_BIG, Close.VERSION}
"""What a client that sends an odd frame is told, unless its frame is good all the same."""


def send_at_once(
    dashboard: Dashboard, stage: Stage, keys: list[ec.EllipticCurvePrivateKey], frames: Sequence[OddFrame]
) -> list[OddClient]:
    """Let as many clients as frames connect and send theirs; return them when each has its answer."""
    clients = [
        OddClient(dashboard.flower_address, f"odd-{index}", odd, key=keys[index]) for index, odd in enumerate(frames)
    ]
    for client in clients:
        stage.do(client.run())
    wait_until(lambda: all(client.is_done for client in clients), 20, "every odd frame has its answer")
    return clients


def check_answer(client: OddClient) -> None:
    """Where a frame is refused its field is named, in a sentence that is short however long the value was."""
    if client.closed is None:
        return
    code, reason = client.closed
    if client.odd.field == "hello.code" and code == Close.CODE_REFUSED:  # a text that may be a code, but is none
        return
    assert code in REFUSALS, (client.odd.field, client.closed)
    if code == Close.BAD_FRAME:
        assert reason.startswith(("text frame: type", f"text frame: {client.odd.field.split('.')[0]}.")), reason
    assert client.bye is not None and len(client.bye.reason) < 300


def beside_a_run(
    dashboard: Dashboard, stage: Stage, keys: list[ec.EllipticCurvePrivateKey], frames: Sequence[OddFrame]
) -> None:
    """Send odd frames beside a run of honest clients, which must go on and end as it is told."""
    run_id = dashboard.start_run(num_rounds=100_000, min_clients=1, round_timeout_seconds=1.0)
    clients = send_at_once(dashboard, stage, keys, frames)
    known = dashboard.http.get("/api/clients").json()["items"]
    check_pages(dashboard, f"/runs/{run_id}", *[f"/clients/{one['id']}" for one in known if one["connected"]][:6])
    for client in clients:
        check_answer(client)
        if client.closed is None:
            stage.do(client.socket.close())
    at = dashboard.run(run_id)["current_round"]
    wait_until(lambda: dashboard.run(run_id)["current_round"] > at, what="a round after the odd frames")
    assert dashboard.http.post(f"/api/runs/{run_id}/stop").status_code == 202
    dashboard.wait_for_state(run_id, "stopped")
    wait_until(lambda: all(client.closed is not None for client in clients))


@pytest.mark.slow
def test_no_value_in_any_field_of_a_frame_breaks_a_page_or_a_run(
    dashboard: Dashboard, caplog: pytest.LogCaptureFixture
) -> None:
    frames = sampled(odd_frames(messages.Hello, messages.ProgressFrame, messages.Offer), 8)
    keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(AT_ONCE)]
    with dashboard.stage() as stage:
        for count, name in enumerate("ab", 1):
            stage.add(name)
            dashboard.wait_for_clients(count)
        for start in range(0, len(frames), AT_ONCE):
            beside_a_run(dashboard, stage, keys, frames[start : start + AT_ONCE])
    print(f"\n{len(frames)} frames")
    check_log(caplog)
