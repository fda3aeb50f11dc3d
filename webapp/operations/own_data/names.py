"""Names of data that no known client holds: a misspelt dataset would be taken for clients' own data, and waited for."""

from collections.abc import Iterable
from difflib import get_close_matches

from federation.run.networks import PUBLISHED, trains_own_data
from webapp.db.tables import Client

CLOSE = 0.75
"""Names that are so alike, by difflib's ratio, may be meant."""


def data_name_warning(network: str, dataset: str, known: Iterable[Client]) -> str | None:
    """Return what a person should know of a run on own data of which no client has told; None where one has.

    Clients may join later, so it is no error.
    """
    if not trains_own_data(network, dataset):
        return None
    names = {str(client.data.get("dataset")) for client in known if client.data.get("schema")}
    if dataset in names:
        return None
    spelt = {_plain(name): name for name in (*sorted(names), *PUBLISHED)}
    close = get_close_matches(_plain(dataset), spelt, 1, CLOSE)
    meant = f"Did you mean {spelt[close[0]]}? " if close else ""
    return f"No known client holds data named {dataset}. {meant}The run waits until clients join that hold it"


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_").replace(".", "_")
