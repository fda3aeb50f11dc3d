"""TensorBoard's records: TFRecord frames with masked CRC-32C around messages ``Event`` of tensorboard/compat/proto."""

import struct
from collections.abc import Iterable
from functools import lru_cache

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""
_POLYNOMIAL, _MASK = 0x82F63B78, 0xA282EAD8


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def first_record(seconds: float) -> bytes:
    """Return the record with which a file begins: the version of its format."""
    return _framed(_field(1, FIXED64, struct.pack("<d", seconds)) + _text(3, b"brain.Event:2"))


def scalars_record(seconds: float, step: int, scalars: Iterable[tuple[str, float]]) -> bytes:
    """Return the record of some scalars of a step, in their order; ``seconds`` is the time since 1970."""
    values = b"".join(_text(1, _value(tag, scalar)) for tag, scalar in scalars)
    head = _field(1, FIXED64, struct.pack("<d", seconds)) + _field(2, VARINT, _varint(step))
    return _framed(head + _text(5, values))


def _value(tag: str, scalar: float) -> bytes:
    try:
        packed = struct.pack("<f", scalar)
    except OverflowError:  # it is beyond the numbers of 32 bits
        packed = struct.pack("<f", float("inf") if scalar > 0 else float("-inf"))
    return _tag(tag) + _field(2, FIXED32, packed)


@lru_cache(maxsize=4096)
def _tag(tag: str) -> bytes:
    return _text(1, tag.encode())


def _framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)


def _text(number: int, content: bytes) -> bytes:
    return _field(number, BYTES, _varint(len(content)) + content)


def _field(number: int, wire_type: int, content: bytes) -> bytes:
    return _varint(number << 3 | wire_type) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
