"""What a client says of a server that it cannot agree with on TLS, and the exit code that each cause has."""

import contextlib
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.client.description import ClientDescription
from federation.client.frame_handler import Refused
from federation.client.identity import Identity
from federation.client.outbox import Outbox
from federation.client.reconnect import ReconnectLoop
from federation.client.server_trust import BadRoots, NotTrusted, ServerTrust, TlsFault
from federation.protocol.tls.certificates import ServerTls
from federation.protocol.tls.fingerprints import sha256_of
from tests.conftest import StartClient
from tests.support.authority import Authority
from tests.support.coroutines import in_a_thread
from tests.support.engine import Engine, running_engine
from tests.support.small_server import NUMPY_APP


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trust")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def engine(folder: Path, authority: Authority) -> Iterator[Engine]:
    with running_engine(folder, tls=ServerTls(authority.issue())) as started:
        yield started


END_SECONDS = 60.0
"""A loop that was refused ends at once; one that got no answer within five seconds tries again."""

Ended = queue.SimpleQueue[Refused | NotTrusted | None]
Connect = Callable[[str, ServerTrust | None], Ended]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Starts a client's reconnect loop; gives the queue of its end."""
    with contextlib.ExitStack() as stack:

        def start(address: str, trust: ServerTrust | None) -> Ended:
            ended: Ended = queue.SimpleQueue()
            identity = Identity.load(tmp_path / "key.json", "site-a", "site-a")
            host, port = address.split(":")
            about, outbox = ClientDescription({"protocol": 1}), Outbox(lambda tasks: None)
            loop = ReconnectLoop((host, int(port)), identity, about, outbox, trust=trust)
            stack.enter_context(in_a_thread(loop.run)).add_done_callback(lambda _: ended.put(loop.refusal))
            return ended

        yield start


def test_a_client_joins_by_the_file_or_the_fingerprint_of_the_ca(
    engine: Engine, authority: Authority, connect: Connect
) -> None:
    digits = sha256_of(authority.certificate).upper()
    shown = ":".join(digits[at : at + 2] for at in range(0, 64, 2))
    for number, trust in enumerate((str(authority.file), f"sha256:{shown}"), 1):
        connect(engine.address, ServerTrust.parse(trust))
        engine.ledger.wait(lambda number=number: sum(one.online for one in engine.changes()) == number)  # type: ignore[misc]


def test_a_plaintext_client_on_a_tls_port_says_so_and_ends(engine: Engine, connect: Connect) -> None:
    end = connect(engine.address, None).get(timeout=END_SECONDS)
    assert isinstance(end, NotTrusted) and end.fault is TlsFault.SERVER_SPEAKS_TLS
    assert str(end).startswith("the server speaks TLS: add --root-certificates")


@pytest.mark.parametrize("by", ["file", "fingerprint"])
def test_a_client_with_tls_on_a_plaintext_port_says_so_and_ends(
    tmp_path: Path, authority: Authority, connect: Connect, by: str
) -> None:
    trust = ServerTrust(roots=authority.file) if by == "file" else ServerTrust(fingerprint="0" * 64)
    with running_engine(tmp_path) as plain:
        end = connect(plain.address, trust).get(timeout=END_SECONDS)
    assert isinstance(end, NotTrusted) and end.fault is TlsFault.SERVER_SPEAKS_NO_TLS
    assert "the server speaks no TLS" in str(end)


def test_another_ca_is_named_whether_it_is_known_by_file_or_by_fingerprint(
    engine: Engine, connect: Connect, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "Other CA")
    trusts = (ServerTrust(roots=other.file), ServerTrust(fingerprint=sha256_of(other.certificate)), ServerTrust())
    ends = [connect(engine.address, trust).get(timeout=END_SECONDS) for trust in trusts]
    assert [isinstance(end, NotTrusted) and end.fault for end in ends] == [TlsFault.WRONG_CA] * 3
    assert "not signed by a CA that this client trusts" in str(ends[0])
    assert "does not have the fingerprint sha256:" in str(ends[1])


@pytest.mark.parametrize(
    ("address", "days", "fault", "sentence"),
    [("127.0.0.2", (-1, 10), TlsFault.WRONG_NAME, "is for another host name"),
     ("127.0.0.1", (-10, -1), TlsFault.EXPIRED, "has expired"),
     ("127.0.0.1", (5, 10), TlsFault.EXPIRED, "is not valid yet")],
)  # fmt: skip
def test_a_certificate_of_another_name_or_time_is_named(
    tmp_path: Path, connect: Connect, address: str, days: tuple[int, int], fault: TlsFault, sentence: str
) -> None:
    authority = Authority(tmp_path)
    tls = ServerTls(authority.issue())
    file = authority.issue("odd.pem", address, days)
    tls.certificate.context.load_cert_chain(file)  # Meadow itself would not start with it
    with running_engine(tmp_path, tls=tls) as engine:
        end = connect(engine.address, ServerTrust(roots=authority.file)).get(timeout=END_SECONDS)
    assert isinstance(end, NotTrusted) and end.fault is fault and sentence in str(end)


def test_the_process_ends_with_the_code_of_the_cause(client: StartClient, engine: Engine) -> None:
    process = client(engine.address, "site-a", *NUMPY_APP)
    assert process.wait() == TlsFault.SERVER_SPEAKS_TLS
    assert f"{engine.address}: the server speaks TLS" in process.output and "Traceback" not in process.output


@pytest.mark.parametrize("given", ["sha256:12", "/nowhere/ca.pem", __file__])
def test_what_is_no_ca_is_refused_before_anything_is_sent(given: str) -> None:
    with pytest.raises(BadRoots):
        ServerTrust.parse(given)
