"""Simulated clients on pages: the form that starts some, how many are starting, what they take, what went wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from federation.run.networks import Dataset
from federation.server.flower_server import LiveClient
from webapp.db.tables import Client, Run
from webapp.formatting import count, plural, size
from webapp.machine import available_bytes
from webapp.operations.run_requests import stored_config
from webapp.operations.simulation.app_clients import AllowedApps
from webapp.operations.simulation.memory import needed_bytes
from webapp.operations.simulation.partitions import check_parts
from webapp.operations.simulation.simulated_clients import MAX_PROCESSES, SimulatedClients
from webapp.pages.flash import Flash
from webapp.problems import Invalid

USUAL = 100
"""The number of clients that the form has before a person changes it."""

ROUNDS = 20
"""Of the run that begins with the clients."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a page says of simulated clients, and how many it offers to start; 0: none more is allowed, or needed."""

    count: int
    dataset: Dataset
    whole: bool
    """Whether the page has the whole form; else one button, which starts what a run lacks."""
    running: str
    last_words: list[str]
    is_starting: bool
    room: int
    starts_run: bool = False
    """Whether the form offers to start a run with the clients."""
    apps: AllowedApps | None = None
    """The apps that the form offers."""
    datasets: tuple[str, ...] = get_args(Dataset)
    max_processes: int = MAX_PROCESSES

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.count or self.running or self.last_words)

    @property
    def cost(self) -> "Cost":
        """What the form says before it is changed."""
        return cost_of(self.count, self.dataset, 1, self.room)


@dataclass(frozen=True, slots=True)
class Cost:
    """The button of the form and the sentence about memory, or what is wrong with the form."""

    word: str
    text: str
    wrong: str


def cost_of(clients: int | None, dataset: str, processes: int | None, room: int, app: str = "") -> Cost:
    """Return what the form says of its present values; None: what a field has is no number in its range."""
    known = next((name for name in get_args(Dataset) if name == dataset), None)
    if clients is None or processes is None or known is None or clients > room:
        wrong = f"1 to {count(room)} clients in 1 to {MAX_PROCESSES} processes can be started."
        return Cost("Simulate clients", "", wrong)
    word = f"Simulate {plural(clients, 'client')}"
    if app:
        return Cost(word, "For runs of the network Own model. The app decides how much memory they take.", "")
    try:
        check_parts(known, max(2, clients))
    except Invalid as error:
        return Cost(word, "", f"{error.fields[0].message}.")
    needed, free = needed_bytes(known, clients, processes), available_bytes()
    where = plural(min(processes, clients), "process", "processes")
    if free is None:
        return Cost(word, f"About {size(needed)} of memory in {where}.", "")
    if needed > free:
        return Cost(word, "", f"About {size(needed)} of memory in {where}, more than the {size(free)} that are free.")
    return Cost(word, f"About {size(needed)} of memory in {where}; {size(free)} are free.", "")


def offer_for(
    simulation: SimulatedClients, known: Sequence[Client], live: Mapping[int, LiveClient], wanted: int = USUAL,
    dataset: Dataset = "digits", *, whole: bool = True, starts_run: bool = False, apps: AllowedApps | None = None,
) -> Offer:  # fmt: skip
    """Return the offer of a page that lacks ``wanted`` clients."""
    running, room = simulation.running, simulation.room
    here = {client.public_key for client in known if client.id in live and client.kind == "simulated"}
    joined = sum(one.public_key in here for one in running)
    starting = len(running) - joined
    return Offer(
        count=0 if whole and starting else max(0, min(wanted - starting, room)), dataset=dataset, whole=whole,
        running=_running_words(len(running), joined, len(simulation.processes)), last_words=simulation.last_words,
        is_starting=starting > 0, room=room, starts_run=starts_run, apps=apps,
    )  # fmt: skip


def _running_words(running: int, joined: int, processes: int) -> str:
    if not running:
        return ""
    where = f"on this machine in {plural(processes, 'process', 'processes')}"
    if joined < running:
        return f"Starting {plural(running, 'simulated client')} {where}: {count(joined)} online."
    return f"{plural(running, 'simulated client')} {where}."


def offer_for_run(
    simulation: SimulatedClients, run: Run, clients: Sequence[Client], known: Sequence[Client],
    live: Mapping[int, LiveClient],
) -> Offer | None:  # fmt: skip
    """Return the offer of the page of a run; None where the run lacks no clients or could not use simulated ones.

    ``clients`` are those that take part.
    """
    if "demo" not in (run.blocked_on or {}).get("actions", ()):
        return None
    config = stored_config(run)
    if config.demo_dataset is None:
        return None
    missing = config.min_clients - sum(client.id in live for client in clients)
    return offer_for(simulation, known, live, missing, config.demo_dataset, whole=False)


def started(clients: int, run_id: int | None, app: str = "") -> Flash:
    """Say how many simulated clients were started, and the run with them."""
    begin = f"Started {plural(clients, 'simulated client')} on this machine"
    if app:
        return Flash(f"{begin} with the app {app}. Start their run with the network Own model.")
    if run_id is None:
        return Flash(f"{begin}. They appear in a few seconds.")
    return Flash(f"{begin}, and run #{run_id}, which begins as soon as they are online.")
