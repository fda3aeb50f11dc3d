"""A client that connects again and again leaves few events, which count the others."""

from functools import partial

from federation.run.events import ClientChanged
from federation.transport.connection_changes import REPORTED_CHANGES, ConnectionChanges
from tests.support.engine import Engine
from tests.support.light_client import LightClient, Stage


def test_changes_beyond_the_first_are_counted_in_windows_until_the_client_is_steady() -> None:
    now, told = 0.0, list[ClientChanged]()
    changes = ConnectionChanges(told.append, clock=lambda: now)  # type: ignore[arg-type]
    for second in range(60):
        now = float(second)
        for online in (True, False):
            changes.add(ClientChanged(1, online, "" if online else "connection lost"))
        if second % 20 == 0:
            changes.add(ClientChanged(2, online=True))
        changes.flush()
    flapping = [one for one in told if one.client_id == 1]
    assert len(flapping) == REPORTED_CHANGES + 2 and all(not one.changes for one in flapping[:REPORTED_CHANGES])
    counted = flapping[REPORTED_CHANGES:]
    assert [(one.online, one.reason, one.changes) for one in counted] == [
        (False, "connection lost", 22 - REPORTED_CHANGES), (False, "connection lost", 40)
    ]  # fmt: skip
    assert [one.changes for one in told if one.client_id == 2] == [0, 0, 0]

    changes.add(ClientChanged(1, online=True))
    changes.flush(at_once=True)
    assert told[-1].online and sum(one.changes or 1 for one in flapping) + told[-1].changes == 121
    for later in (100.0, 200.0):
        now = later
        changes.flush()
    changes.add(ClientChanged(1, online=False))
    assert told[-1] == ClientChanged(1, online=False), "a steady client is reported one by one again"


def is_welcome(client: LightClient) -> bool:
    return client.welcome is not None


def test_two_processes_that_take_turns_with_one_key_leave_one_event_with_a_count(engine: Engine, stage: Stage) -> None:
    site = LightClient(stage.address, "site-a")
    for number in range(1, 31):
        again = LightClient(stage.address, "site-a", key=site.key)
        stage.do(again.run())
        engine.ledger.wait(partial(is_welcome, again))
        assert len(engine.changes()) <= REPORTED_CHANGES, number
    engine.ledger.wait(lambda: any(one.changes for one in engine.changes()), 15)
    (counted,) = [one for one in engine.changes() if one.changes]
    assert counted.changes == 30 - REPORTED_CHANGES and counted.online
