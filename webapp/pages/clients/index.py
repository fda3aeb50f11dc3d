"""The list of clients: one row each, the sentence above them, and the warnings before the next round."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from federation.server.flower_server import LiveClient
from webapp.db.repository.client_history import recent_outcomes, troubled_clients
from webapp.db.repository.runs import runs_in
from webapp.db.tables import Client, Run
from webapp.formatting import count, plural
from webapp.operations.views import client_state
from webapp.pages.clients.holdings import dataset_of, train_samples
from webapp.pages.clients.label_bars import Labels, Totals, class_words, labels_of, totals_of
from webapp.pages.clients.query import SHOWN, SORTS, ClientsQuery, shows
from webapp.pages.clients.rows import holding, split
from webapp.pages.clients.warnings import ClientWarning, client_warnings, folded, run_ahead
from webapp.pages.cut import Cut, cut
from webapp.pages.wording import OUTCOMES, task_words

HISTORY = 20


@dataclass(frozen=True, slots=True)
class ClientLine:
    """A client in the list."""

    client: Client
    state: str
    doing: str
    held: str
    what: str
    labels: Labels | None
    outcomes: list[str]
    history: str


@dataclass(frozen=True, slots=True)
class ClientsPage:
    """The list of clients, and what it says in sentences. ``amounts`` are the clients by choice of the filter."""

    headline: str
    detail: str
    query: ClientsQuery
    rows: Cut[ClientLine]
    warnings: list[ClientWarning]
    amounts: dict[str, int]
    classes: str
    history: int = HISTORY
    sorts: Sequence[tuple[str, str]] = tuple(SORTS.items())

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The choices of the filter with their amounts."""
        return [(value, f"{word} ({count(self.amounts[value])})") for value, word in SHOWN.items()]

    @property
    def order(self) -> str:
        """The order of the list in words."""
        return SORTS[self.query.sort].lower()


def clients_page(
    session: Session, clients: Sequence[Client], live: Mapping[int, LiveClient], query: ClientsQuery
) -> ClientsPage:  # fmt: skip
    """Gather the page of clients; ``clients`` are all that are known."""
    totals, run = totals_of(clients), run_ahead(session)
    warnings = client_warnings(session, clients, live, totals, run)
    states = {client.id: client_state(client, live.get(client.id)) for client in clients}
    ranks = ranks_of(clients, states, warnings, troubled_clients(session))
    shown = cut(query.ordered(query.chosen(clients, states), ranks), query.page)
    outcomes = recent_outcomes(session, [client.id for client in shown.rows], HISTORY)
    rows = [client_line(client, live, outcomes.get(client.id, []), totals) for client in shown.rows]
    amounts = {choice: sum(shows(choice, client, states[client.id]) for client in clients) for choice in SHOWN}
    headline = f"{plural(amounts['online'], 'client')} online" if clients else "No client has connected yet"
    if amounts["pending"]:
        headline += f", {count(amounts['pending'])} pending approval"
    detail = " ".join(filter(None, (_part_words(session, run, clients, live), _held_words(clients, live))))
    return ClientsPage(
        headline, detail, query, shown.with_rows(rows), folded(warnings), amounts, class_words(shown.rows)
    )


def ranks_of(
    clients: Sequence[Client], states: Mapping[int, str], warnings: Sequence[ClientWarning], troubled: Collection[int]
) -> dict[int, int]:  # fmt: skip
    """Return the gravity of each client's problem, 0 the gravest; a client that waits for a person comes first.

    ``warnings`` are about clients that are online; the last task of the ``troubled`` ones went wrong.
    """
    refused = {client.id for one in warnings if one.state == "refused" for client in one.clients}
    warned = {client.id for one in warnings for client in one.clients}
    others = {"offline": 6, "revoked": 7}

    def rank(client: Client) -> int:
        state = states[client.id]
        signs = (state == "pending", state == "stale", client.id in troubled, client.id in refused, client.id in warned)
        return next((place for place, sign in enumerate(signs) if sign), others.get(state, 5))

    return {client.id: rank(client) for client in clients}


def client_line(client: Client, live: Mapping[int, LiveClient], outcomes: list[str], totals: Totals) -> ClientLine:
    """Return the row of a client."""
    here = live.get(client.id)
    held, what = holding(client)
    doing = task_words(here.task).lower() if here and here.task and here.task.task != "sent" else ""
    labels = labels_of(client, totals)
    return ClientLine(
        client, client_state(client, live.get(client.id)), doing, held, labels.words if labels else what, labels,
        outcomes, outcome_words(Counter(outcomes)),
    )  # fmt: skip


def outcome_words(amounts: Mapping[str, int]) -> str:
    """Count outcomes in words: ``16 participated, 3 late``; ``all 20`` if the client participated in all rounds."""
    if list(amounts) == ["accepted"]:
        return f"all {amounts['accepted']}"
    return ", ".join(f"{count(amounts[outcome])} {word}" for outcome, word in OUTCOMES.items() if amounts.get(outcome))


def _part_words(session: Session, run: Run | None, clients: Sequence[Client], live: Mapping[int, LiveClient]) -> str:
    if run is None or not clients:
        return ""
    if len(active := runs_in(session, ACTIVE)) > 1:
        amounts = Counter(one.run_id for one in live.values())
        return f"{', '.join(f'{count(amounts[one.id])} in #{one.id}' for one in active)}."
    part = split(session, run, clients, live)
    here = sum(client.id in live for client in part.taking_part)
    others = f", {count(len(part.not_for_it))} not eligible" if part.not_for_it else ""
    return f"{count(here)} eligible for #{run.id}{others}."


def _held_words(clients: Sequence[Client], live: Mapping[int, LiveClient]) -> str:
    if not clients:
        return "Run the command below on a machine that holds data. This page updates by itself."
    held: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for client in clients:
        if client.id in live and client.state == "admitted" and (dataset := dataset_of(client)):
            held[dataset] += 1
            samples[dataset] += train_samples(client) or 0
    parts = [
        f"{dataset} on {plural(amount, 'client')}"
        + (f", {count(samples[dataset])} samples" if samples[dataset] else "")
        for dataset, amount in held.most_common()
    ]
    if not any(client.id in live for client in clients):
        return ""
    return f"Data online: {'; '.join(parts)}." if parts else "No client reports its dataset."
