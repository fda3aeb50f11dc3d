"""Clients whose frames hold a value of another type or size in one field."""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from federation.protocol import messages
from tests.support.light_client import LightClient
from tests.support.odd_values import VALUES, Place, places, put

PHASES = ("prepare", "train", "evaluate")


@dataclass(frozen=True)
class OddFrame:
    """A frame of a class with a value at a place; for an offer, in the phase of its task."""

    kind: type[messages.Frame]
    place: Place
    value: Any
    phase: str = ""

    @property
    def field(self) -> str:
        """The field as a refusal names it."""
        return ".".join(map(str, (str(self.kind.model_fields["type"].default), *self.place)))

    def text(self, frame: messages.Frame) -> str:
        """Return the text of a good frame with the value in it."""
        return json.dumps(put(json.loads(messages.encode(frame)), self.place, self.value))


def odd_frames(*kinds: type[messages.Frame]) -> list[OddFrame]:
    """Return every value at every place of frames of some classes."""
    return [
        OddFrame(kind, place, value, PHASES[index % len(PHASES)])
        for kind in kinds
        for place in places(kind.model_json_schema())
        for index, value in enumerate(VALUES)
    ]


class OddClient(LightClient):
    """Sends one odd frame: its hello, or a progress or an offer for its first task of the phase. Else it is honest."""

    def __init__(self, address: str, name: str, odd: OddFrame, **more: Any) -> None:
        super().__init__(address, name, **more)
        self.odd = odd
        self.bye: messages.Bye | None = None
        self._is_sent = self._is_answered = False

    @property
    def is_done(self) -> bool:
        """Whether the server has answered the odd frame, with a frame or by the end of the connection."""
        return self._is_answered or self.closed is not None

    async def run(self) -> None:
        """Serve one connection to its end, however it ends."""
        try:
            await super().run()
        except ConnectionClosed as closed:
            self.closed = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    async def send_frame(self, frame: messages.Frame) -> None:
        """Send a frame, the odd one in its place."""
        if self._is_sent or not self._is_due(frame):
            return await super().send_frame(frame)
        self._is_sent = True
        return await self.socket.send(self.odd.text(frame))

    def _is_due(self, frame: messages.Frame) -> bool:
        if not isinstance(frame, self.odd.kind):
            return False
        return not isinstance(frame, messages.Offer) or self.offers[frame.message_id][0].phase == self.odd.phase

    async def handle_frame(self, frame: str | bytes) -> None:
        """Act on a frame of the server."""
        self._is_answered = self._is_sent
        decoded = messages.decode_server(frame) if isinstance(frame, str) else None
        self.bye = decoded if isinstance(decoded, messages.Bye) else None
        await super().handle_frame(frame)

    async def answer_task(self, task: messages.Task) -> None:
        """Answer a task, after a report of progress."""
        with contextlib.suppress(ConnectionClosed):
            await self.send_frame(messages.ProgressFrame(message_id=task.message_id, batch=1, batches=2))
            await super().answer_task(task)


def hello_text(client: LightClient, nonce: str, **change: Any) -> str:
    """Return the text of a client's hello with other values in some fields."""
    return json.dumps({**client.hello(nonce).model_dump(), **change})
