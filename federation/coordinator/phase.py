"""One phase of one attempt: send the tasks, collect the replies until the deadline, check each as it arrives."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from federation.aggregation.reply_checks import check_num_examples, check_weights
from federation.aggregation.robustness import Update
from federation.coordinator.run_context import RunContext
from federation.run.events import Blocked, Metrics, Outcome, ReplyRecorded, RunNote
from federation.run.metric_names import clean_metrics, dropped_sentence
from federation.run.pooling import Counts, read_counts
from federation.transport.exchange import Content, Exchange, Member, Reply, TaskConfig
from federation.weights.layout import Flats, Layout

IDLE_SECONDS = 0.1
"""After this long without a reply, the run flushes what it recorded."""

REPORT_SECONDS = 1.0
"""A phase that takes longer reports which clients it waits for."""

MAX_NAMES = 5
"""The report names at most this many clients."""

AddUpdate = Callable[[int, Flats, int, Metrics], None]
"""Gets each accepted update: client id, weights, the number of samples that it counts as, metrics."""

_unique = itertools.count()


@dataclass
class RunningPhase:
    """A train or evaluate phase under way; for the run's thread.

    With ``hold``, valid updates are kept in ``held`` until ``accept_held`` says what they count as. ``check_metrics``
    returns what is wrong with a reply's metrics, if the strategy needs some of them. ``waiting`` are the clients that
    have not replied, ``accepted`` the metrics and weights of accepted replies, ``counts`` what they tell for pooled
    metrics, ``outcomes`` what became of each task.
    """

    context: RunContext
    round: int
    attempt: int
    name: Literal["train", "evaluate"]
    layout: Layout
    members: dict[int, Member]
    add_update: AddUpdate
    hold: bool = False
    check_metrics: Callable[[Metrics], str | None] = lambda _: None
    waiting: set[int] = field(default_factory=set)
    accepted: list[tuple[Metrics, int]] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    held: list[tuple[Update, Reply]] = field(default_factory=list)
    _reported: str | None = None
    _without_evaluation: list[Member] = field(default_factory=list)

    def start(self, config: TaskConfig, content: Content) -> None:
        """Send every member a task with the same config and weights; returns at once."""
        context = self.context
        self.exchange = Exchange(
            context.run_id, self.round, self.attempt, self.name, context.config.round_timeout_seconds,
            context.control.deliver, layout=self.layout if self.name == "train" else None, content=content,
        )  # fmt: skip
        tasks = ((client_id, config) for client_id in self.members)
        self.exchange.add_tasks(tasks, f"{next(_unique):x}{time.time_ns():x}")
        self.waiting = set(self.members)
        context.lane.start(self.exchange)

    def collect(self) -> None:
        """Handle replies until all have arrived or the deadline passes; clients that are missing then are late.

        Raises RunStopped or RunInterrupted; tasks under way are cancelled then.
        """
        try:
            self._collect()
            self._note_without_evaluation()
        finally:
            self.cancel()
            if self._reported is not None:
                self.context.ledger.record(Blocked(self.context.run_id, None))

    def cancel(self) -> None:
        """Cancel tasks under way."""
        if self.waiting:
            self.exchange.close()

    def accept_held(self, apply_rules: Callable[[list[Update]], list[Update]]) -> None:
        """Accept or refuse the held updates as ``apply_rules`` returns them, in the same order."""
        held, self.held = self.held, []
        for update, (_, reply) in zip(apply_rules([update for update, _ in held]), held, strict=True):
            if update.refusal is not None:
                self._record(update.client_id, "refused", update.refusal, reply, update)
            else:
                self._accept(update, reply)

    def _collect(self) -> None:
        if not self.waiting:
            return  # no client was there to get a task
        control, deadline = self.context.control, self.exchange.started + self.context.config.round_timeout_seconds
        unflushed = False
        while self.waiting:
            left = deadline - time.monotonic()
            if left <= 0 and not control.has_mail:
                break  # a reply that came while this thread was busy came in time
            reply = control.next_reply(min(max(left, 0.0), IDLE_SECONDS if unflushed else REPORT_SECONDS))
            if reply is not None:
                unflushed = self._handle(reply) or unflushed
            else:
                if unflushed:
                    self.context.ledger.flush()
                    unflushed = False
                self._report_missing(deadline)
        for client_id in sorted(self.waiting):
            self._record(client_id, "late", f"no reply within {self.context.config.round_timeout_seconds:g} s")

    def _handle(self, reply: Reply) -> bool:
        """Check a reply; False if it belongs to another exchange."""
        if reply.exchange is not self.exchange or reply.client_id not in self.waiting:
            self.context.handle_unmatched(reply)
            return False
        self.waiting.discard(reply.client_id)
        try:
            self._check(reply)
        finally:
            reply.release(reuse_memory=not self.hold)
        return True

    def _check(self, reply: Reply) -> None:
        if reply.outcome == "accepted" and reply.offer is not None:
            self._check_content(reply, reply.offer.metrics, reply.offer.num_examples)
        elif self.name == "evaluate" and reply.offer is not None and reply.offer.not_implemented:
            self._without_evaluation.append(self.members[reply.client_id])
        else:
            self._record(reply.client_id, reply.outcome, reply.reason, reply)

    def _check_content(self, reply: Reply, raw_metrics: dict[str, Any], num_examples: Any) -> None:
        metrics, dropped = clean_metrics(raw_metrics)
        remark = "; ".join(dropped_sentence(reason, names) for reason, names in dropped.items()) or None
        self._note_dropped(reply.client_id, dropped)
        flats = self.layout.flats(reply.content) if reply.content is not None else {}
        refusal = check_num_examples(num_examples) or check_weights(flats) or self.check_metrics(metrics)
        if refusal is not None:
            self._record(reply.client_id, "refused", refusal, reply, metrics=metrics)
            return
        told = read_counts(raw_metrics)
        update = Update(reply.client_id, flats, num_examples, metrics, num_examples, remark, counts=told)
        if self.hold:
            self.held.append((update, reply))
        else:
            self._accept(update, reply)

    def _note_dropped(self, client_id: int, dropped: dict[str, list[str]]) -> None:
        """Record which metrics of a client were dropped, once for each reason in a run."""
        for reason, names in dropped.items():
            if (client_id, reason) not in self.context.noted:
                self.context.noted.add((client_id, reason))
                sentence = f"{self.members[client_id].name}: {dropped_sentence(reason, names)}"
                self.context.ledger.record(RunNote(self.context.run_id, sentence, client_id))

    def _note_without_evaluation(self) -> None:
        """Remember and record whose app has no evaluate function: such a client gets no more evaluate tasks."""
        if not (members := self._without_evaluation):
            return
        self.context.without_evaluation.update((member.client_id, member.session) for member in members)
        names = listed(sorted(member.name for member in members))
        rest = "are those of the other clients" if len(members) < len(self.members) else "are missing in this run"
        sentence = f"No evaluate function in the app of {names}: evaluation metrics {rest}"
        self.context.ledger.record(RunNote(self.context.run_id, sentence))

    def _accept(self, update: Update, reply: Reply) -> None:
        self.add_update(update.client_id, update.flats, update.weight, update.metrics)
        self.accepted.append((update.metrics, update.weight))
        self.counts.append(update.counts)
        self._record(update.client_id, "accepted", update.remark, reply, update)

    def _record(self, client_id: int, outcome: Outcome, reason: str | None, reply: Reply | None = None,
                update: Update | None = None, metrics: Metrics | None = None) -> None:  # fmt: skip
        offer = reply.offer if reply is not None else None
        self.outcomes[client_id] = outcome
        self.context.traffic_bytes += reply.bytes_down + reply.bytes_up if reply is not None else 0
        self.context.ledger.record(ReplyRecorded(
            self.context.run_id, self.round, self.attempt, self.name, client_id, outcome, reason,
            num_examples=update.num_examples if update is not None else None,
            seconds=offer.seconds if offer is not None else None,
            offered_at_seconds=reply.offered_at_seconds if reply is not None else None,
            received_at_seconds=reply.received_at_seconds if reply is not None else None,
            bytes_down=reply.bytes_down if reply is not None else 0,
            bytes_up=reply.bytes_up if reply is not None else 0,
            metrics=update.metrics if update is not None else metrics or {},
            failure=offer.failure if offer is not None and outcome == "failed" else None,
        ))  # fmt: skip

    def _report_missing(self, deadline: float) -> None:
        """After a second, record which clients the round waits for, and which of them are not connected."""
        if time.monotonic() - self.exchange.started < REPORT_SECONDS:
            return
        connected = {member.client_id for member in self.context.lane.members()}
        missing = [self.members[c].name for c in sorted(self.waiting)]
        disconnected = [self.members[c].name for c in sorted(self.waiting - connected)]
        sentence = f"Round {self.round:,} waits for {listed(missing)}"
        if disconnected:
            sentence += f"; {listed(disconnected)} lost the connection"
        if sentence != self._reported:
            self._reported = sentence
            left = deadline - time.monotonic()
            self.context.ledger.record(Blocked(self.context.run_id, "round", sentence, left, ("stop",)))


def listed(names: list[str]) -> str:
    """Return at most ``MAX_NAMES`` names as a phrase: "a, b and c"; a count stands for the others."""
    shown = names if len(names) <= MAX_NAMES else [*names[: MAX_NAMES - 1], f"{len(names) - MAX_NAMES + 1:,} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
