"""A client that a person admits or revokes in the moment in which it connects."""

from pathlib import Path
from typing import Any

import pytest

from federation.protocol.messages import Close, Hello
from federation.run.states import RunState
from federation.transport.admission import Admission
from tests.support.engine import Engine, running_engine
from tests.support.light_client import Stage


class Deciding(Engine):
    """Says once what was so before a person decided, who does it before the answer arrives."""

    decision: Any = None

    def _admit(self, public_key: str, hello: Hello, address: str) -> Admission:
        before, decision, self.decision = super()._admit(public_key, hello, address), self.decision, None
        if decision is not None:
            self.states[before.client_id] = decision
            if decision == "admitted":
                self.server.readmit(before.client_id)
            else:
                self.server.disconnect(before.client_id, Close.REVOKED, "this client was revoked")
        return before


@pytest.mark.parametrize(("admission", "decision"), [("pending", "admitted"), ("admitted", "revoked")])
def test_a_decision_in_the_moment_of_joining_counts(tmp_path: Path, admission: str, decision: str) -> None:
    with running_engine(tmp_path, kind=Deciding) as engine, Stage(engine.address) as stage:
        assert isinstance(engine, Deciding)
        engine.admission, engine.decision = admission, decision
        client = stage.add("site-a")
        if decision == "admitted":
            assert engine.ledger.wait_end(engine.start_run(min_clients=1, num_rounds=1)) is RunState.COMPLETED
            assert client.welcome is not None and client.welcome.node_id != "0"
        else:
            engine.ledger.wait(lambda: client.closed)
            assert client.closed is not None and client.closed[0] == Close.REVOKED
            assert client.welcome is None and not engine.server.lane.members()
