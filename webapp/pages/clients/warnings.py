"""What a person should know of the clients before the next round: who does not fit, and whose data pulls."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from federation.run.states import ACTIVE
from federation.server.flower_server import LiveClient
from webapp.db.repository.pages import misfits
from webapp.db.repository.runs import queued_runs, runs_in
from webapp.db.tables import Client, Run
from webapp.formatting import percent
from webapp.pages.clients.holdings import train_samples
from webapp.pages.clients.label_bars import Totals, labels_of
from webapp.pages.clients.rows import why_not
from webapp.pages.wording import listed, of_several

SKEWED, FEW_CLASSES, HEAVY = 0.75, 4, 0.6


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence about a client, or about ``others`` as well, and where more is said."""

    state: str
    client: Client
    text: str
    address: str
    link: str
    others: tuple[Client, ...] = ()

    @property
    def who(self) -> str:
        """The names of those it is about."""
        return listed([self.client.name, *(one.name for one in self.others)])


def run_ahead(session: Session) -> Run | None:
    """Return the run whose round comes next: the active one, else the first of the queue."""
    active = runs_in(session, ACTIVE)
    return active[0] if active else next(iter(queued_runs(session)), None)


def remarks(
    session: Session, clients: Sequence[Client], live: Mapping[int, LiveClient], totals: Totals, run: Run | None
) -> list[Remark]:
    """Return what is worth saying of the clients that are here."""
    here = [client for client in clients if client.id in live and client.state == "admitted"]
    said: list[Remark] = []
    for client in here:
        said += skew(client, totals)
    if run is not None:
        misfit = misfits(session, run.id)
        for client in here:
            if reason := why_not(client, run, misfit):
                text = f"{reason}. It is not asked in #{run.id}."
                said.append(Remark("refused", client, text, f"/runs/{run.id}", f"#{run.id}"))
    said += unlike_others(here, {one.client.id for one in said if one.state == "refused"})
    return said + heavy(here)


def folded(said: Sequence[Remark]) -> list[Remark]:
    """Make one remark of those that refuse several clients in the same words; its link leads where all of them are."""
    found: dict[tuple[str, int], list[Remark]] = {}
    for one in said:
        found.setdefault((one.text, 0 if one.state == "refused" else one.client.id), []).append(one)
    return [_fold(same) for same in found.values()]


def _fold(same: Sequence[Remark]) -> Remark:
    first, others = same[0], tuple(one.client for one in same[1:])
    if not others:
        return first
    text = of_several(first.text, [one.client.name for one in same])
    if all(one.address == first.address for one in same):
        return replace(first, text=text, others=others)
    return replace(first, text=text, others=others, address="/clients", link="The clients")


def skew(client: Client, totals: Totals) -> list[Remark]:
    """Name a client whose samples are nearly all of two classes."""
    labels = labels_of(client, totals)
    if labels is None or labels.in_two < SKEWED or len(labels.bars) < FEW_CLASSES:
        return []
    text = (
        f"holds {percent(labels.in_two)} of its samples in two classes, {labels.largest[0]} and {labels.largest[1]}. "
        "Expect a low accuracy of its own and a pull on the mean."
    )
    return [Remark("late", client, text, f"/clients/{client.id}", "Its labels")]


def unlike_others(clients: Sequence[Client], told: set[int]) -> list[Remark]:
    """Compare shape and class count with those of most clients of the same data set."""
    said = []
    for name, verb in (("input_shape", "sends"), ("classes", "knows")):
        for dataset in {str(client.data.get("dataset")) for client in clients}:
            group = [c for c in clients if str(c.data.get("dataset")) == dataset and c.data.get(name)]
            usual, times = next(iter(Counter(_written(name, c.data[name]) for c in group).most_common(1)), ("", 0))
            for client in group:
                own = _written(name, client.data[name])
                if own != usual and times > 1 and client.id not in told:
                    text = f"{verb} {own}, most clients with {dataset} {verb[:-1]} {usual}. A run takes only one kind."
                    said.append(Remark("refused", client, text, f"/clients/{client.id}", "Both shapes"))
    return said


def _written(name: str, value: Any) -> str:
    if name == "input_shape" and isinstance(value, list):
        return "×".join(str(one) for one in value)
    return f"{value} classes"


def heavy(clients: Sequence[Client]) -> list[Remark]:
    """Name a client that outweighs all others of its data set together."""
    said = []
    for dataset in {str(client.data.get("dataset")) for client in clients}:
        held = {c.id: (c, train_samples(c) or 0) for c in clients if str(c.data.get("dataset")) == dataset}
        whole = sum(amount for _, amount in held.values())
        for client, amount in held.values():
            if len(held) > 2 and whole and amount / whole > HEAVY:
                text = f"holds {percent(amount / whole)} of all samples of {dataset}: the mean is mostly its own."
                said.append(Remark("late", client, text, f"/clients/{client.id}", "Its data"))
    return said
