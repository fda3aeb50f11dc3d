"""The lists of runs and of clients: one row each, and the sentence above them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.server import LiveClient
from webapp.numbers import count, plural
from webapp.pages.clients import holding, state_of
from webapp.pages.wording import task_words
from webapp.repository.clients import list_clients
from webapp.repository.pages import recent_outcomes
from webapp.tables import Client

HISTORY = 20


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client in the list."""

    client: Client
    state: str
    doing: str
    held: str
    what: str
    outcomes: list[str]
    history: str
    why_never: str


@dataclass(frozen=True, slots=True)
class ClientsPage:
    """The list of clients, and what it says in sentences."""

    headline: str
    detail: str
    rows: list[ClientLine]
    history: int = HISTORY


def clients_page(session: Session, live: Mapping[int, LiveClient]) -> ClientsPage:
    """Gather the page of clients."""
    clients = list_clients(session)
    outcomes = recent_outcomes(session, [client.id for client in clients], HISTORY)
    rows = [_client_line(client, live, [o for _, _, o in outcomes.get(client.id, [])]) for client in clients]
    states = Counter(row.state for row in rows)
    here = states["online"] + states["stale"]
    headline = f"{plural(here, 'client')} online" if clients else "No client has joined yet"
    if states["pending"]:
        headline += f", {plural(states['pending'], 'waits', 'wait')} for approval"
    return ClientsPage(headline, _held_words(clients, live), rows)


def _client_line(client: Client, live: Mapping[int, LiveClient], outcomes: list[str]) -> ClientLine:
    here = live.get(client.id)
    held, what = holding(client)
    said = Counter(outcomes)
    words = {"accepted": "took part", "late": "late", "failed": "failed", "refused": "refused", "lost": "lost"}
    history = ", ".join(f"{said[outcome]} {word}" for outcome, word in words.items() if said[outcome])
    if len(said) == 1 and "accepted" in said:
        history = f"all {len(outcomes)}"
    why = "not asked to train yet" if client.kind == "supernode" else "has not trained yet"
    doing = task_words(here.task).lower() if here and here.task and here.task.task != "sent" else ""
    return ClientLine(client, state_of(client, live), doing, held, what, outcomes, history, why)


def _held_words(clients: Sequence[Client], live: Mapping[int, LiveClient]) -> str:
    if not clients:
        return "Run the command below on a machine that holds data. This page changes by itself."
    held: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for client in clients:
        if client.id in live and (dataset := client.data.get("dataset")):
            held[dataset] += 1
            known = client.data.get("samples")
            known = known.get("train") if isinstance(known, dict) else known
            samples[dataset] += known if isinstance(known, int) else 0
    parts = [
        f"{dataset} on {plural(amount, 'client')}"
        + (f", {count(samples[dataset])} samples" if samples[dataset] else "")
        for dataset, amount in held.most_common()
    ]
    return f"Data here: {'; '.join(parts)}." if parts else "None of them says which data it holds."
