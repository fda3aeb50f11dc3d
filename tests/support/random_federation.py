"""A dashboard without its web server, random actions on it, and the invariants that its runs must keep."""

import contextlib
import hashlib
import itertools
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
from federation.run.states import ENDED, MOVES, RunState
from federation.weights.layout import Layout
from tests.support.books import done, reply
from tests.support.light_client import Answer, LightClient, Stage, honest, shifted
from tests.support.processes import wait_until
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
    "behaviour", "wait", "wait", "wait", "late write", "restart", "crash", "two people", "two people",
)  # fmt: skip
"""What may happen, as often as it is named here."""


class RandomFederation:
    """A dashboard without its web server, with light clients, on a folder that is kept over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in "abc"}
        self.behaviours = dict.fromkeys("abc", "good")
        self.open()

    def open(self) -> None:
        """Start a process on the files of the one before; two clients connect."""
        given_: dict[str, Any] = {"data_dir": self.folder, "port": 0, "flower_port": 0}
        self.parts: Parts = open_parts(Settings(**given_), EventHub(), socket.create_server(("127.0.0.1", 0)))
        self.stage = Stage("{}:{}".format(*self.parts.flower_address))
        self.stage.__enter__()
        self.connected: dict[str, LightClient] = {}
        for name in "ab":
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
        self.connected[name] = self.stage.add(name, self._answer, key=self.keys[name])
        self.connected[name].answer = lambda task, weights, layout: self._answer(task, weights, layout, name)

    def disconnect(self, name: str) -> None:
        if (client := self.connected.pop(name, None)) is not None and hasattr(client, "socket"):
            self.stage.do(client.socket.close())

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

    def request(self, method: Callable[..., Any], *arguments: Any) -> None:
        """Call a method that the run's state may not allow."""
        with contextlib.suppress(Problem):
            method(*arguments)

    def do(self, action: str, number: int) -> None:
        """Carry out an action; ``number`` decides its details."""
        if not self._steer(action, number):
            self._disturb(action, number)

    def _steer(self, action: str, number: int) -> bool:
        """Send a request to a run; False for an action that is none."""
        steering, run_id, few = self.parts.steering, self.pick_run(number), 1 + number % 3
        calls: dict[str, tuple[Callable[..., Any], *tuple[Any, ...]]] = {
            "stop": (steering.stop_run,), "pause": (steering.pause_run,), "continue": (steering.continue_run,),
            "resume": (steering.resume_run,), "front": (steering.move_to_front,),
            "wait longer": (steering.wait_longer, 1),
            "add rounds": (steering.add_rounds, few), "exclude": (steering.exclude_client, few),
            "include": (steering.include_client, few), "min clients": (steering.ask_for_clients, few),
        }  # fmt: skip
        if action not in calls:
            return False
        method, *arguments = calls[action]
        self.request(method, run_id, *arguments)
        return True

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
                press_from_two_places(self.press, self.pick_run(number), number)
            case "late write":
                self.write_late(self.pick_run(number))
            case "restart":
                self.restart()
            case "crash":
                self.crash()

    def press(self, action: str, run_id: int, number: int) -> None:
        if action == "delete":
            self.request(self.parts.runs.delete, run_id)
        else:
            self._steer(action, number)

    def start_run(self, number: int) -> None:
        self.parts.runs.create(RunConfig(
            network="synthetic", dataset="synthetic", seed=number, num_rounds=1 + number % 30,
            min_clients=1 + number % 2, round_timeout_seconds=0.3, quorum_timeout_seconds=0.8,
            strategy="FedAdam" if number % 3 == 0 else "FedAvg",
        ))  # fmt: skip

    def wait(self, seconds: float) -> None:
        """Wait at most a few tenths of a second, so that actions do not all meet a run that has just started."""
        deadline = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= deadline)

    def write_late(self, run_id: int) -> None:
        """Record events after the end of a run: they must change nothing."""
        if run_id not in self.run_ids() or self.parts.supervisor.active_run_id is not None:
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

    def end_all_runs(self) -> None:
        """Stop the active run and cancel the queued ones, until every run has ended."""

        def ended() -> bool:
            views = self.parts.runs.list((), "", 100, 0)[0]
            for view in views:
                if view.state not in ENDED:
                    self.request(self.parts.steering.stop_run, view.id)
            return all(view.state in ENDED for view in views) and self.parts.supervisor.active_run_id is None

        wait_until(ended, 20, "every run has ended")

    def check(self) -> None:
        for run_id in self.run_ids():
            self.write_late(run_id)
            self.check_moves(run_id)
            self.check_rounds(run_id)

    def check_moves(self, run_id: int) -> None:
        with self.parts.database.read() as session:
            events = newest_events(session, run_id=run_id, types=["run"], limit=10_000)[::-1]
        moves = [(event.data["from"], event.data["state"]) for event in events if event.data.get("from")]
        state = str(RunState.QUEUED)
        for left, to in moves:
            assert left == state, f"run {run_id}: {moves}"
            assert RunState(to) in MOVES[RunState(left)], f"run {run_id}: {left} -> {to}"
            state = to
        assert state == self.parts.runs.show(run_id).state
        groups = itertools.groupby((to for _, to in moves), lambda to: to == RunState.QUEUED)
        stretches = [list(group) for queued, group in groups if not queued]
        assert all(sum(to in ENDED for to in stretch) == 1 for stretch in stretches), f"run {run_id}: {stretches}"

    def check_rounds(self, run_id: int) -> None:
        view = self.parts.runs.show(run_id)
        with self.parts.database.read() as session:
            rows = list_rounds(session, run_id, limit=10_000)
            points = [(p.round, p.phase, p.client_id, p.name) for p in points_after(session, run_id, limit=100_000)]
        numbers = [row.round for row in rows]
        assert numbers == list(range(len(numbers))), f"run {run_id}: {numbers}"
        assert len(points) == len(set(points)), "a point is there twice"
        assert {point[0] for point in points} <= set(numbers), "points of a round that was not committed"
        if view.state == RunState.COMPLETED:
            assert numbers[-1] == view.num_rounds == view.current_round
        if rows:
            kept = rows[-1].checkpoint
            file = self.folder / "runs" / str(run_id) / kept["file"]
            assert hashlib.sha256(file.read_bytes()).hexdigest() == kept["sha256"]
