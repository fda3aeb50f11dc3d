"""A dashboard without its web server, random actions on it, and the invariants that its runs must keep."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from federation.protocol.messages import Task
from federation.run.config import RunConfig
from federation.run.events import Blocked, RoundRefused
from federation.run.states import ENDED, RunState
from federation.weights.layout import Layout
from tests.support.books import done, reply
from tests.support.failing_calls import ERRORS, FailingCalls, Failure
from tests.support.light_client import Answer, LightClient, Stage, honest, shifted
from tests.support.processes import wait_until
from tests.support.run_invariants import check_moves, check_rounds, is_alive, moves_of
from tests.support.two_people import press_from_two_places
from webapp.db.repository.events import newest_events
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import list_rounds
from webapp.operations.event_hub import EventHub
from webapp.parts import Parts, open_parts
from webapp.problems import Problem
from webapp.settings import Settings

BEHAVIOURS = ("good", "good", "good", "brisk", "nan", "raises", "slow")

ACTIONS = (
    "start", "start", "start", "stop", "pause", "continue", "continue", "resume", "resume", "add rounds", "exclude",
    "include", "min clients", "min clients", "wait longer", "front", "connect", "connect", "disconnect", "behaviour",
    "behaviour", "wait", "wait", "wait", "late write", "restart", "crash", "two people", "two people", "delete", "fail",
    "fail", "fail", "fail",
)  # fmt: skip
"""What may happen, as often as it is named here."""


class RandomFederation:
    """A dashboard without its web server, with light clients, on a folder that is kept over restarts.

    ``failing`` decides which calls of the runs' threads raise; ``parallel_runs`` may be active at a time.
    """

    def __init__(self, folder: Path, failing: FailingCalls, parallel_runs: int = 1) -> None:
        self.folder, self.failing, self.parallel_runs = folder, failing, parallel_runs
        self.most_active, self._failed_before = 0, len(failing.raised)
        self.in_two_runs: list[str] = []
        """Tasks that a client got while it had one of another run, as long as no call has failed."""
        self.keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in "abc"}
        self.behaviours = dict.fromkeys("abc", "good")
        self.open()

    def open(self) -> None:
        """Start a process on the files of the one before; two clients connect, or three where runs are parallel."""
        given_: dict[str, Any] = {
            "data_dir": self.folder, "port": 0, "flower_port": 0, "parallel_runs": self.parallel_runs,
        }  # fmt: skip
        self.parts: Parts = open_parts(Settings(**given_), EventHub(), socket.create_server(("127.0.0.1", 0)))
        self.stage = Stage("{}:{}".format(*self.parts.flower_address))
        self.stage.__enter__()
        self.connected: dict[str, LightClient] = {}
        for name in "ab" if self.parallel_runs == 1 else "abc":
            self.connect(name)

    def close(self) -> None:
        self.stage.__exit__()
        self.parts.close()

    def restart(self) -> None:
        self.close()
        self.open()

    def crash(self) -> None:
        """End as after a kill, with nothing written from this moment on, and start again."""
        runs: Any = self.parts.runs
        runs.move = lambda *_, **__: False
        runs.record = runs.flush = lambda *_: None
        self.restart()

    def connect(self, name: str) -> None:
        """Connect a client; if it is connected already, the newer connection wins."""
        self.connected[name] = client = self.stage.add(name, self._answer, key=self.keys[name])

        def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
            self._check_owner(client, task)
            return self._answer(task, weights, layout, name)

        client.answer = answer

    def disconnect(self, name: str) -> None:
        if (client := self.connected.pop(name, None)) is not None and hasattr(client, "socket"):
            self.stage.do(client.socket.close())

    def _check_owner(self, client: LightClient, task: Task) -> None:
        """Note a task of one run that came before those of another run were acknowledged or cancelled."""
        self.most_active = max(self.most_active, len(self.parts.supervisor.active_run_ids))
        over = {*(ack.message_id for ack in client.acks[-50:]), *client.cancelled[-50:]}
        others = [one for one in client.tasks[-20:] if one.run_id != task.run_id and one.message_id not in over]
        if others and len(self.failing.raised) == self._failed_before:
            self.in_two_runs.append(f"{client.name}: {task.message_id} beside {others[-1].message_id}")

    def _answer(self, task: Task, weights: bytes | None, layout: Layout | None, name: str = "a") -> Answer:
        behaviour = self.behaviours[name]
        if task.phase != "train" or weights is None:
            return honest(task, weights, layout)
        if behaviour == "raises":
            return Answer(error="ValueError: it is not my day")
        delay = {"brisk": 0.02, "slow": 0.5}.get(behaviour, 0.0)
        return Answer(shifted(weights, float("nan") if behaviour == "nan" else 0.1), delay_seconds=delay)

    # -- random actions -----------------------------------------------------------------------------------------------

    def run_ids(self) -> list[int]:
        return [view.id for view in self.parts.runs.list((), "", 100, 0)[0]]

    def pick_run(self, number: int) -> int:
        ids = self.run_ids()
        return ids[number % len(ids)] if ids else 1

    def request(self, method: Callable[..., Any], *arguments: Any) -> bool:
        """Call a method that the run's state may not allow; return whether it did."""
        try:
            method(*arguments)
        except Problem:
            return False
        return True

    def do(self, action: str, number: int) -> None:
        """Carry out an action; ``number`` decides its details. A request that was accepted must have an effect."""
        run_id = self.pick_run(number)
        moves = len(moves_of(self.parts, run_id))
        accepted = self._steer(action, run_id, number)
        if accepted is None:
            self._disturb(action, number)
        elif accepted and action == "stop":
            wait_until(lambda: self.parts.runs.show(run_id).state in ENDED, 20, f"run {run_id} ends as it was told")
        elif accepted and action == "delete":
            assert run_id not in self.run_ids()
        elif accepted and action == "resume":
            assert len(moves_of(self.parts, run_id)) > moves or self.parts.runs.show(run_id).blocked_on is None

    def _steer(self, action: str, run_id: int, number: int) -> bool | None:
        """Send a request to a run; return whether it was accepted, and None for an action that is no request."""
        steering, few = self.parts.steering, 1 + number % 3
        calls: dict[str, tuple[Callable[..., Any], *tuple[Any, ...]]] = {
            "stop": (steering.stop_run,), "pause": (steering.pause_run,), "continue": (steering.continue_run,),
            "resume": (steering.resume_run,), "front": (steering.move_to_front,),
            "wait longer": (steering.wait_longer, 1),
            "add rounds": (steering.add_rounds, few), "exclude": (steering.exclude_client, few),
            "include": (steering.include_client, few), "min clients": (steering.ask_for_clients, few),
            "delete": (self.parts.runs.delete,),
        }  # fmt: skip
        if action not in calls:
            return None
        method, *arguments = calls[action]
        return self.request(method, run_id, *arguments)

    def _disturb(self, action: str, number: int) -> None:
        name = "abc"[number % 3]
        match action:
            case "start":
                self.start_run(number)
            case "connect":
                self.connect(name)
            case "disconnect":
                self.disconnect(name)
            case "behaviour":
                self.behaviours[name] = BEHAVIOURS[number % len(BEHAVIOURS)]
            case "wait":
                self.wait(number % 20 / 100)
            case "two people":
                press_from_two_places(self._steer, self.pick_run(number), number)
            case "fail":
                drawn = [number * 31 + index * 17 for index in range(1 + number % 3)]
                self.failing.plan([Failure(1 + one % 37, one % len(ERRORS), one % 2 == 1) for one in drawn])
            case "late write":
                self.write_late(self.pick_run(number))
            case "restart":
                self.restart()
            case "crash":
                self.crash()

    def start_run(self, number: int) -> None:
        self.parts.runs.create(RunConfig(
            network="synthetic", dataset="synthetic", seed=number, num_rounds=1 + number % 30,
            min_clients=1 + number % 2, round_timeout_seconds=0.3, quorum_timeout_seconds=0.8,
            strategy="FedAdam" if number % 3 == 0 else "FedAvg",
            max_clients=1 + number % 2 if number % 4 < (3 if self.parallel_runs > 1 else 1) else None,
        ))  # fmt: skip

    def wait(self, seconds: float) -> None:
        """Wait at most a few tenths of a second, so that actions do not all meet a run that has just started."""
        deadline = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= deadline)

    def write_late(self, run_id: int) -> None:
        """Record events after the end of a run: they must change nothing."""
        if run_id not in self.run_ids() or self.parts.supervisor.active_run_ids:
            return
        before = self.content(run_id)
        if before[0]["state"] not in ENDED:
            return
        runs, number = self.parts.runs, before[0]["current_round"] + 1
        runs.record(reply(run_id, number, 1, loss=1.0))
        with pytest.raises(RoundRefused):
            runs.record(done(run_id, number, loss=1.0))
        runs.record(Blocked(run_id, "quorum", "1 of 2 clients", 60))
        for state in set(RunState) - {RunState.QUEUED, RunState.DELETED}:
            assert not runs.move(run_id, state)
        assert self.content(run_id) == before

    def content(self, run_id: int) -> tuple[Any, ...]:
        """Return everything that is stored of a run."""
        with self.parts.database.read() as session:
            return (
                self.parts.runs.show(run_id).model_dump(mode="json"),
                [row.round for row in list_rounds(session, run_id)],
                [point.id for point in points_after(session, run_id)],
                [event.id for event in newest_events(session, run_id=run_id, limit=10_000)],
            )

    # -- invariants ---------------------------------------------------------------------------------------------------

    def check_alive(self) -> None:
        """Nobody presses anything: every active run has its thread, and no queued run waits for nothing."""
        wait_until(lambda: is_alive(self.parts), 20, f"all is well after {self.failing.raised}")

    def end_all_runs(self) -> None:
        """Stop the active runs and cancel the queued ones, until every run has ended."""

        def ended() -> bool:
            views = self.parts.runs.list((), "", 100, 0)[0]
            for view in views:
                if view.state not in ENDED:
                    self.request(self.parts.steering.stop_run, view.id)
            return all(view.state in ENDED for view in views) and not self.parts.supervisor.active_run_ids

        wait_until(ended, 60, "every run has ended")

    def check(self) -> None:
        assert not self.in_two_runs
        assert self.most_active <= self.parallel_runs
        for run_id in self.run_ids():
            self.write_late(run_id)
            check_moves(self.parts, run_id)
            check_rounds(self.parts, self.folder, run_id)
