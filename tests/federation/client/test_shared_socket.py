"""A TLS socket in two threads: each direction works while the other one waits, and a waiting reader can be woken."""

import asyncio
import contextlib
import hashlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from federation.client.tls.server_trust import ServerTrust
from federation.client.tls.shared_socket import SharedTlsSocket
from federation.protocol.tls.certificates import ServerTls
from tests.support.authority import Authority

BLOCK = bytes(range(256)) * 4096
BLOCKS = 24


@contextlib.contextmanager
def shaken(folder: Path) -> Iterator[tuple[SharedTlsSocket, socket.socket, ssl.SSLContext]]:
    """Give the client's end of a connection before its handshake is done, the server's bare end, and its context."""
    authority = Authority(folder)
    context = ServerTls(authority.issue()).certificate.context
    ours, theirs = socket.socketpair()
    with ours, theirs:
        trusted = ServerTrust(roots=authority.file).context("127.0.0.1", 0)
        client = trusted.wrap_socket(ours, server_hostname="127.0.0.1", do_handshake_on_connect=False)
        assert isinstance(client, SharedTlsSocket)
        with client:
            yield client, theirs, context


def read_all(client: SharedTlsSocket, size: int) -> str:
    """Read as websockets does, when the system says that there is something."""
    digest, left = hashlib.sha256(), size
    while left:
        select.select([client], [], [])
        data = client.recv(256 * 1024)
        assert data
        digest.update(data)
        left -= len(data)
    return digest.hexdigest()


def test_both_directions_carry_bytes_at_the_same_time(tmp_path: Path) -> None:
    whole = hashlib.sha256(BLOCK * BLOCKS).hexdigest()

    async def serve(theirs: socket.socket, context: ssl.SSLContext) -> str:
        class Both(asyncio.Protocol):
            def __init__(self) -> None:
                self.digest, self.left = hashlib.sha256(), len(BLOCK) * BLOCKS
                self.done = asyncio.get_running_loop().create_future()

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                for _ in range(BLOCKS):
                    transport.write(BLOCK)

            def data_received(self, data: bytes) -> None:
                self.digest.update(data)
                self.left -= len(data)
                if not self.left:
                    self.done.set_result(self.digest.hexdigest())

        transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(Both, theirs, ssl=context)
        digest: str = await asyncio.wait_for(protocol.done, 30)
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.01)
        await asyncio.get_running_loop().run_in_executor(None, read.wait, 30)
        transport.abort()
        return digest

    read = threading.Event()
    with shaken(tmp_path) as (client, theirs, context), ThreadPoolExecutor(2) as threads:
        server = threads.submit(asyncio.run, serve(theirs, context))
        client.do_handshake()
        client.settimeout(None)
        reading = threads.submit(read_all, client, len(BLOCK) * BLOCKS)
        for _ in range(BLOCKS):
            client.sendall(BLOCK)
        assert reading.result(30) == whole
        read.set()
        assert server.result(30) == whole


def test_a_reader_that_waits_for_the_rest_of_a_record_sends_on_and_can_be_woken(tmp_path: Path) -> None:
    with shaken(tmp_path) as (client, theirs, context), ThreadPoolExecutor(2) as threads:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        shaking = threads.submit(client.do_handshake)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                server.do_handshake()
                break
            theirs.sendall(outgoing.read())
            incoming.write(theirs.recv(65_536))
        shaking.result(10)
        theirs.sendall(outgoing.read())
        client.settimeout(None)
        server.write(b"a whole record, of which a part comes")
        theirs.sendall(outgoing.read()[:-1])
        reading = threads.submit(client.recv, 65_536)
        client.sendall(b"sent meanwhile")
        incoming.write(theirs.recv(65_536))
        assert server.read(100) == b"sent meanwhile" and not reading.done()
        client.shutdown(socket.SHUT_RDWR)
        assert reading.result(10) == b""


def test_a_call_that_waits_too_long_says_so(tmp_path: Path) -> None:
    with shaken(tmp_path) as (client, theirs, context), ThreadPoolExecutor(1) as threads:

        async def shake() -> None:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                asyncio.Protocol, theirs, ssl=context
            )
            await asyncio.get_running_loop().run_in_executor(None, over.wait, 30)
            transport.abort()

        over = threading.Event()
        server = threads.submit(asyncio.run, shake())
        client.do_handshake()
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        over.set()
        server.result(10)
