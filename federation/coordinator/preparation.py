"""The prepare handshake: each client builds the run's network over its data before it gets the first train task."""

import itertools
import json
import time
from typing import cast

from federation.coordinator.eligibility import Eligibility, schema_of
from federation.coordinator.run_context import RunContext
from federation.run.data_cut import DataCut
from federation.run.events import Outcome
from federation.schema.columns import AgreedSchema
from federation.schema.misfits import first_misfit
from federation.transport.exchange import Exchange, Member, Reply, TaskConfig
from federation.weights.layout import Layout, LayoutMismatch, LayoutRow

_unique = itertools.count()

DATA_FIELDS = ("samples", "input_shape", "classes", "label_counts")
"""What an answer may say about the client's data; the rest, such as the data set, is said in the hello."""

MAX_DATA_CHARACTERS = 64 * 1024
"""The data fields stay in memory while the client is connected, and are stored for its page."""

ClientProcess = tuple[int, str]
"""Client id and session: a process that is started anew prepares again."""


class Preparation:
    """Sends each eligible client process one prepare task and compares the answer with the run's layout.

    For the run's thread. It handles the replies that belong to no phase, and cancels its tasks when the run's loop
    ends. ``cut`` is how the run cuts the data, which is kept with what clients report of their data. A client whose own
    data do not fit ``schema`` gets no task: it is refused with the column and the value.
    """

    def __init__(
        self, context: RunContext, layout: Layout, eligibility: Eligibility, cut: DataCut | None = None,
        schema: AgreedSchema | None = None,
    ) -> None:  # fmt: skip
        self._context, self._layout, self._eligibility, self._cut = context, layout, eligibility, cut
        self._schema = schema
        self._pending: dict[ClientProcess, Exchange] = {}
        self._prepared: set[ClientProcess] = set()
        self._reported_late: set[ClientProcess] = set()
        context.unmatched_reply_handler = self.handle
        context.on_end.callback(self.close)

    def ready(self) -> dict[int, Member]:
        """Return the eligible clients that have prepared, by id."""
        return self.ready_of(self._eligibility.eligible())

    def ready_of(self, eligible: dict[int, Member]) -> dict[int, Member]:
        """Return those of the eligible clients that have prepared."""
        return {c: m for c, m in eligible.items() if (c, m.session) in self._prepared}

    @property
    def busy(self) -> set[int]:
        """The clients that have a prepare task."""
        return {client_id for client_id, _ in self._pending}

    def count_pending(self, eligible: dict[int, Member]) -> int:
        """Return how many of the eligible clients have a prepare task that they have not answered."""
        return sum((c, m.session) in self._pending for c, m in eligible.items())

    def send_to_new(self, eligible: dict[int, Member], number: int, config: TaskConfig) -> None:
        """Send a prepare task to each eligible client that has neither prepared nor a task; ``number`` is the round."""
        context, timeout = self._context, self._context.config.round_timeout_seconds
        for client_id, member in eligible.items():
            process = (client_id, member.session)
            if process in self._pending or process in self._prepared or self._refuse(member, number):
                continue
            exchange = Exchange(context.run_id, number, 0, "prepare", timeout, context.control.deliver)
            exchange.add_tasks([(client_id, config)], f"p{next(_unique):x}-{member.session}")
            self._pending[process] = exchange
            context.lane.start(exchange)

    def _refuse(self, member: Member, number: int) -> bool:
        """Refuse a client whose data do not fit the run's schema; False if they do."""
        if self._schema is None:
            return False
        misfit = first_misfit(member.client_id, schema_of(member), self._schema)
        if misfit is not None:
            self._eligibility.note_unfit(member.client_id, member.session)
            self._context.record_preparation(member.client_id, number, "refused", misfit.reason)
        return misfit is not None

    def cancel_overdue(self) -> None:
        """Cancel tasks that were not answered within the round timeout. The client is late and gets another task.

        A network that takes too long to build may be there the second time, because a client builds it to the end.
        """
        timeout, now = self._context.config.round_timeout_seconds, time.monotonic()
        for process in [one for one, exchange in self._pending.items() if now - exchange.started > timeout]:
            exchange = self._pending.pop(process)
            exchange.close()
            if process not in self._reported_late:
                self._reported_late.add(process)
                reason = f"did not prepare within {timeout:g} s"
                self._context.record_preparation(process[0], exchange.round, "late", reason)

    def close(self) -> None:
        """The run is over: cancel what clients still prepare for it."""
        while self._pending:
            self._pending.popitem()[1].close()

    def handle(self, reply: Reply) -> None:
        """Handle an answer to a prepare task; any other reply is passed over."""
        process = next((one for one, exchange in self._pending.items() if exchange is reply.exchange), None)
        if process is None:
            return
        del self._pending[process]
        data = (reply.offer.data if reply.offer is not None else None) or {}
        outcome, reason = self._judge(reply, data)
        if outcome == "accepted":
            self._prepared.add(process)
        elif outcome != "lost":
            self._eligibility.note_unfit(*process)
        self._context.record_preparation(reply.client_id, reply.exchange.round, outcome, reason, reply)
        if outcome == "accepted" and (fields := _data_fields(data)):
            cut = {"cut": self._cut.to_json()} if self._cut is not None else {}
            self._context.lane.describe(reply.client_id, fields | cut)

    def _judge(self, reply: Reply, data: dict[str, object]) -> tuple[Outcome, str | None]:
        if reply.outcome == "lost":
            return "lost", reply.reason
        if reply.outcome != "accepted":
            return "failed", reply.reason
        difference = self._difference(data)
        return ("accepted", None) if difference is None else ("refused", difference)

    def _difference(self, data: dict[str, object]) -> str | None:
        """Compare the client's layout with the run's; a client with an app of its own may send none."""
        if len(json.dumps(_data_fields(data))) > MAX_DATA_CHARACTERS:
            return f"reports more than {MAX_DATA_CHARACTERS:,} characters about its data"
        if data.get("layout") is None:
            return None
        rows = cast(list[LayoutRow], data["layout"])  # ``from_json`` raises if it is not
        try:
            return self._layout.difference(Layout.from_json(rows).entries)
        except (LayoutMismatch, ValueError, TypeError) as error:
            return f"sends a layout that cannot be read: {str(error)[:100]}"


def _data_fields(data: dict[str, object]) -> dict[str, object]:
    """Return the fields of an answer that describe the client's data, without those that are null."""
    return {name: data[name] for name in DATA_FIELDS if data.get(name) is not None}
