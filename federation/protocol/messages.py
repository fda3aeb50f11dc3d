"""The frames of the stream lane and their limits; server and clients encode and decode here.

A text frame is a JSON object with ``type``. A binary frame is a piece of a content: 32 bytes content id, 8 bytes offset
(big-endian), then at most ``MAX_FRAME_BYTES`` less these 40 of the content. Functions here may be called in any thread.
"""

import contextlib
import json
from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from federation.protocol import descriptions

PROTOCOL = 1
SUBPROTOCOL = "meadow.1"
PATH = "/v1/fleet/stream"

MAX_FRAME_BYTES = 4 * 1024 * 1024
HEADER_BYTES = 40
PIECE_BYTES = 256 * 1024 - HEADER_BYTES
"""How much is sent at a time: memory of that size is soon used again, and a pong can go out between two pieces."""

UNGRANTED_BYTES = 64 * 1024
"""A reply's content up to this size may follow its offer without a grant; the offer says that it does."""

HELLO_SECONDS = 5.0
MAX_HELLO_BYTES = 256 * 1024
"""Any peer may send a hello, and what a hello holds stays in memory as long as the connection."""

MAX_NAME_CHARACTERS = 64
MAX_CODE_CHARACTERS = 200
MAX_ERROR_CHARACTERS = 200
PROGRESS_SECONDS = 0.5


class Close(IntEnum):
    """Why the server ends a connection, as a WebSocket close code."""

    BAD_FRAME = 4400
    SIGNATURE = 4401
    REVOKED = 4403
    CODE_NEEDED = 4406
    TOO_SLOW = 4408
    SUPERSEDED = 4409
    CODE_REFUSED = 4410
    TOO_BIG = 4413
    VERSION = 4426
    FULL = 4429
    STOPPING = 4503


class BadFrame(ValueError):
    """A frame that breaks the protocol: the sentence says how, ``code`` is the close code that answers it."""

    def __init__(self, sentence: str, code: Close = Close.BAD_FRAME) -> None:
        super().__init__(sentence)
        self.code = code


MessageId = Annotated[str, Field(max_length=100)]


class Frame(BaseModel):
    """Base of all text frames. Fields that a newer peer adds are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ContentHeader(Frame):
    """Describes a content before a byte of it is sent: id (hex), size, and the arrays' names, shapes and dtypes."""

    id: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: descriptions.Number
    layout: list[tuple[str, list[int], str]] = Field(max_length=100_000)


class Hello(Frame):
    """A client's first frame. ``pending``: tasks it works on or keeps a reply for; ``code``: a join code's secret."""

    type: Literal["hello"] = "hello"
    public_key: str = Field(max_length=2000)
    signature: str = Field(max_length=1000)
    name: str = Field(min_length=1, max_length=MAX_NAME_CHARACTERS)
    code: str | None = Field(None, max_length=MAX_CODE_CHARACTERS)
    versions: descriptions.VersionsField = Field(default_factory=dict)
    facts: descriptions.FactsField = Field(default_factory=dict)
    data: descriptions.HeldDataField = Field(default_factory=dict)
    pending: list[MessageId] = Field(default_factory=list, max_length=100)
    kind: descriptions.ClientKind = "client"


class ProgressFrame(Frame):
    """How far a client is with a task; at most twice a second."""

    type: Literal["progress"] = "progress"
    message_id: MessageId
    batch: descriptions.Number
    batches: descriptions.Number | None = None
    loss: float | None = Field(None, strict=True)


class Offer(Frame):
    """A reply's header. Its content is sent when the server grants it; with ``follows`` it is small and comes at once.

    ``metrics`` and ``num_examples`` are as the client gave them: the server checks them later. ``not_implemented`` goes
    with the ``error`` of an app that has no function for the phase.
    """

    type: Literal["offer"] = "offer"
    message_id: MessageId
    metrics: dict[str, Any] = Field(default_factory=dict)
    num_examples: Any = None
    seconds: float = Field(0.0, ge=0, le=descriptions.MAX_NUMBER, allow_inf_nan=False, strict=True)
    content: ContentHeader | None = None
    follows: bool = Field(False, strict=True)
    data: descriptions.PreparedDataField | None = None
    error: str | None = None
    failure: descriptions.FailureField | None = None
    not_implemented: bool = Field(False, strict=True)


class Challenge(Frame):
    """The server's first frame: the nonce to sign, its clock (ISO 8601), and the protocol versions that it speaks."""

    type: Literal["challenge"] = "challenge"
    nonce: str = Field(max_length=200)
    time: str = Field(max_length=100)
    versions: dict[str, Any]


