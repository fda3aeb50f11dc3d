"""A dashboard without its web server to which anything may happen, and what must hold of its runs whatever did."""

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
from webapp.db.repository.events import newest_events
from webapp.db.repository.metrics import points_after
from webapp.db.repository.rounds import list_rounds
from webapp.operations.event_hub import EventHub
from webapp.parts import Parts, open_parts
from webapp.problems import Problem
from webapp.settings import Settings

MOODS = ("good", "good", "good", "brisk", "nan", "raises", "dawdles")

STEPS = (
    "start", "start", "start", "stop", "pause", "continue", "continue", "resume", "resume", "add rounds", "exclude",
    "include", "fewest", "fewest", "wait longer", "front", "come", "come", "go", "mood", "mood", "wait", "wait",
    "wait", "late write", "restart", "crash",
)  # fmt: skip


class World:
    """A dashboard without its web server, with light clients, on a folder that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in "abc"}
        self.moods = dict.fromkeys("abc", "good")
        self.open()

    def open(self) -> None:
        """Begin, on what the last process left."""
        given_: dict[str, Any] = {"data_dir": self.folder, "port": 0, "flower_port": 0}
        self.parts: Parts = open_parts(Settings(**given_), EventHub(), socket.create_server(("127.0.0.1", 0)))
        self.stage = Stage("{}:{}".format(*self.parts.flower_address))
        self.stage.__enter__()
        self.here: dict[str, LightClient] = {}
        for name in "ab":
            self.come(name)

    def close(self) -> None:
        self.stage.__exit__()
        self.parts.close()

    def crash(self) -> None:
        """End as after a kill: from this moment nothing that the run tells is written."""
        runs: Any = self.parts.runs
        runs.move = lambda *_, **__: False
        runs.record = runs.flush = lambda *_: None
        self.close()

    def come(self, name: str) -> None:
        """Connect a client; where it is connected already, the newer connection wins."""
        self.here[name] = self.stage.add(name, self._answer, key=self.keys[name])
        self.here[name].answer = lambda task, weights, layout: self._answer(task, weights, layout, name)

    def go(self, name: str) -> None:
        """Cut a client off."""
        if (client := self.here.pop(name, None)) is not None and hasattr(client, "socket"):
            self.stage.do(client.socket.close())

    def _answer(self, task: Task, weights: bytes | None, layout: Layout | None, name: str = "a") -> Answer:
        mood = self.moods[name]
        if task.phase != "train" or weights is None:
            return honest(task, weights, layout)
        if mood == "raises":
            return Answer(error="ValueError: it is not my day")
        delays = {"brisk": 0.02, "dawdles": 0.5}
        return Answer(shifted(weights, float("nan") if mood == "nan" else 0.1), delay_seconds=delays.get(mood, 0.0))

    # -- what is drawn ------------------------------------------------------------------------------------------------

    def run_ids(self) -> list[int]:
        return [view.id for view in self.parts.runs.list((), "", 100, 0)[0]]

    def some_run(self, draw: int) -> int:
        ids = self.run_ids()
        return ids[draw % len(ids)] if ids else 1

    def wish(self, wish: Callable[..., Any], *arguments: Any) -> None:
        """Ask for something that the run's state may not allow."""
        with contextlib.suppress(Problem):
            wish(*arguments)

    def do(self, step: str, draw: int) -> None:
        runs, steering, run_id = self.parts.runs, self.parts.steering, self.some_run(draw)
        match step:
            case "start":
                runs.create(RunConfig(
                    network="synthetic", dataset="synthetic", seed=draw, num_rounds=1 + draw % 30,
                    min_clients=1 + draw % 2, round_timeout_seconds=0.3, quorum_timeout_seconds=0.8,
                    strategy="FedAdam" if draw % 3 == 0 else "FedAvg",
                ))  # fmt: skip
            case "stop":
                self.wish(steering.stop_run, run_id)
            case "pause":
                self.wish(steering.pause_run, run_id)
            case "continue":
                self.wish(steering.continue_run, run_id)
            case "resume":
                self.wish(steering.resume_run, run_id)
            case "add rounds":
                self.wish(steering.add_rounds, run_id, 1 + draw % 3)
            case "exclude":
                self.wish(steering.exclude_client, run_id, 1 + draw % 3)
            case "include":
                self.wish(steering.include_client, run_id, 1 + draw % 3)
            case "fewest":
                self.wish(steering.ask_for_clients, run_id, 1 + draw % 3)
            case "wait longer":
                self.wish(steering.wait_longer, run_id, 1)
            case "front":
                self.wish(steering.move_to_front, run_id)
            case "come":
                self.come("abc"[draw % 3])
            case "go":
                self.go("abc"[draw % 3])
            case "mood":
                self.moods["abc"[draw % 3]] = MOODS[draw % len(MOODS)]
            case "wait":
                self.let_pass(draw % 20 / 100)
            case "late write":
                self.write_late(run_id)
            case "restart":
                self.close()
                self.open()
            case "crash":
                self.crash()
                self.open()

    def let_pass(self, seconds: float) -> None:
        """Let a moment pass, as little as it may be."""
        deadline = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= deadline)

    def write_late(self, run_id: int) -> None:
        """What comes after the end of a run changes nothing of it."""
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
        for state in set(RunState) - {RunState.QUEUED}:
            assert not runs.move(run_id, state)
        assert self.content(run_id) == before

    def content(self, run_id: int) -> tuple[Any, ...]:
        """Return all that is kept of a run."""
        with self.parts.database.read() as session:
            return (
                self.parts.runs.show(run_id).model_dump(mode="json"),
                [row.round for row in list_rounds(session, run_id)],
                [point.id for point in points_after(session, run_id)],
                [event.id for event in newest_events(session, run_id=run_id, limit=10_000)],
            )

    # -- what holds at the end -------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let every run come to an end: those under way are stopped, those that wait are cancelled."""

        def ended() -> bool:
            views = self.parts.runs.list((), "", 100, 0)[0]
            for view in views:
                if view.state not in ENDED:
                    self.wish(self.parts.steering.stop_run, view.id)
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
