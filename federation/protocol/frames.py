"""Heads of WebSocket frames (RFC 6455, section 5.2): written as a server sends them, read as clients send them."""

import struct

TEXT, BINARY, PING, PONG = 0x81, 0x82, 0x89, 0x8A
"""First byte of a whole frame: FIN and opcode."""

MAX_CONTROL = 125
"""Bytes that the payload of a ping or a pong may have."""

WHOLE_PING = bytes((PING, 0))
"""A ping without payload: whatever a peer sends shows that it is there."""


def frame_head(first: int, size: int) -> bytes:
    """Return the head of a frame that a server sends, which has no mask; ``first`` is its first byte."""
    if size < 126:
        return bytes((first, size))
    return struct.pack("!BBH", first, 126, size) if size < 65_536 else struct.pack("!BBQ", first, 127, size)


def text_frame(text: str) -> bytes:
    """Return a whole text frame that a server sends."""
    data = text.encode()
    return frame_head(TEXT, len(data)) + data


def head_of(data: bytes, at: int) -> tuple[int, int, bytes]:
    """Read the head of the frame at ``at``: where its payload begins (0: the head is not whole), its size, its mask."""
    if len(data) < at + 2:
        return 0, 0, b""
    size, start = data[at + 1] & 0x7F, at + 2
    if size >= 126:
        more = 2 if size == 126 else 8
        size, start = int.from_bytes(data[start : start + more], "big"), start + more
    end = start + 4 if data[at + 1] & 0x80 else start
    return (end, size, data[start:end]) if len(data) >= end else (0, 0, b"")
