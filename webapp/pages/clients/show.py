"""One client's page: its machine and data, its runs and tasks, its events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from federation.run.metric_names import LOSS_AFTER, LOSS_BEFORE, UPDATE_COSINE, UPDATE_NORM
from federation.server.flower_server import LiveClient
from webapp.db.repository.client_history import RunShare, last_failure, recent_outcomes, shares_of_client
from webapp.db.repository.clients import client_names, list_clients
from webapp.db.repository.events import newest_events
from webapp.db.repository.rounds import ReplyRow, measured_of, replies_of_client
from webapp.db.tables import Client, Run, TaskFailure
from webapp.formatting import count, size
from webapp.operations.transfer.rows import key_fingerprint
from webapp.pages.clients.index import HISTORY, ClientLine, client_line, outcome_words
from webapp.pages.clients.label_bars import totals_of
from webapp.pages.clients.rows import software
from webapp.pages.clients.run_data import cut_words
from webapp.pages.clients.warnings import ClientWarning, client_warnings, run_ahead
from webapp.pages.event_sentences import Line, log_lines
from webapp.pages.measure import MAIN, measure_of

TASKS, LOG_LINES = 12, 20
MEASURED = (UPDATE_NORM, UPDATE_COSINE, LOSS_BEFORE, LOSS_AFTER)


@dataclass(frozen=True, slots=True)
class Share:
    """The client's part in a run: its tasks in words, its last value of the run's metric, and the run's beside it."""

    run: Run
    tasks: str
    metric: str
    """What the values are of, where that is not the accuracy."""
    value: str
    mean: str
    """Of the clients of the run's last round, where the client's value is of that round."""


@dataclass(frozen=True, slots=True)
class ClientPage:
    """Everything that a client's page shows."""

    client: Client
    line: ClientLine
    sentence: str
    facts: list[tuple[str, str]]
    warnings: list[ClientWarning]
    shares: list[Share]
    tasks: list[tuple[int, ReplyRow]]
    measured: Mapping[tuple[int, int], Mapping[str, float | None]]
    """Run and round of a train task -> what was measured of it, in runs with diagnostics."""
    log: list[Line]
    failure: TaskFailure | None


def client_page(session: Session, client: Client, live: Mapping[int, LiveClient]) -> ClientPage:
    """Gather a client's page."""
    known = list_clients(session)
    totals = totals_of(known)
    line = client_line(client, live, recent_outcomes(session, [client.id], HISTORY).get(client.id, []), totals)
    warnings = client_warnings(session, known, live, totals, run_ahead(session))
    mine = [one for one in warnings if any(about.id == client.id for about in one.clients)]
    shares = [_share(one) for one in shares_of_client(session, client.id, MAIN)]
    tasks = replies_of_client(session, client.id, limit=TASKS)
    trained = {(run_id, task.round) for run_id, task in tasks if (task.phase, task.outcome) == ("train", "accepted")}
    events = newest_events(session, client_id=client.id, limit=4 * LOG_LINES)
    log = log_lines(events, client_names(session), LOG_LINES)
    return ClientPage(
        client, line, _sentence(line, live.get(client.id)), _facts(client), mine, shares,
        tasks, measured_of(session, client.id, trained, MEASURED), log, last_failure(session, client.id),
    )  # fmt: skip


def _share(one: RunShare) -> Share:
    measure = measure_of([one.run], "evaluate", "")
    value, number = one.last.get(measure.name, (None, None))
    mean = one.run.last_metrics.get(measure.key) if number == one.run.current_round else None
    metric = "" if measure.is_share else measure.name
    return Share(one.run, outcome_words(one.outcomes), metric, measure.write(value), measure.write(mean))


KINDS = {"client": "Meadow client", "simulated": "Meadow client, simulated", "supernode": "Flower SuperNode",
         "imported": "Client of another Meadow"}  # fmt: skip

SUPERNODE_LIMITS = (
    ("Start of a task", "A process each: about 2 s, with TensorFlow about 6 s"),
    ("Stop and cancel", "After the task, whose reply then counts for nothing"),
    ("Progress of a task", "Not reported"),
)
"""What Flower does otherwise than Meadow's client; docs/supernodes.md says how it was measured."""


def _sentence(line: ClientLine, here: LiveClient | None) -> str:
    client = line.client
    if line.state == "pending":
        return "Pending approval. Compare the key with the client's owner, then approve or reject the client."
    if line.state == "revoked":
        return "Access revoked: the server refuses every connection with this key."
    if client.kind == "imported":
        return "Known from an imported run: it trained elsewhere and cannot connect here."
    if client.left_out:
        return "Excluded from all runs, from the next round on. Include the client to have it sampled again."
    if here is None and client.lane == "fleet" and not client.node_id:
        return "Admitted by its key; it has not connected yet."
    if here is not None and here.problem:
        return f"Online, but cannot take part: {here.problem}"
    if here is None:
        return "Offline. The client participates again once it reconnects."
    if here.task and here.task.task != "sent":
        return f"Online: {line.doing} in #{here.task.run_id}."
    return "Online, idle."


def _facts(client: Client) -> list[tuple[str, str]]:
    said, data = client.facts, client.data
    memory, shape = said.get("memory_bytes"), data.get("input_shape")
    samples = data.get("samples")
    test = samples.get("test") if isinstance(samples, dict) else None
    facts: list[tuple[str, Any]] = [
        ("Kind", KINDS[client.kind]), *(SUPERNODE_LIMITS if client.kind == "supernode" else ()),
        ("CPUs", said.get("cpus")), ("Memory", size(memory) if isinstance(memory, int | float) else ""),
        ("System", said.get("platform")), ("Python", said.get("python")), ("Host", said.get("hostname")),
        ("Address", said.get("address")), ("Software", software(client)), ("flwr", client.versions.get("flwr")),
        ("Key (SHA-256)", key_fingerprint(client.public_key)), ("Node ID", client.node_id),
        ("Data source", data.get("source")), ("Test samples", count(test) if isinstance(test, int) else ""),
        ("Input shape", "×".join(map(str, shape)) if isinstance(shape, list) else ""),
        ("Classes", data.get("classes")), ("ClientApp", data.get("app")), ("Partitioned by", cut_words(client)),
        ("Reported name", client.said_name), ("Client ID", client.id),
    ]  # fmt: skip
    return [(name, str(said)) for name, said in facts if said]
