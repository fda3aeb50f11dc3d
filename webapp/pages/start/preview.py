"""What a run would be if it were started now: who takes part with which data, how much it sends, what is in its way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from sqlalchemy.orm import Session

from federation.learning.sizes import BYTES_PER_PARAMETER, CLASSES, input_shape, parameters_of
from federation.run.config import RunConfig, needs_dataset
from federation.server.flower_server import LiveClient
from webapp.db.repository.clients import list_clients
from webapp.db.repository.pages import newest_run_like
from webapp.db.repository.rounds import recent_seconds
from webapp.db.tables import Client, Run
from webapp.formatting import plural, span
from webapp.pages.clients.holdings import train_samples
from webapp.pages.clients.label_bars import Labels, Totals, labels_of, totals_of
from webapp.pages.clients.rows import by_reason, why_not
from webapp.pages.clients.warnings import folded, heavy, skew, unlike_others
from webapp.pages.start.form import StartForm
from webapp.pages.wording import are, listed

SAME_PACE = (
    "network", "dataset", "local_epochs", "steps_per_epoch", "batch_size", "synthetic_parameters", "synthetic_seconds",
)  # fmt: skip
"""Runs that agree in these take about as long a round."""


@dataclass(frozen=True, slots=True)
class Caution:
    """What a person should know before the start, with the glyph of a state."""

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A client that would be asked: samples that it trains on, and its labels where it shares them."""

    client: Client
    samples: int | None
    labels: Labels | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """How large the model is and what is sent: estimates, but for ``parameters`` and ``model_bytes``."""

    parameters: int
    model_bytes: int
    round_bytes: int
    run_bytes: int


@dataclass(frozen=True, slots=True)
class Prospect:
    """All that is known of a run that the form describes; None and empty where it is not known."""

    rounds: int
    needed: int
    seats: list[Seat]
    not_for_it: list[tuple[Client, str]]
    traffic: Traffic | None
    seconds: float | None
    like: Run | None
    cautions: list[Caution]

    @property
    def samples(self) -> int:
        """The samples of all who would take part, as far as they are counted."""
        return sum(seat.samples or 0 for seat in self.seats)

    @property
    def online(self) -> int:
        """How many clients are here and admitted, for this run or not."""
        return len(self.seats) + len(self.not_for_it)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Who is here and not for this run, those with the same reason together."""
        return [(listed([one.name for one in those]), reason) for those, reason in by_reason(self.not_for_it)]

    @property
    def share_labels(self) -> bool:
        """Whether anybody shows labels."""
        return any(seat.labels for seat in self.seats)


def prospect_of(session: Session, form: StartForm, live: Mapping[int, LiveClient]) -> Prospect:
    """Say what the form's run would be if it were started now."""
    config, known = form.config_without_errors, list_clients(session)
    wanted = _as_row(config, form)
    asked = [(client, why_not(client, wanted, {})) for client in known if client.id in live]
    unfit = [(c, why) for c, reason in asked if reason is None and (why := _difference(c, wanted)) is not None]
    others = [(client, reason) for client, reason in asked if reason is not None]
    fit = [client for client, _ in asked if client not in [one for one, _ in [*unfit, *others]]]
    totals = totals_of(fit)
    like = newest_run_like(session, {name: wanted.config[name] for name in SAME_PACE})
    recent = recent_seconds(session, [like.id]).get(like.id) if like else None
    return Prospect(
        config.num_rounds, config.min_clients,
        [Seat(client, train_samples(client), labels_of(client, totals)) for client in fit],
        [*unfit, *others], _traffic(config, len(fit)),
        median(recent) * config.num_rounds if recent else None, like if recent else None,
        [
            *_missing(config, known, fit, wanted, live),
            *(Caution("refused", f"{listed([c.name for c in those])} {why}.") for those, why in by_reason(unfit)),
            *_remarks(fit, totals),
        ],
    )  # fmt: skip


def _as_row(config: RunConfig, form: StartForm) -> Run:
    """Return the run as a row that no table gets. Selected clients without a selection are no clients."""
    clients = (config.clients or []) if form.who == "some" else None
    return Run(config=config.model_dump() | {"clients": clients}, network=config.network, dataset=config.dataset)


def _difference(client: Client, wanted: Run) -> str | None:
    """Compare the images that a client says it holds with those of the run's data set; one of no shape holds none."""
    shape, sends = input_shape(wanted.dataset), client.data.get("input_shape")
    if not needs_dataset(wanted.network) or shape is None:
        return None
    if isinstance(sends, list) and sends and tuple(sends) != shape:
        return f"sends {_times(sends)}, the run needs {_times(shape)}"
    if (classes := client.data.get("classes")) not in (None, 0, CLASSES):
        return f"knows {classes} classes, the run needs {CLASSES}"
    return None


def _times(shape: Sequence[object]) -> str:
    return "×".join(map(str, shape))


def _traffic(config: RunConfig, here: int) -> Traffic | None:
    """Each client gets the weights once a round, to evaluate, and then trains on these; who trains sends its own."""
    parameters = parameters_of(config.network, config.dataset, config.synthetic_parameters)
    if parameters is None:
        return None
    clients = max(here, config.min_clients)
    train = min(clients, max(config.min_clients, ceil(config.fraction_train * clients)))
    model, rounds = parameters * BYTES_PER_PARAMETER, config.num_rounds
    return Traffic(parameters, model, model * (clients + train), model * (clients * (rounds + 1) + train * rounds))


def _missing(
    config: RunConfig, known: Sequence[Client], fit: Sequence[Client], wanted: Run, live: Mapping[int, LiveClient]
) -> list[Caution]:
    said = []
    if len(fit) < config.min_clients:
        here = f"{len(fit)} of {plural(config.min_clients, 'client')} {'is' if len(fit) == 1 else 'are'} here"
        wait = f"the run waits for more, {span(config.quorum_timeout_seconds)} at most, then it fails."
        said.append(Caution("waiting", f"{here}: {wait}"))
    away = [c.name for c in known if c.id not in live and c.state == "admitted" and why_not(c, wanted, {}) is None]
    if away and len(fit) < config.min_clients:
        said.append(Caution("offline", f"{listed(away)} would take part and {are(away)} offline."))
    return said


def _remarks(fit: Sequence[Client], totals: Totals) -> list[Caution]:
    """Say what the clients page says before each round, of those that would take part."""
    found = [one for client in fit for one in skew(client, totals)] + unlike_others(fit, set()) + heavy(fit)
    return [Caution(one.state, f"{one.who} {one.text}") for one in folded(found)]
