"""What the machine can do at best: bytes over loopback, bytes through memory, a round trip, a write that is safe."""

import multiprocessing
import os
import socket
import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np

PIECE = 4 * 1024 * 1024
PIECES = 100
MEMORY_BYTES = 256 * 1024 * 1024
TRIPS = 3000


def measure_floors() -> dict[str, float]:
    """Return the floors: GB/s, µs and ms."""
    small, big = _fsync_ms(4096), _fsync_ms(PIECE)
    return {
        "loopback_gb_per_second": _loopback(), "memory_copy_gb_per_second": _memory_copy(),
        "weighted_sum_gb_per_second": _weighted_sum(), "round_trip_us": _round_trip_us(),
        "fsync_4k_ms": small, "fsync_4m_ms": big,
    }  # fmt: skip


def _best(work: Callable[[], float], times: int = 3) -> float:
    return max(work() for _ in range(times))


def _with_peer(peer: Callable[[int], None], work: Callable[[socket.socket], float]) -> float:
    """Run ``work`` on a socket whose other end is another process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = multiprocessing.get_context("spawn").Process(target=peer, args=(listener.getsockname()[1],))
        process.start()
        try:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                return work(connection)
        finally:
            process.join(10)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _send_all(port: int) -> None:
    piece = bytes(PIECE)
    with _connect(port) as connection:
        for _ in range(PIECES):
            connection.sendall(piece)


def _receive_all(connection: socket.socket) -> float:
    buffer, left = memoryview(bytearray(PIECE)), PIECE * PIECES
    begin = time.perf_counter()
    while left:
        left -= connection.recv_into(buffer)
    return PIECE * PIECES / (time.perf_counter() - begin) / 1e9


def _loopback() -> float:
    return _best(lambda: _with_peer(_send_all, _receive_all))


def _echo(port: int) -> None:
    with _connect(port) as connection:
        while word := connection.recv(4096):
            connection.sendall(word)


def _trips(connection: socket.socket) -> float:
    word, times = bytes(200), []
    for _ in range(TRIPS):
        begin = time.perf_counter()
        connection.sendall(word)
        connection.recv(4096)
        times.append(time.perf_counter() - begin)
    return median(times) * 1e6


def _round_trip_us() -> float:
    return min(_with_peer(_echo, _trips) for _ in range(3))


def _memory_copy() -> float:
    source, target = np.ones(MEMORY_BYTES // 4, np.float32), np.zeros(MEMORY_BYTES // 4, np.float32)

    def copy() -> float:
        begin = time.perf_counter()
        np.copyto(target, source)
        return 2 * MEMORY_BYTES / (time.perf_counter() - begin) / 1e9

    return _best(copy, 5)


def _weighted_sum() -> float:
    total, array = np.zeros(MEMORY_BYTES // 4, np.float32), np.ones(MEMORY_BYTES // 4, np.float32)

    def add() -> float:
        nonlocal total
        begin = time.perf_counter()
        total += np.float32(3) * array
        return MEMORY_BYTES / (time.perf_counter() - begin) / 1e9

    return _best(add, 5)


def _fsync_ms(size: int) -> float:
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(20):
            begin = time.perf_counter()
            file.seek(0)
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begin) * 1000)
    return median(times)
