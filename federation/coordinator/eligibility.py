"""Which connected clients may take part in a run: not excluded, selected, with the data set, and of the run's shape."""

import contextlib
import itertools
import json
import math
import queue
import time
from collections import Counter
from typing import Any

import numpy as np

from federation.coordinator.phase import Ground
from federation.run.config import RunConfig
from federation.run.eligibility import why_ineligible
from federation.run.events import ClientPutAside, Outcome, ReplyRecorded
from federation.transport.exchange import Exchange, Member, Reply
from federation.weights.layout import Layout, LayoutMismatch

_unique = itertools.count()

HELD = ("samples", "input_shape", "classes", "label_counts")
"""What a client may say about its data when it prepares. The rest, such as its data set, it says when it connects."""

MAX_HELD_CHARACTERS = 64 * 1024
"""What a client says stays in memory as long as it is connected, and on its page for ever."""

REFUSALS = 3
"""So many refused replies in a row put a client aside for the run."""


class Party:
    """The clients of one run. Each process is asked to prepare once; what it answers must fit the run's layout."""

    def __init__(self, run_id: int, config: RunConfig, layout: Layout, ground: Ground) -> None:
        self._run_id, self._config, self._layout, self._ground = run_id, config, layout, ground
        self._selected = frozenset(config.clients) if config.clients is not None else None
        self._refusals: Counter[int] = Counter()
        self._aside: set[int] = set()
        self._prepared: set[tuple[int, object]] = set()
        self._asked: dict[tuple[int, object], Exchange] = {}
        self._refused: set[tuple[int, object]] = set()
        self._late: set[tuple[int, object]] = set()

    # -- who ----------------------------------------------------------------------------------------------------------

    def is_eligible(self, member: Member) -> bool:
        """Say whether a connected client may take part in the run."""
        config, client_id = self._config, member.client_id
        if client_id in self._ground.control.excluded or client_id in self._aside:
            return False
        if (client_id, member.session) in self._refused:
            return False
        return (
            why_ineligible(
                client_id, member.data, network=config.network, dataset=config.dataset, selected=self._selected
            )
            is None
        )

    def eligible(self) -> dict[int, Member]:
        """Return the connected clients that may be asked, prepared or not, by id."""
        return {m.client_id: m for m in self._ground.lane.members() if self.is_eligible(m)}

    @property
    def outsiders(self) -> int:
        """How many clients are connected that this run does not ask."""
        return sum(not self.is_eligible(member) for member in self._ground.lane.members())

    def ready(self) -> dict[int, Member]:
        """Return the eligible clients that have prepared, by id."""
        return {c: m for c, m in self.eligible().items() if (c, m.session) in self._prepared}

    def choose(self, ready: dict[int, Member], number: int, attempt: int) -> dict[int, Member]:
        """Draw the clients that train: ``fraction_train`` of them, at least ``min_clients``, by the run's seed."""
        count = min(
            len(ready), max(self._ground.control.min_clients, math.ceil(self._config.fraction_train * len(ready)))
        )
        if count == len(ready):
            return ready
        drawn = np.random.default_rng([self._config.seed, number, attempt]).choice(sorted(ready), count, replace=False)
        return {int(client_id): ready[int(client_id)] for client_id in sorted(drawn)}

    def note(self, outcomes: dict[int, Outcome]) -> None:
        """Remember who was refused in training; three in a row put a client aside until a person lets it in again."""
        for client_id, outcome in outcomes.items():
            self._refusals[client_id] = self._refusals[client_id] + 1 if outcome == "refused" else 0
            if self._refusals[client_id] >= REFUSALS and client_id not in self._aside:
                self._aside.add(client_id)
                reason = f"{REFUSALS} of its replies in a row were refused"
                self._ground.record(ClientPutAside(self._run_id, client_id, reason))

    def let_in(self) -> None:
        """Forget what is held against the clients that a person let in; who did not fit is asked to prepare again."""
        with contextlib.suppress(queue.Empty):
            while True:
                client_id = self._ground.control.let_in.get_nowait()
                self._aside.discard(client_id)
                self._refusals[client_id] = 0
                self._refused = {key for key in self._refused if key[0] != client_id}

    # -- prepare ------------------------------------------------------------------------------------------------------

    def ask_newcomers(self, number: int, config: dict[str, Any]) -> None:
        """Ask every eligible client that has not been asked yet to build the run's network over its data."""
        for client_id, member in self.eligible().items():
            key = (client_id, member.session)
            if key in self._asked or key in self._prepared:
                continue
            exchange = Exchange(
                self._run_id, number, 0, "prepare", self._config.round_timeout_seconds, self._ground.control.deliver
            )
            exchange.add_tasks([(client_id, config)], f"p{next(_unique):x}-{member.session}")
            self._asked[key] = exchange
            self._ground.lane.start(exchange)

    def give_up_late(self) -> None:
        """Cancel what was not answered within the run's limit for a reply. Such a client is late, and asked again.

        A network that takes too long to build may well be there the second time: a client builds to the end.
        """
        limit, now = self._config.round_timeout_seconds, time.monotonic()
        for key in [key for key, exchange in self._asked.items() if now - exchange.started > limit]:
            exchange = self._asked.pop(key)
            exchange.close()
            if key not in self._late:
                self._late.add(key)
                reason = f"did not prepare within {limit:g} s"
                self._ground.record(ReplyRecorded(self._run_id, exchange.round, 0, "prepare", key[0], "late", reason))

    def close(self) -> None:
        """The run is over: nobody need prepare for it any more."""
        while self._asked:
            self._asked.popitem()[1].close()

    @property
    def preparing(self) -> int:
        """How many connected clients have been asked and not answered."""
        return sum((c, m.session) in self._asked for c, m in self.eligible().items())

    def hear(self, reply: Reply) -> bool:
        """Take an answer to prepare; False for any other reply."""
        key = next((key for key, exchange in self._asked.items() if exchange is reply.exchange), None)
        if key is None:
            return False
        del self._asked[key]
        data = (reply.offer.data if reply.offer is not None else None) or {}
        if reply.outcome == "lost":
            self._tell(reply, "lost", reply.reason)
        elif reply.outcome != "accepted":
            self._refused.add(key)
            self._tell(reply, "failed", reply.reason)
        elif (difference := self._difference(data)) is not None:
            self._refused.add(key)
            self._tell(reply, "refused", difference)
        else:
            self._prepared.add(key)
            self._tell(reply, "accepted", None)
            if held := _held(data):
                self._ground.lane.describe(reply.client_id, held)
        return True

    def _difference(self, data: dict[str, Any]) -> str | None:
        """Compare what a client would train with the run's layout; a client with its own app says nothing here."""
        if len(json.dumps(_held(data))) > MAX_HELD_CHARACTERS:
            return f"says more than {MAX_HELD_CHARACTERS} characters about its data"
        rows = data.get("layout")
        if rows is None:
            return None
        try:
            return self._layout.difference(Layout.from_json(rows).entries)
        except (LayoutMismatch, ValueError, TypeError) as error:
            return f"sends a layout that cannot be read: {str(error)[:100]}"

    def _tell(self, reply: Reply, outcome: Outcome, reason: str | None) -> None:
        seconds = reply.offer.seconds if reply.offer is not None else None
        self._ground.record(
            ReplyRecorded(
                self._run_id, reply.exchange.round, 0, "prepare", reply.client_id, outcome, reason,
                seconds=seconds, received_at_seconds=reply.received_at_seconds,
            )
        )  # fmt: skip


def _held(data: dict[str, Any]) -> dict[str, Any]:
    """Return what an answer to prepare says about the client's data: what is known here, where it says something."""
    return {name: data[name] for name in HELD if data.get(name) is not None}
