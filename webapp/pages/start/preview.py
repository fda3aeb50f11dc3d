"""The preview of a run before its start: eligible clients and their data, traffic, duration, warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy.orm import Session

from federation.learning.sizes import BYTES_PER_PARAMETER, CLASSES, input_shape, parameters_of
from federation.run.config import RunConfig
from federation.run.fields.kinds import RunKind
from federation.run.networks import data_of, needs_dataset
from federation.run.rounds.sampling import sample_size
from federation.schema.spec import Spec
from federation.server.flower_server import LiveClient
from webapp.db.repository.clients import list_clients
from webapp.db.repository.rounds import recent_seconds
from webapp.db.repository.runs import newest_run_like
from webapp.db.tables import Client, Run
from webapp.formatting import plural, size, span
from webapp.machine import memory_bytes
from webapp.operations.own_data.comparison import DataComparison
from webapp.operations.run_requests import round_memory
from webapp.pages.clients.holdings import train_samples
from webapp.pages.clients.label_bars import Labels, Totals, labels_of, totals_of
from webapp.pages.clients.rows import by_reason, why_not
from webapp.pages.clients.run_data import RunData, shares_labels
from webapp.pages.clients.warnings import folded, heavy, skew, unlike_others
from webapp.pages.cut import FEW
from webapp.pages.start.form import StartForm
from webapp.pages.start.own_data import RunWarning, compared_data, data_warnings
from webapp.pages.start.schedules import schedule_lines
from webapp.pages.wording import listed

SAME_PACE = ("local_epochs", "steps_per_epoch", "batch_size", "synthetic_parameters", "synthetic_seconds")
"""Runs that agree in these, in network and data take about as long a round."""


def row_of(config: RunConfig, **changed: Any) -> Run:
    """Return a run as a row that no table gets."""
    data = data_of(config.network, config.dataset)
    return Run(config=config.stored() | changed, network=config.network, dataset=data)


def pace_of(run: Run) -> tuple[object, ...]:
    """Return what runs agree in that take about as long a round."""
    return (run.network, run.dataset, *(run.config.get(name) for name in SAME_PACE))


@dataclass(frozen=True, slots=True)
class EligibleClient:
    """A client that may take part: the samples that it would train on, and its labels if it shares them.

    Both are None where only the client can tell, once it has prepared. ``shares_labels`` is None before it ever has.
    """

    client: Client
    samples: int | None
    labels: Labels | None
    shares_labels: bool | None


@dataclass(frozen=True, slots=True)
class TrafficEstimate:
    """The size of the model, which is exact, and estimates: the bytes that are sent in an evaluated round and in the
    run, and those that the server needs at once for the updates of a round."""

    parameters: int
    model_bytes: int
    round_bytes: int
    run_bytes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class RunPreview:
    """The run that the form describes, if it were started now.

    ``traffic`` is None for a model of unknown size. ``seconds`` is measured in the rounds of ``similar``, the newest
    run that takes about as long per round; both are None where there is none. ``clients`` are in each round, eligible
    or waited for, and ``sampled`` of them train.
    """

    kind: RunKind
    rounds: int
    clients: int
    sampled: int
    min_clients: int
    eligible: list[EligibleClient]
    ineligible: list[tuple[Client, str]]
    traffic: TrafficEstimate | None
    seconds: float | None
    similar: Run | None
    warnings: list[RunWarning]
    schedules: list[tuple[str, str]]
    """Label and values of each option with a schedule."""
    data: DataComparison | None
    """How the clients' own data compare, where the run trains on them and any client holds them."""

    @property
    def samples(self) -> int:
        """The samples of all eligible clients together; 0 where those of any are unknown."""
        known = [one.samples for one in self.eligible if one.samples is not None]
        return sum(known) if len(known) == len(self.eligible) else 0

    @property
    def online(self) -> int:
        """The number of online clients, eligible or not."""
        return len(self.eligible) + len(self.ineligible)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """The online clients that are not eligible as (names, reason), grouped by reason."""
        return [(listed([one.name for one in clients]), reason) for clients, reason in by_reason(self.ineligible)]

    @property
    def shown(self) -> list[EligibleClient]:
        """The first eligible clients; only these have their labels drawn."""
        return self.eligible[:FEW]

    @property
    def any_labels(self) -> bool:
        """Whether the labels of any eligible client are known."""
        return any(one.labels for one in self.shown)

    @property
    def labels_follow(self) -> bool:
        """Whether an eligible client shares its labels, but those that it would have in this run are unknown yet."""
        return any(one.shares_labels and one.labels is None for one in self.shown)