class Welcome(Frame):
    """The answer to a good hello. A pending client stays connected and gets no task."""

    type: Literal["welcome"] = "welcome"
    state: Literal["admitted", "pending"]
    client_id: descriptions.Number
    node_id: str = Field(pattern=r"^[0-9]{1,20}$")
    limits: descriptions.LimitsField


class Task(Frame):
    """One phase's work for one client. ``content`` None: the task needs no weights."""

    type: Literal["task"] = "task"
    message_id: MessageId
    run_id: descriptions.Number
    round: descriptions.Number
    phase: Literal["prepare", "train", "evaluate"]
    deadline_seconds: float = Field(ge=0, le=descriptions.MAX_NUMBER, allow_inf_nan=False)
    config: dict[str, Any]
    content: ContentHeader | None = None


class Grant(Frame):
    """The offered content may be sent now."""

    type: Literal["grant"] = "grant"
    message_id: MessageId


class Ack(Frame):
    """The reply arrived and need not be kept. ``refused`` is the reason where it does not count."""

    type: Literal["ack"] = "ack"
    message_id: MessageId
    refused: descriptions.Text | None = None


class Cancel(Frame):
    """The task is needed no more."""

    type: Literal["cancel"] = "cancel"
    message_id: MessageId


class Bye(Frame):
    """The server closes the connection with ``code``; a close frame's own reason may be cut short."""

    type: Literal["bye"] = "bye"
    code: descriptions.Number
    reason: descriptions.Text


ClientFrame = Hello | ProgressFrame | Offer
ServerFrame = Challenge | Welcome | Task | Grant | Ack | Cancel | Bye
_T = TypeVar("_T")
_encoder = json.JSONEncoder(separators=(",", ":"))
_client_frames: TypeAdapter[ClientFrame] = TypeAdapter(Annotated[ClientFrame, Field(discriminator="type")])
_server_frames: TypeAdapter[ServerFrame] = TypeAdapter(Annotated[ServerFrame, Field(discriminator="type")])


def encode(frame: Frame) -> str:
    """Return the text frame of ``frame``. A NaN or infinite number is written as Python's json does."""
    return _encoder.encode(frame.model_dump())


def decode_client(text: str) -> ClientFrame:
    """Read a text frame that a client sent; raises BadFrame."""
    return _decode(_client_frames, text)


def protocol_in(text: str) -> object:
    """Return the protocol that a hello names, without a check of the rest: a newer protocol may change it."""
    with contextlib.suppress(ValueError, RecursionError, KeyError, TypeError):
        return json.loads(text)["versions"]["protocol"]
    return None


def decode_server(text: str) -> ServerFrame:
    """Read a text frame that the server sent; raises BadFrame."""
    return _decode(_server_frames, text)


def _decode(frames: TypeAdapter[_T], text: str) -> _T:
    try:
        return frames.validate_python(json.loads(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "type"
        raise BadFrame(f"text frame: {where[:100]}: {first['msg'][:150]}") from error
    except (ValueError, RecursionError) as error:
        raise BadFrame("text frame: not JSON") from error


def pieces(content: str, buffer: bytes | bytearray | memoryview) -> Iterator[bytes]:
    """Yield ``buffer`` as binary frames of the content with that id; an empty buffer has none."""
    for parts in piece_parts(content, buffer):
        yield b"".join(parts)


def piece_parts(content: str, buffer: bytes | bytearray | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the two parts of each binary frame, its head and its data (a view, not a copy)."""
    name, view = bytes.fromhex(content), memoryview(buffer).cast("B")
    for offset in range(0, len(view), PIECE_BYTES):
        yield name + offset.to_bytes(8, "big"), view[offset : offset + PIECE_BYTES]


def read_piece(frame: bytes) -> tuple[str, int, memoryview]:
    """Return content id, offset and data (a view, not a copy) of a binary frame; raises BadFrame."""
    if len(frame) <= HEADER_BYTES:
        raise BadFrame(f"binary frame: {len(frame):,} bytes, a piece has more than {HEADER_BYTES:,}")
    return *read_piece_head(frame), memoryview(frame)[HEADER_BYTES:]


def read_piece_head(head: bytes) -> tuple[str, int]:
    """Return the content id (hex) and the offset in bytes that a piece's head holds."""
    return head[:32].hex(), int.from_bytes(head[32:HEADER_BYTES], "big")
