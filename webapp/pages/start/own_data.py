"""What the form shows of clients' own data: how they compare, and what a person should know before the start."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy.orm import Session

from federation.run.config import RunConfig
from federation.run.networks import needs_dataset
from webapp.db.tables import Client
from webapp.operations.own_data.comparison import DataComparison, compare_data
from webapp.operations.own_data.held import by_data_name, told_schemas


def compared_data(
    session: Session, config: RunConfig, known: Sequence[Client], online: Collection[int]
) -> DataComparison | None:
    """Return how the clients' own data compare; None where the run trains on none, or no client holds them."""
    holders = by_data_name(known, online).get(config.dataset) if needs_dataset(config.network) else None
    return compare_data(config.dataset, holders, told_schemas(session, holders)) if holders else None


def data_warnings(compared: DataComparison | None) -> Iterator[tuple[str, str]]:
    """Give warnings as the glyph of a state and a sentence."""
    if compared is None:
        return
    for client in compared.clients:
        if client.misfit:
            yield "refused", f"{client.name}: {client.misfit}."
    if compared.problem:
        yield "refused", f"Nothing can be trained: {compared.problem}."
    elif compared.form == "table" and not compared.sharing:
        advice = "start clients with --share-statistics, so that columns of different scales train alike"
        yield "waiting", f"Numbers are not standardised: {advice}."
