"""The Grid that a strategy sees: it names the clients of the phase and refuses to send or to wait."""

from collections.abc import Iterable
from typing import Any, NoReturn

from flwr.serverapp import Grid


class FrozenGrid(Grid):
    """Returns the clients that were sampled for the phase from ``get_node_ids``; the stream lane does all sending."""

    def __init__(self, client_ids: Iterable[int]) -> None:
        self._client_ids = tuple(client_ids)

    def get_node_ids(self) -> Iterable[int]:
        """Return the sampled clients."""
        return self._client_ids

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError("a strategy configures and aggregates; the lane sends its messages")

    run = property(_refuse)
    set_run = create_message = push_messages = pull_messages = send_and_receive = _refuse
