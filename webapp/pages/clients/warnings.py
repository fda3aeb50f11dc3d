"""Warnings about clients before the next round: not eligible, unlike the others, skewed or dominating data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from federation.server.flower_server import LiveClient
from webapp.db.repository.client_history import misfits
from webapp.db.repository.queue.order import first_queued
from webapp.db.repository.runs import runs_in
from webapp.db.tables import Client, Run
from webapp.formatting import percent
from webapp.pages.clients.holdings import dataset_of, train_samples
from webapp.pages.clients.label_bars import Totals, counts_of, labels_of, totals_of
from webapp.pages.clients.rows import why_not
from webapp.pages.clients.run_data import RunData
from webapp.pages.wording import listed

SKEWED, FEW_CLASSES, HEAVY = 0.75, 4, 0.6
MANY_ALIKE = 3
"""More warnings than so many that differ only in their numbers become one."""


@dataclass(frozen=True, slots=True)
class ClientWarning:
    """A sentence about clients, which follows their names and a colon; and where more is said about it."""

    state: str
    clients: tuple[Client, ...]
    text: str
    address: str
    link: str
    of_many: str = ""
    """What several clients have in common, where the text of each has numbers of its own."""

    @property
    def names(self) -> str:
        """The names of the clients."""
        return listed([client.name for client in self.clients])


def runs_ahead(session: Session) -> Sequence[Run]:
    """Return the runs whose round comes next: the active ones, else the first of the queue."""
    if active := runs_in(session, ACTIVE):
        return active
    first = first_queued(session)
    return [first] if first is not None else []


def run_ahead(session: Session) -> Run | None:
    """Return the run whose round comes next, the first of several active ones."""
    return next(iter(runs_ahead(session)), None)


def client_warnings(
    session: Session, clients: Sequence[Client], live: Mapping[int, LiveClient], totals: Totals, run: Run | None
) -> list[ClientWarning]:
    """Return the warnings about the admitted clients that are connected, one client each.

    Samples and labels are those of the run ahead, which may cut the data in another way than the last one.
    """
    if run is not None:
        data = RunData(run.config)
        clients = [data.of(client) for client in clients]
        totals = totals_of(clients)
    here = [client for client in clients if client.id in live and client.state == "admitted"]
    warnings = [warning for client in here for warning in skew(client, totals)]
    ineligible: set[int] = set()
    if run is not None:
        misfit = misfits(session, run.id)
        for client in here:
            if reason := why_not(client, run, misfit, live.get(client.id)):
                text = f"{reason}. Not eligible for #{run.id}."
                warnings.append(ClientWarning("refused", (client,), text, f"/runs/{run.id}", f"#{run.id}"))
                ineligible.add(client.id)
    return warnings + unlike_others(here, ineligible) + heavy(here)


def folded(warnings: Sequence[ClientWarning]) -> list[ClientWarning]:
    """Make one warning of those that say the same; its link leads to where all of its clients are."""
    alike = Counter(of_many for _, of_many in {(one.text, one.of_many) for one in warnings})
    found: dict[str, list[ClientWarning]] = {}
    for warning in warnings:
        text = warning.of_many if warning.of_many and alike[warning.of_many] > MANY_ALIKE else warning.text
        found.setdefault(text, []).append(replace(warning, text=text))
    return [_fold(same) for same in found.values()]


def _fold(same: Sequence[ClientWarning]) -> ClientWarning:
    first, clients = same[0], tuple(client for one in same for client in one.clients)
    if all(one.address == first.address for one in same):
        return replace(first, clients=clients)
    return replace(first, clients=clients, address="/clients", link="Clients")


def skew(client: Client, totals: Totals) -> list[ClientWarning]:
    """Warn if nearly all samples of a client are of two classes."""
    counts = counts_of(client)
    if counts is None or len(counts) < FEW_CLASSES or sum(sorted(counts)[-2:]) / sum(counts) < SKEWED:
        return []
    labels = labels_of(client, totals)
    if labels is None:
        return []
    text = (
        f"{percent(labels.in_two)} of the samples in two classes, {labels.largest[0]} and {labels.largest[1]}. "
        "Expect a low accuracy on this client and a biased mean."
    )
    of_many = f"over {percent(SKEWED)} of the samples in two classes. Expect a low accuracy there and a biased mean."
    return [ClientWarning("late", (client,), text, f"/clients/{client.id}", "Labels", of_many)]


def unlike_others(clients: Sequence[Client], ineligible: set[int]) -> list[ClientWarning]:
    """Compare input shape and class count with those of most clients with the same dataset."""
    warnings = []
    for name in ("input_shape", "classes"):
        for dataset, holders in _by_dataset(clients).items():
            group = [client for client in holders if client.data.get(name)]
            usual, times = next(iter(Counter(_written(name, c.data[name]) for c in group).most_common(1)), ("", 0))
            for client in group:
                own = _written(name, client.data[name])
                if own != usual and times > 1 and client.id not in ineligible:
                    text = f"{own}, most clients with {dataset}: {usual}. A run takes only one kind."
                    warnings.append(ClientWarning("refused", (client,), text, f"/clients/{client.id}", "Client"))
    return warnings


def _by_dataset(clients: Sequence[Client]) -> dict[str, list[Client]]:
    groups: dict[str, list[Client]] = {}
    for client in clients:
        groups.setdefault(str(dataset_of(client)), []).append(client)
    return groups


def _written(name: str, value: Any) -> str:
    if name == "input_shape" and isinstance(value, list):
        return f"input shape {'×'.join(map(str, value))}"
    return f"{value} classes"


def heavy(clients: Sequence[Client]) -> list[ClientWarning]:
    """Warn if one client has more samples of its dataset than all others together."""
    warnings = []
    for dataset, holders in _by_dataset(clients).items():
        held = [(client, train_samples(client) or 0) for client in holders]
        total = sum(amount for _, amount in held)
        for client, amount in held:
            if len(held) > 2 and total and amount / total > HEAVY:
                text = f"{percent(amount / total)} of all samples of {dataset}; dominates the mean."
                warnings.append(ClientWarning("late", (client,), text, f"/clients/{client.id}", "Data"))
    return warnings
