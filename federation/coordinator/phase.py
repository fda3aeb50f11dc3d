"""One phase of one attempt: ask, collect until all have answered or the deadline comes, check each reply at once."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from federation.aggregation.reply_checks import check_num_examples, check_weights, clean_metrics
from federation.aggregation.robustness import Update
from federation.coordinator.control import Control
from federation.run.events import Blocked, Metrics, Outcome, Phase, Record, ReplyRecorded
from federation.transport.exchange import Content, Exchange, Member, Reply
from federation.transport.lane import StreamLane
from federation.weights.layout import Layout, NumpyArray

QUIET_SECONDS = 0.1
"""With nothing to do for so long, the run lets what it recorded be written."""

PATIENCE_SECONDS = 1.0
"""A phase that takes longer says whom it waits for."""

Take = Callable[[int, dict[str, NumpyArray], int, Metrics], None]
"""Gets each accepted reply: client id, flat arrays, num_examples, metrics."""

_unique = itertools.count()


@dataclass(frozen=True)
class Place:
    """Where a phase stands: run, round, attempt, and how long a reply may take."""

    run_id: int
    round: int
    attempt: int
    deadline_seconds: float


@dataclass
class Ground:
    """What a phase works with: the lane, who listens, what to do when idle, who takes other replies."""

    lane: StreamLane
    control: Control
    record: Record
    flush: Callable[[], None]
    stray: Callable[[Reply], object] = Reply.release


@dataclass
class PhaseRun:
    """One phase under way. With ``hold``, good replies wait in ``held`` until ``settle`` says what they count for.

    ``refuse`` says what is wrong with a reply's metrics, where the strategy needs some of them.
    """

    ground: Ground
    place: Place
    phase: Phase
    layout: Layout
    members: dict[int, Member]
    take: Take
    hold: bool = False
    refuse: Callable[[Metrics], str | None] = lambda _: None
    waiting: set[int] = field(default_factory=set)
    accepted: list[tuple[Metrics, int]] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    held: list[tuple[Update, Reply]] = field(default_factory=list)
    _said: str | None = None

    def start(self, configs: dict[int, dict[str, Any]], content: Content | None) -> None:
        """Send the tasks; returns at once."""
        self.exchange = Exchange(
            self.place.run_id, self.place.round, self.place.attempt, self.phase, self.place.deadline_seconds,
            self.ground.control.deliver, layout=self.layout if self.phase == "train" else None, content=content,
        )  # fmt: skip
        self.exchange.add_tasks(configs.items(), f"{next(_unique):x}{time.time_ns():x}")
        self.waiting = set(configs)
        self.ground.lane.start(self.exchange)

    def collect(self) -> None:
        """Take replies until all have come or the deadline has; whoever is missing then is late.

        Raises RunStopped or RunInterrupted; what is under way is cancelled then.
        """
        try:
            self._collect()
        finally:
            self.abandon()
            if self._said is not None:
                self.ground.record(Blocked(self.place.run_id, None))

    def abandon(self) -> None:
        """Cancel what is under way."""
        if self.waiting:
            self.exchange.close()

    def _collect(self) -> None:
        if not self.waiting:
            return  # nobody was there to ask
        deadline = self.exchange.started + self.place.deadline_seconds
        dirty = False
        while self.waiting:
            left = deadline - time.monotonic()
            if left <= 0 and self.ground.control.mailbox.empty():
                break  # what came while this thread was busy came in time
            reply = self.ground.control.next(min(max(left, 0.0), QUIET_SECONDS if dirty else PATIENCE_SECONDS))
            if reply is not None:
                dirty = self._handle(reply) or dirty
            else:
                if dirty:
                    self.ground.flush()
                    dirty = False
                self._say_who_is_missing(deadline)
        for client_id in sorted(self.waiting):
            self._record(client_id, "late", f"no reply within {self.place.deadline_seconds:g} s")

    def _handle(self, reply: Reply) -> bool:
        """Check and take one reply; False for one that belongs to an earlier exchange."""
        if reply.exchange is not self.exchange or reply.client_id not in self.waiting:
            self.ground.stray(reply)
            reply.release()
            return False
        self.waiting.discard(reply.client_id)
        try:
            self._judge(reply)
        finally:
            reply.release(reuse_memory=not self.hold)
        return True

    def _judge(self, reply: Reply) -> None:
        if reply.outcome == "accepted" and reply.offer is not None:
            self._check(reply, reply.offer.metrics, reply.offer.num_examples)
        else:
            self._record(reply.client_id, reply.outcome, reply.reason, reply)

    def _check(self, reply: Reply, raw_metrics: dict[str, Any], num_examples: Any) -> None:
        metrics, remark = clean_metrics(raw_metrics)
        flats = self.layout.flats(reply.content) if reply.content is not None else {}
        refusal = check_num_examples(num_examples) or check_weights(flats) or self.refuse(metrics)
        if refusal is not None:
            self._record(reply.client_id, "refused", refusal, reply, metrics)
            return
        good = Update(reply.client_id, flats, num_examples, metrics, weight=num_examples, remark=remark)
        if self.hold:
            self.held.append((good, reply))
        else:
            self._accept(good, reply)

    def settle(self, judge: Callable[[list[Update]], list[Update]]) -> None:
        """Take the held replies as ``judge`` has them: each accepted, with its remark, or refused."""
        held, self.held = self.held, []
        for good, (_, reply) in zip(judge([good for good, _ in held]), held, strict=True):
            if good.refusal is not None:
                self._record(good.client_id, "refused", good.refusal, reply, good.metrics, good.num_examples)
            else:
                self._accept(good, reply)

    def _accept(self, good: Update, reply: Reply) -> None:
        self.take(good.client_id, good.flats, good.weight, good.metrics)
        self.accepted.append((good.metrics, good.weight))
        self._record(good.client_id, "accepted", good.remark, reply, good.metrics, good.num_examples)

    def _record(self, client_id: int, outcome: Outcome, reason: str | None, reply: Reply | None = None,
                metrics: Metrics | None = None, num_examples: int | None = None) -> None:  # fmt: skip
        place, offer = self.place, reply.offer if reply is not None else None
        self.outcomes[client_id] = outcome
        self.ground.record(ReplyRecorded(
            place.run_id, place.round, place.attempt, self.phase, client_id, outcome, reason, num_examples,
            seconds=offer.seconds if offer is not None else None,
            offered_at_seconds=reply.offered_at_seconds if reply is not None else None,
            received_at_seconds=reply.received_at_seconds if reply is not None else None,
            bytes_down=reply.bytes_down if reply is not None else 0,
            bytes_up=reply.bytes_up if reply is not None else 0, metrics=metrics or {},
        ))  # fmt: skip

    def _say_who_is_missing(self, deadline: float) -> None:
        """After a second of waiting, name whom the round waits for, and who of them is not connected."""
        if time.monotonic() - self.exchange.started < PATIENCE_SECONDS:
            return
        here = {member.client_id for member in self.ground.lane.members()}
        names = [self.members[c].name for c in sorted(self.waiting)]
        away = [self.members[c].name for c in sorted(self.waiting - here)]
        sentence = f"Round {self.place.round} waits for {_listed(names)}"
        if away:
            sentence += f"; {_listed(away)} lost the connection"
        if sentence != self._said:
            self._said = sentence
            left = deadline - time.monotonic()
            self.ground.record(Blocked(self.place.run_id, "round", sentence, left, ("stop",)))


def _listed(names: list[str], most: int = 5) -> str:
    shown = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
