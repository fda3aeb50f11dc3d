"""What the form shows of clients' own data: how they compare, and what a person should know before the start."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from federation.run.config import RunConfig
from federation.run.networks import needs_dataset, trains_own_data
from webapp.db.tables import Client
from webapp.operations.own_data.comparison import DataComparison, compare_data
from webapp.operations.own_data.held import by_data_name, told_schemas
from webapp.operations.own_data.names import data_name_warning


def compared_data(
    session: Session, config: RunConfig, known: Sequence[Client], online: Collection[int]
) -> DataComparison | None:
    """Return how the clients' own data compare; None where the run trains on none, or no client holds them."""
    holders = by_data_name(known, online).get(config.dataset) if needs_dataset(config.network) else None
    return compare_data(config.dataset, holders, told_schemas(session, holders)) if holders else None


class RunWarning(NamedTuple):
    """A sentence that a person should read before the start, with the glyph of a state."""

    state: str
    text: str


def compared_by_name(
    session: Session, configs: Iterable[RunConfig], known: Sequence[Client], online: Collection[int]
) -> list[tuple[DataComparison | None, list[RunWarning]]]:
    """Return how the own data of each name compare on which any of the configurations trains, with the warnings."""
    of_name = {config.dataset: config for config in configs if trains_own_data(config.network, config.dataset)}
    found = [(config, compared_data(session, config, known, online)) for config in of_name.values()]
    return [(compared, list(data_warnings(compared, config, known))) for config, compared in found]


def data_warnings(compared: DataComparison | None, config: RunConfig, known: Sequence[Client]) -> Iterator[RunWarning]:
    """Give the warnings about the data of a run."""
    if warning := data_name_warning(config.network, config.dataset, known):
        yield RunWarning("waiting", f"{warning}.")
    if compared is None:
        return
    for client in compared.clients:
        if client.misfit:
            yield RunWarning("refused", f"{client.name}: {client.misfit}.")
    if compared.problem:
        yield RunWarning("refused", f"Nothing can be trained: {compared.problem}.")
    elif compared.form == "table" and not compared.sharing:
        advice = "start clients with --share-statistics, so that columns of different scales train alike"
        yield RunWarning("waiting", f"Numbers are not standardised: {advice}.")
