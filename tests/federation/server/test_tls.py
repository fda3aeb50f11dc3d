"""TLS on the Flower port: who joins, who is refused, handshakes that never end, and certificates that are renewed."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from federation.protocol import messages
from federation.protocol.connection_limit import ConnectionBounds
from federation.protocol.tls.certificates import ServerTls, read_chain
from federation.protocol.tls.fingerprints import sha256_of
from federation.protocol.tls.proxies import ProxyCertificates
from federation.transport.admission import Limits
from tests.support.authority import Authority
from tests.support.engine import Engine, running_engine
from tests.support.light_client import LightClient, Stage
from tests.support.processes import wait_until
from tests.support.sockets import accepted_sockets

HASTE = Limits(first_request_seconds=0.5, connections=ConnectionBounds(total=40, per_address=30))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ServerTls:
    return ServerTls(authority.issue())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, tls: ServerTls) -> Iterator[Engine]:
    """A Flower port with TLS."""
    with running_engine(tmp_path_factory.mktemp("engine"), tls=tls) as started:
        yield started


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, tls: ServerTls) -> Iterator[Engine]:
    """One that is less patient, and has room for fewer peers."""
    with running_engine(tmp_path_factory.mktemp("hasty"), HASTE, tls=tls) as started:
        yield started


@contextlib.contextmanager
def connected(engine: Engine) -> Iterator[socket.socket]:
    host, port = engine.address.split(":")
    with socket.create_connection((host, int(port)), 5) as peer:
        yield peer


Client = TypeVar("Client", bound=LightClient)


def client_of(engine: Engine, context: ssl.SSLContext, kind: type[Client]) -> Client:
    client = kind(engine.address, "site-a")
    client.tls = context
    return client


def read_to_the_end(peer: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := peer.recv(65_536):
            received += data
    return received


def test_a_whole_run_goes_over_tls(engine: Engine, authority: Authority) -> None:
    with Stage(engine.address) as stage:
        for _ in range(2):
            stage.do(client_of(engine, authority.trusted(), LightClient).run())
        engine.wait_online(2)
        assert engine.ledger.wait_end(engine.start_run(num_rounds=2)) == "completed"


class Relay(LightClient):
    """Connects to the server, and sends there what a victim has signed to whom ``shown`` was shown."""

    shown: str | None = None

    def hello(self, nonce: str, pending: list[str] | None = None) -> messages.Hello:
        self.certificate = self.shown
        return super().hello(nonce, pending)


@pytest.mark.parametrize("shown", [None, "0" * 64], ids=["none", "another"])
def test_what_a_client_signs_for_another_certificate_admits_nobody(
    engine: Engine, authority: Authority, shown: str | None
) -> None:
    with Stage(engine.address) as stage:
        relay = client_of(engine, authority.trusted(), Relay)
        relay.shown = shown
        stage.do(relay.run())
        wait_until(lambda: relay.closed is not None)
    assert relay.closed and relay.closed[0] == messages.Close.SIGNATURE and relay.welcome is None


def test_behind_a_proxy_that_ends_tls_its_certificates_are_accepted_and_no_others(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    shown = [sha256_of(read_chain(authority.issue("proxy.pem"))[0])]
    with (
        running_engine(tmp_path, proxies=ProxyCertificates(tmp_path / "proxy.pem")) as engine,
        Stage(engine.address) as stage,
    ):
        for _ in range(2):  # after a renewal the proxy may show the certificate before, too
            for certificate in (*shown, None, "0" * 64):
                client = Relay(engine.address, "site-a")
                client.shown = certificate
                stage.do(client.run())
                wait_until(lambda client=client: client.welcome or client.closed)  # type: ignore[misc]
                assert (client.welcome is not None) is (certificate != "0" * 64)
            shown.append(sha256_of(read_chain(authority.issue("proxy.pem"))[0]))


def test_plaintext_on_the_port_gets_an_answer_that_names_tls(engine: Engine) -> None:
    with connected(engine) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = read_to_the_end(peer)
    assert answer.startswith(b"HTTP/1.1 426 ") and b"upgrade: TLS/1.2" in answer and b"speaks TLS" in answer


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01"], ids=["none", "head", "part"])
def test_a_handshake_that_never_ends_is_cut_off_in_time(hasty: Engine, sent: bytes) -> None:
    began = time.monotonic()
    with connected(hasty) as peer:
        peer.sendall(sent)
        assert read_to_the_end(peer) == b""
    assert time.monotonic() - began < 5


def test_the_time_for_the_first_request_begins_with_the_connection(hasty: Engine, authority: Authority) -> None:
    began = time.monotonic()
    with connected(hasty) as peer, authority.trusted().wrap_socket(peer, server_hostname="127.0.0.1") as secure:
        assert read_to_the_end(secure) == b""
    assert time.monotonic() - began < 5


def test_peers_in_a_handshake_count_and_leave_no_count_behind(hasty: Engine, authority: Authority) -> None:
    """A port for 30 peers of an address: 60 who are silent at once do not keep it shut."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connected(hasty)) for _ in range(60)]
        ends = [read_to_the_end(peer) for peer in silent]
    assert ends == [b""] * 60
    wait_until(lambda: not accepted_sockets(hasty.address))
    with Stage(hasty.address) as stage:
        client = client_of(hasty, authority.trusted(), LightClient)
        stage.do(client.run())
        wait_until(lambda: client.welcome is not None)


def test_a_refused_request_gets_its_answer_over_tls(engine: Engine, authority: Authority) -> None:
    with connected(engine) as peer, authority.trusted().wrap_socket(peer, server_hostname="127.0.0.1") as secure:
        secure.sendall(b"GET / HTTP/1.1\r\nx: " + b"a" * 200_000)
        answer = read_to_the_end(secure)
    assert answer.startswith(b"HTTP/1.1 431 ") and answer.endswith(b"header lines.\n")


def test_the_port_gives_the_certificate_of_its_ca_to_anyone(engine: Engine, authority: Authority) -> None:
    with connected(engine) as peer, authority.trusted().wrap_socket(peer, server_hostname="127.0.0.1") as secure:
        secure.sendall(b"GET /v1/ca.pem HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = read_to_the_end(secure)
    assert answer.endswith(authority.file.read_bytes())
    assert b"PRIVATE" not in answer


def test_a_renewed_certificate_is_taken_and_a_bad_one_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = Authority(tmp_path)
    tls = ServerTls(authority.issue())
    first = tls.certificate.leaf

    async def shown(engine: Engine) -> bytes:
        url = f"wss://{engine.address}{messages.PATH}"
        async with connect(url, ssl=authority.trusted(), subprotocols=[Subprotocol(messages.SUBPROTOCOL)]) as peer:
            return bytes(peer.transport.get_extra_info("ssl_object").getpeercert(True))

    with running_engine(tmp_path, tls=tls) as engine, Stage(engine.address) as stage:
        before = client_of(engine, authority.trusted(), LightClient)
        stage.do(before.run())
        engine.wait_online(1)
        authority.issue()
        wait_until(lambda: tls.certificate.leaf != first)
        second = asyncio.run(shown(engine))
        (tmp_path / "server.pem").write_text("nothing")
        wait_until(lambda: tls.problem is not None)
        assert asyncio.run(shown(engine)) == second
        assert engine.ledger.wait_end(engine.start_run(num_rounds=1, min_clients=1)) == "completed"
        assert before.closed is None, "a connection goes on with the certificate that it began with"
    assert "the renewed TLS certificate is not used" in caplog.text
    assert tls.problem and "server.pem: holds no certificate" in tls.problem
