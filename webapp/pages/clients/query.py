"""The query of the list of clients: which of them it shows, in which order, and how many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from webapp.db.tables import Client
from webapp.pages.clients.holdings import dataset_of, has_key, train_samples
from webapp.sanitizing import whole_number

SHOWN = {"": "All", "online": "Online", "offline": "Offline", "pending": "Pending", "left-out": "Excluded"}
SORTS = {"problems": "Problems first", "name": "Name", "samples": "Most samples", "newest": "Newest"}
MAX_SEARCH = 100


@dataclass(frozen=True, slots=True)
class ClientsQuery:
    """The query of the list's address; an unknown value counts as the default. ``page`` 0 shows the first few rows."""

    q: str = ""
    show: str = ""
    sort: str = "problems"
    page: int = 0

    def to(self, **changes: str | int) -> str:
        """Return the list's address with some values changed."""
        values = {name: getattr(self, name) for name in ClientsQuery.__slots__} | changes
        query = urlencode({name: value for name, value in values.items() if value not in ("", 0, "problems")})
        return f"/clients{'?' if query else ''}{query}"

    @property
    def filtered(self) -> bool:
        """Whether the query narrows the list."""
        return replace(self, sort="problems", page=0) != ClientsQuery()

    def chosen(self, clients: Sequence[Client], states: Mapping[int, str]) -> list[Client]:
        """Return the clients that the filter and the search leave, by their states."""
        sought = self.q.casefold()
        return [
            client for client in clients
            if shows(self.show, client, states[client.id])
            and (sought in client.name.casefold() or sought in (dataset_of(client) or "").casefold()
                 or has_key(client, sought))
        ]  # fmt: skip

    def ordered(self, clients: Sequence[Client], ranks: Mapping[int, int]) -> list[Client]:
        """Sort clients; ``ranks`` has the gravity of each client's problem, 0 the gravest."""
        match self.sort:
            case "name":
                return sorted(clients, key=lambda client: client.name.casefold())
            case "samples":
                return sorted(clients, key=lambda client: -(train_samples(client) or 0))
            case "newest":
                return sorted(clients, key=lambda client: -client.id)
        return sorted(clients, key=lambda client: ranks[client.id])


def clients_query(query: Mapping[str, str]) -> ClientsQuery:
    """Read the query of the list of clients."""
    show, sort = query.get("show", ""), query.get("sort", "")
    return ClientsQuery(
        query.get("q", "").strip()[:MAX_SEARCH],
        show if show in SHOWN else "",
        sort if sort in SORTS else "problems",
        whole_number(query.get("page"), most=10**6) or 0,
    )


def shows(choice: str, client: Client, state: str) -> bool:
    """Whether a choice of the filter shows a client in a state."""
    match choice:
        case "online":
            return state in ("online", "stale")
        case "left-out":
            return client.left_out
        case "":
            return True
    return state == choice
