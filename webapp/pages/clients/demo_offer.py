"""Demo clients in words: what a press of the button starts, who is on the way, whose process has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from federation.run.config import DemoDataset, RunConfig
from federation.server.flower_server import LiveClient
from webapp.db.tables import Client, Run
from webapp.operations.demo_clients import DemoClients
from webapp.pages.flash import Said
from webapp.pages.wording import are, in_words, listed

PAIR = 2


@dataclass(frozen=True, slots=True)
class Offer:
    """How many demo clients a page offers to start, of which data; 0 where there is no need, or no room."""

    count: int
    dataset: DemoDataset
    starting: str
    last_words: list[str]

    @property
    def word(self) -> str:
        """What stands on the button."""
        return "Start a demo client here" if self.count == 1 else f"Start {in_words(self.count)} demo clients"


def offer_for(
    demo: DemoClients, known: Sequence[Client], live: Mapping[int, LiveClient], wanted: int = PAIR,
    dataset: DemoDataset = "digits",
) -> Offer:  # fmt: skip
    """Return what a page offers that could do with so many more clients."""
    on_the_way = _on_the_way(demo, known, live)
    count = max(0, min(wanted - len(on_the_way), demo.room))
    join = "joins" if len(on_the_way) == 1 else "join"
    starting = f"{listed(on_the_way)} {are(on_the_way)} starting on this machine and {join} in a few seconds."
    return Offer(count, dataset, starting if on_the_way else "", demo.last_words)


def offer_for_run(
    demo: DemoClients, run: Run, clients: Sequence[Client], known: Sequence[Client], live: Mapping[int, LiveClient]
) -> Offer | None:
    """Return what the page of a run offers that waits for clients; None where it does not, or would ask none of them.

    ``clients`` are those that take part.
    """
    if "demo" not in (run.blocked_on or {}).get("actions", ()):
        return None
    config = RunConfig.model_validate(run.config)
    if config.demo_dataset is None:
        return None
    missing = config.min_clients - sum(client.id in live for client in clients)
    return offer_for(demo, known, live, missing, config.demo_dataset)


def demo_said(demo: DemoClients, known: Sequence[Client], live: Mapping[int, LiveClient]) -> Said | None:
    """Say what became of the clients that were started."""
    if on_the_way := _on_the_way(demo, known, live):
        they = "It appears" if len(on_the_way) == 1 else "They appear"
        return Said(f"Starting {listed(on_the_way)} on this machine. {they} here in a few seconds.")
    keys = {one.public_key for one in demo.running}
    pending = [client.name for client in known if client.public_key in keys and client.state == "pending"]
    if pending:
        ask, them = ("asks", "it") if len(pending) == 1 else ("ask", "them")
        return Said(f"{listed(pending)} {ask} to join: approve {them} on the page of clients.")
    names = [client.name for client in known if client.public_key in keys]
    return Said(f"{listed(names)} {are(names)} online.") if names else None


def _on_the_way(demo: DemoClients, known: Sequence[Client], live: Mapping[int, LiveClient]) -> list[str]:
    here = {client.public_key for client in known if client.id in live}
    return [one.name for one in demo.running if one.public_key not in here]
