"""The check of keys, the registry of nodes, a SuperNode that joins."""

import base64
import logging
import os
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from federation.protocol import messages
from federation.protocol.tls.certificates import ServerTls
from federation.server.flower import Nodes, verified_key
from federation.transport.admission import Admission
from tests.support.authority import Authority
from tests.support.engine import Engine, running_engine
from tests.support.light_client import LightClient, Stage
from tests.support.processes import free_port


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_signature_fits_its_key_and_message_only() -> None:
    key, other = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    signature = base64.b64encode(key.sign(b"meadow.1|n", ec.ECDSA(hashes.SHA256()))).decode()
    assert verified_key(pem(key), b"meadow.1|n", signature) == pem(key)
    assert not verified_key(pem(other), b"meadow.1|n", signature)
    assert not verified_key(pem(key), b"meadow.1|m", signature)
    assert not verified_key(pem(key), b"meadow.1|n", "no base64!")
    assert not verified_key("no key", b"meadow.1|n", signature)
    assert not verified_key(pem(rsa.generate_private_key(65537, 2048)), b"meadow.1|n", signature)
    for written in (pem(key) + "\n", pem(key).replace("\n", "\r\n"), f"mine:\x00\n{pem(key)}"):
        assert verified_key(written, b"meadow.1|n", signature) == pem(key), "a key is one client, however written"


def test_a_node_keeps_its_id_over_a_restart_and_none_is_left_online(tmp_path: Path) -> None:
    key = pem(ec.generate_private_key(ec.SECP384R1()))
    first = Nodes(tmp_path / "link.db")
    node_id = first.node_id(key)
    assert first.node_id(key) == node_id
    second = Nodes(tmp_path / "link.db")
    second.mark_all_offline()
    assert second.node_id(key) == node_id
    assert [(one.node_id, one.status) for one in second.state.get_node_info()] == [(node_id, "registered")]
    assert not second.supernodes(), "the node of a stream client is not read every two seconds"


def test_a_new_client_on_a_full_disk_is_told_to_come_back_in_one_sentence(
    engine: Engine, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    known = stage.add("known")
    engine.wait_online(1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))  # the kernel refuses each write to a file
        new = stage.add("new")
        engine.ledger.wait(lambda: new.closed is not None)
        again = LightClient(stage.address, "known", key=known.key)
        stage.do(again.run())
        engine.ledger.wait(lambda: again.welcome is not None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert new.closed == (messages.Close.STOPPING, "the server cannot check admissions now")
    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "Flower's database of nodes cannot be written: " in said.getMessage() and said.exc_info is None
    later = LightClient(stage.address, "new", key=new.key)
    stage.do(later.run())
    engine.ledger.wait(lambda: later.welcome is not None)


def test_a_client_that_is_admitted_on_a_full_disk_connects_again_instead_of_waiting(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine, Stage(engine.address) as stage:
        engine.admission = "pending"
        waiting = stage.add("site-a")
        engine.ledger.wait(lambda: waiting.welcome is not None)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))  # the kernel refuses each write to a file
            client_id = engine.clients[waiting.public_key]
            engine.states[client_id] = "admitted"
            engine.server.readmit(client_id)
            engine.ledger.wait(lambda: waiting.closed is not None)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert waiting.closed == (messages.Close.STOPPING, "the server cannot check admissions now")


class WithNodes(Engine):
    """Admits each SuperNode as client 77; ``seen`` are their keys."""

    seen: list[str]

    def admit_node(self, public_key: str, node_id: int) -> Admission:
        self.seen = [*getattr(self, "seen", []), public_key]
        return Admission(77, "node", "admitted")


def test_a_stock_supernode_is_listed_until_it_ends_over_tls_as_without(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusts = {"--insecure": None, f"--root-certificates={authority.file}": ServerTls(authority.issue())}
    with ExitStack() as stack:
        engines = [
            stack.enter_context(running_engine(tmp_path / str(number), kind=WithNodes, tls=tls))
            for number, tls in enumerate(trusts.values())
        ]
        threads = stack.enter_context(ThreadPoolExecutor(2))  # a node takes seconds to start
        for done in [threads.submit(join_and_end, *one) for one in zip(engines, trusts, strict=True)]:
            done.result()


def join_and_end(engine: Engine, trust: str) -> None:
    """Let a SuperNode join and end; assert what the server says of it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it starts other commands of flwr by name
    command = shutil.which("flower-supernode", path=path)
    assert command, "flwr brings flower-supernode"
    arguments = [command, trust, "--superlink", engine.address, "--port", str(free_port())]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path}) as node:
        try:
            engine.ledger.wait(lambda: 77 in engine.server.live_clients(), 40)
            live = engine.server.live_clients()[77]
        finally:
            node.terminate()
            node.wait(20)
    assert (live.lane, live.state) == ("fleet", "online")
    assert isinstance(engine, WithNodes) and len(engine.seen) == 1
    assert engine.seen[0].startswith("-----BEGIN PUBLIC KEY-----")
    engine.ledger.wait(lambda: not engine.changes()[-1].online, 20)
    changes = [(c.client_id, c.online) for c in engine.changes() if not c.reason or not c.online]
    assert changes == [(77, True), (77, False)]
    assert engine.server.live_clients() == {}, "a SuperNode that has ended in order is listed no more"
