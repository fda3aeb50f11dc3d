"""The loop of one statistics run: wait for clients, agree on bins, ask each client once, record what they tell."""

import time
from collections.abc import Iterable
from pathlib import Path

from federation.coordinator.eligibility import Eligibility, schema_of
from federation.coordinator.loops.run_end import RunEnd, RunFailed, run_to_end
from federation.coordinator.phase import REPORT_SECONDS, listed
from federation.coordinator.quorum import Quorum
from federation.coordinator.run_context import RunContext
from federation.evaluation.evaluator import ServerEvaluator
from federation.run.events import StatisticsCollected
from federation.run.states import RunState
from federation.schema.agreement import merged_summary
from federation.schema.columns import ClientSchema, NumberSummary
from federation.schema.statistics import MAX_ASKED, Bins, Histograms, StatisticsQuestion
from federation.storage.checkpoint_policy import CheckpointPolicy
from federation.transport.exchange import Exchange, Member, Reply


class StatisticsLoop:
    """Works one job to its end, on the thread that calls ``run``. It needs neither weights nor a network."""

    def __init__(
        self, context: RunContext, *, folder: Path, policy: CheckpointPolicy, evaluator: ServerEvaluator
    ) -> None:
        del folder, policy, evaluator  # nothing is written to disk
        self._context, self._control, self._wait_state = context, context.control, context.wait_state
        self._run_id, self._timeout = context.run_id, context.config.round_timeout_seconds

    def run(self) -> RunEnd:
        """Ask the clients; those that share no statistics are named and not asked."""
        return run_to_end(self._work, self._context)

    def _work(self) -> RunEnd:
        members = Quorum(self._context, Eligibility(self._context)).wait_before_round_0()
        self._wait_state.set_running()
        told = {client_id: schema_of(member) for client_id, member in members.items()}
        sharing = {client_id: schema for client_id, schema in told.items() if schema.shares_statistics}
        if not sharing:
            raise RunFailed("no client shares statistics: start clients with --share-statistics")
        question = StatisticsQuestion(bins=common_bins(sharing.values()))
        answers = self._ask({c: members[c] for c in sharing}, question)
        if not answers:
            raise RunFailed("no client has answered: the events of the run say why")
        self._context.ledger.record(StatisticsCollected(
            self._run_id, {c: sharing[c] for c in answers}, question, answers,
            sorted(members.keys() - answers.keys()),
        ))  # fmt: skip
        return RunEnd(RunState.COMPLETED)

    def _ask(self, members: dict[int, Member], question: StatisticsQuestion) -> dict[int, Histograms]:
        """Return the answers that come before the deadline, by client id; every outcome is recorded."""
        config = {"network": "mlp", "dataset": self._context.config.dataset, "statistics": question.model_dump_json()}
        exchange = Exchange(self._run_id, 0, 0, "prepare", self._timeout, self._control.deliver)
        exchange.add_tasks(((client_id, config) for client_id in members), f"s{time.time_ns():x}")
        self._context.lane.start(exchange)
        answers, waiting, deadline = dict[int, Histograms](), set(members), exchange.started + self._timeout
        try:
            while waiting and (self._control.has_mail or time.monotonic() < deadline):
                reply = self._control.next_reply(min(max(deadline - time.monotonic(), 0.0), REPORT_SECONDS))
                if reply is None:
                    names = listed([members[client_id].name for client_id in sorted(waiting)])
                    left = deadline - time.monotonic()
                    self._wait_state.block(RunState.RUNNING, "round", f"The run waits for {names}", left)
                    continue
                if reply.exchange is exchange and reply.client_id in waiting:
                    waiting.discard(reply.client_id)
                    answers |= self._take(reply)
                reply.release()
            for client_id in sorted(waiting):
                self._context.record_preparation(client_id, 0, "late", f"no reply within {self._timeout:g} s")
        finally:
            exchange.close()
            self._wait_state.unblock()
        return dict(sorted(answers.items()))

    def _take(self, reply: Reply) -> dict[int, Histograms]:
        """Record what became of a task; return the answer by client id, if it is one."""
        data = (reply.offer.data if reply.offer is not None else None) or {}
        answer, outcome, reason = data.get("statistics"), reply.outcome, reply.reason
        if outcome == "accepted" and not isinstance(answer, dict):
            outcome, reason, answer = "failed", "answers without statistics: its release does not know them", None
        self._context.record_preparation(reply.client_id, 0, outcome, reason, reply)
        return {reply.client_id: answer} if outcome == "accepted" and answer is not None else {}


def common_bins(told: Iterable[ClientSchema]) -> dict[str, Bins]:
    """Return the bins of each column of numbers or dates, from the sums that clients have told, in order of names."""
    summaries: dict[str, list[NumberSummary]] = {}
    for schema in told:
        held = [(schema.target, schema.target_summary), *((column.name, column.summary) for column in schema.columns)]
        for name, summary in held:
            if summary is not None:
                summaries.setdefault(name, []).append(summary)
    merged = {name: merged_summary(several) for name, several in summaries.items()}
    found = {
        name: bins for name, one in sorted(merged.items()) if one is not None and (bins := Bins.around(one)) is not None
    }
    return dict(list(found.items())[:MAX_ASKED])