def preview_run(session: Session, form: StartForm, live: Mapping[int, LiveClient]) -> RunPreview:
    """Return the preview of the run that the form describes; an answer with an error counts as its default."""
    config, known = form.config_without_errors, list_clients(session)
    # selected clients without a selection are no clients
    wanted = row_of(config, clients=(config.clients or []) if form.who == "some" else None)
    online = [client for client in known if client.id in live]
    compared = compared_data(session, config, known, live)
    misfits = {one.id: one.misfit for one in compared.clients if one.misfit} if compared else {}
    reasons = {client.id: why_not(client, wanted, misfits, live[client.id]) for client in online}
    unfit = [(c, why) for c in online if reasons[c.id] is None and (why := _difference(c, wanted)) is not None]
    ineligible = unfit + [(client, why) for client in online if (why := reasons[client.id]) is not None]
    data = RunData(wanted.config, drawn=bool(form.values.get("seed")) and "seed" not in form.errors)
    unfit_ids = {client.id for client, _ in ineligible}
    fit = [data.of(client) for client in online if client.id not in unfit_ids]
    totals, shared = totals_of(fit), {client.id: shares_labels(client) for client in online}
    similar = newest_run_like(session, wanted, SAME_PACE) if config.kind == "training" else None
    recent = recent_seconds(session, [similar.id]).get(similar.id) if similar else None
    clients = max(min(len(fit), config.max_clients or len(fit)), config.min_clients)
    sampled = sample_size(clients, config.fraction_train, config.min_clients)
    traffic = _estimate_traffic(config, clients, sampled, compared.spec if compared else None)
    return RunPreview(
        config.kind, config.num_rounds, clients, sampled, config.min_clients,
        [
            EligibleClient(c, train_samples(c), labels_of(c, totals) if place < FEW else None, shared[c.id])
            for place, c in enumerate(fit)
        ],
        ineligible, traffic,
        median(recent) * config.num_rounds if recent else None, similar if recent else None,
        [
            *(RunWarning("waiting", f"{form.label(name)}: {text}.") for name, text in form.missing.items()),
            *_too_few(config, known, fit, wanted, live),
            *_too_large(traffic, config.strategy),
            *(RunWarning("refused", f"{listed([c.name for c in them])}: {why}.") for them, why in by_reason(unfit)),
            *data_warnings(compared, config, known),
            *_data_warnings(fit, totals),
        ],
        schedule_lines(config), compared,
    )  # fmt: skip


def _difference(client: Client, wanted: Run) -> str | None:
    """Compare the images that a client says it holds with those of the run's data set; one of no shape holds none."""
    shape, sends = input_shape(wanted.dataset), client.data.get("input_shape")
    if not needs_dataset(wanted.network) or shape is None:
        return None
    if isinstance(sends, list) and sends and tuple(sends) != shape:
        return f"input shape {_times(sends)}, the run needs {_times(shape)}"
    if (classes := client.data.get("classes")) not in (None, 0, CLASSES):
        return f"{classes} classes, the run needs {CLASSES:,}"
    return None


def _times(shape: Sequence[object]) -> str:
    return "×".join(map(str, shape))


def _estimate_traffic(config: RunConfig, clients: int, sampled: int, spec: Spec | None) -> TrafficEstimate | None:
    """Per round every client receives the weights once, to evaluate them and to train; each that trains sends its own.

    One evaluation more precedes the first round. Where a round is not evaluated, only those that train next receive its
    weights.
    """
    parameters = parameters_of(config, spec)
    if parameters is None or config.kind == "statistics":
        return None
    model, rounds = parameters * BYTES_PER_PARAMETER, config.num_rounds
    if config.kind == "evaluation":
        sent = model * clients if config.client_evaluation == "on" else 0
        return TrafficEstimate(parameters, model, sent, sent, model)
    evaluated = -(-rounds // config.evaluate_every)
    run_bytes = model * (clients * (evaluated + 1) + sampled * (rounds + rounds - evaluated))
    memory = round_memory(config, sampled, spec) or 0
    return TrafficEstimate(parameters, model, model * (clients + sampled), run_bytes, memory)


def _too_large(traffic: TrafficEstimate | None, strategy: str) -> list[RunWarning]:
    if traffic is None or traffic.memory_bytes <= (most := memory_bytes()):
        return []
    needs = f"{strategy} needs about {size(traffic.memory_bytes)} of memory on the server for the updates of a round"
    return [RunWarning("refused", f"{needs}, the machine has {size(most)}: sample fewer clients or choose FedAvg.")]


def _too_few(
    config: RunConfig, known: Sequence[Client], fit: Sequence[Client], wanted: Run, live: Mapping[int, LiveClient]
) -> list[RunWarning]:
    if len(fit) >= config.min_clients:
        return []
    online = f"{len(fit):,} of {plural(config.min_clients, 'client')} online"
    wait = f"the run waits up to {span(config.quorum_timeout_seconds)} for more, then fails."
    warnings = [RunWarning("waiting", f"{online}: {wait}")]
    away = [client for client in known if client.id not in live and client.state == "admitted"]
    offline = [client.name for client in away if why_not(client, wanted, {}, None) is None]
    if offline:
        warnings.append(RunWarning("offline", f"Eligible but offline: {listed(offline)}."))
    return warnings


def _data_warnings(fit: Sequence[Client], totals: Totals) -> list[RunWarning]:
    """Return the warnings of the clients page about the data of the eligible clients."""
    found = [one for client in fit for one in skew(client, totals)] + unlike_others(fit, set()) + heavy(fit)
    return [RunWarning(one.state, f"{one.names}: {one.text}") for one in folded(found)]
