"""The Grid that a strategy sees: it names the clients of the phase and refuses to send or to wait."""

from collections.abc import Iterable
from typing import Any, NoReturn

from flwr.app import Message
from flwr.serverapp import Grid


class FrozenGrid(Grid):
    """Returns the clients that were sampled for the phase from ``get_node_ids``; the stream lane does all sending."""

    def __init__(self, client_ids: Iterable[int]) -> None:
        self._client_ids = tuple(client_ids)

    def get_node_ids(self) -> Iterable[int]:
        """Return the sampled clients."""
        return self._client_ids

    def _refuse(self) -> NoReturn:
        raise NotImplementedError("a strategy configures and aggregates; the lane sends its messages")

    def set_run(self, run: Any) -> None:
        """Refused."""
        self._refuse()

    @property
    def run(self) -> Any:
        """Refused."""
        self._refuse()

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """Refused."""
        self._refuse()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Refused."""
        self._refuse()

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Refused."""
        self._refuse()

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Refused."""
        self._refuse()
