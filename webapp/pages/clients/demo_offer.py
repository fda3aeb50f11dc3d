"""Demo clients: what the button starts, which are starting, whose process has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from federation.run.networks import DemoDataset
from federation.server.flower_server import LiveClient
from webapp.db.tables import Client, Run
from webapp.formatting import plural
from webapp.operations.demo_clients import DemoClients
from webapp.operations.run_requests import stored_config
from webapp.pages.flash import Flash
from webapp.pages.wording import listed

PAIR = 2


@dataclass(frozen=True, slots=True)
class Offer:
    """How many demo clients a page offers to start, with which data; 0 where none is needed or none more is allowed."""

    count: int
    dataset: DemoDataset
    starting: str
    last_words: list[str]

    @property
    def word(self) -> str:
        """The label of the button."""
        return f"Start {plural(self.count, 'demo client')}"


def offer_for(
    demo: DemoClients, known: Sequence[Client], live: Mapping[int, LiveClient], wanted: int = PAIR,
    dataset: DemoDataset = "digits",
) -> Offer:  # fmt: skip
    """Return the offer of a page that lacks ``wanted`` clients."""
    on_the_way = _on_the_way(demo, known, live)
    count = max(0, min(wanted - len(on_the_way), demo.room))
    starting = f"Starting {listed(on_the_way)} on this machine: online in a few seconds."
    return Offer(count, dataset, starting if on_the_way else "", demo.last_words)


def offer_for_run(
    demo: DemoClients, run: Run, clients: Sequence[Client], known: Sequence[Client], live: Mapping[int, LiveClient]
) -> Offer | None:
    """Return the offer of the page of a run; None where the run does not wait for clients or could not use a demo one.

    ``clients`` are those that take part.
    """
    if "demo" not in (run.blocked_on or {}).get("actions", ()):
        return None
    config = stored_config(run)
    if config.demo_dataset is None:
        return None
    missing = config.min_clients - sum(client.id in live for client in clients)
    return offer_for(demo, known, live, missing, config.demo_dataset)


def started(names: Sequence[str], *, approval: bool) -> Flash:
    """Say which demo clients were started; ``approval``: whether the server admits a new client only after approval."""
    join = "Approve new clients on the Clients page." if approval else "They appear in a few seconds."
    return Flash(f"Started {listed(names)} on this machine. {join}")


def _on_the_way(demo: DemoClients, known: Sequence[Client], live: Mapping[int, LiveClient]) -> list[str]:
    here = {client.public_key for client in known if client.id in live}
    return [one.name for one in demo.running if one.public_key not in here]
