"""Clients that a person admits by their public keys, before or while they try to connect."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from federation.protocol.keys import BadKey, fingerprint, parse_public_key
from federation.server.flower import Nodes
from tests.support.dashboard import Dashboard, named, running
from tests.support.light_client import LightClient, Stage
from tests.support.markup import get_page, parse
from tests.support.processes import free_port, wait_until
from tests.support.proxy import Proxy

MODEL_BYTES = 4_000_000

KEY = ec.generate_private_key(ec.SECP384R1())
OPENSSH = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def test_a_key_has_one_spelling_and_the_fingerprint_that_openssl_says() -> None:
    for text in (PEM, OPENSSH, f"{OPENSSH} ann@lab\n", PEM.replace("\n", "\r\n")):
        assert parse_public_key(text) == PEM
    der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    said = subprocess.run(["sha256sum"], input=der, capture_output=True, check=True, timeout=20).stdout.decode()
    assert fingerprint(PEM).replace(":", "") == said.partition(" ")[0]


ED = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no public key"), (PRIVATE.decode(), "private key"), (OPENSSH[:-9], "no public key"), (ED, "elliptic curves"),
     ("é" * 5000, "no public key"), (PEM + PRIVATE.decode(), "private key")],
    ids=["nothing", "a private key", "a part", "another kind", "too long", "both"],
)  # fmt: skip
def test_a_text_that_is_no_key_of_a_client_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(BadKey, match=says):
        parse_public_key(text)


@contextmanager
def supernode(address: str) -> Iterator[None]:
    """Run a stock SuperNode, which makes a key pair of its own where the connection is plain."""
    program = Path(sys.executable).parent
    with subprocess.Popen(
        [program / "flower-supernode", "--insecure", "--superlink", address, "--port", str(free_port())],
        stdout=subprocess.DEVNULL, env={**os.environ, "PATH": f"{program}{os.pathsep}{os.environ['PATH']}"},
    ) as node:  # fmt: skip
        try:
            yield
        finally:
            node.terminate()
            node.wait(20)


def test_a_stock_supernode_gets_nothing_of_a_model_until_a_person_pastes_its_key_and_then_trains(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        dashboard = stack.enter_context(running(tmp_path, admission="code"))
        between = stack.enter_context(Proxy(dashboard.flower_address).running())
        between.down = bytearray()
        stack.enter_context(supernode(between.address))
        train(dashboard, stack.enter_context(dashboard.stage()))
        nodes = Nodes(dashboard.parts.settings.flower_dir / "linkstate.db")
        (node,) = wait_until(nodes.supernodes, 60, "the SuperNode")
        refused = f"key {fingerprint(node.public_key)[:11]}: a person must add its public key"
        wait_until(lambda: refused in get_page(dashboard.http, "/server").text, 60, refused)
        assert [one["name"] for one in dashboard.http.get("/api/clients").json()["items"]] == ["admitted"]
        form = {"public_key": node.public_key, "key_name": "ward-7"}
        page = parse(dashboard.http.post("/clients/add/key", data=form, follow_redirects=True).text)
        assert page.one("h1").text == "ward-7" and fingerprint(node.public_key) in page.text
        client: dict[str, Any] = wait_until(
            lambda: next(filter(is_online, dashboard.http.get("/api/clients").json()["items"]), {}), 60
        )  # fmt: skip
        assert (client["name"], client["fingerprint"]) == ("ward-7", fingerprint(node.public_key))
        assert len(between.down) < MODEL_BYTES / 10
        run_id = dashboard.start_run(num_rounds=1, min_clients=1, clients=[client["id"]])
        dashboard.wait_for_state(run_id, "completed", timeout=90)
        rounds = dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"]
        assert [one["replies"] for one in rounds] == [{"evaluate": 1}, {"train": 1, "evaluate": 1}]
        address = f"/api/clients/{client['id']}"
        assert dashboard.http.post(f"{address}/revoke").json()["state"] == "revoked"
        wait_until(lambda: client["id"] not in dashboard.parts.flower.live_clients(), 5)
        wait_until(lambda: "access of ward-7 was revoked" in get_page(dashboard.http, "/server").text, 60)
        assert client["id"] not in dashboard.parts.flower.live_clients(), "it sends heartbeats, and is not listed"
        assert dashboard.http.post(f"{address}/approve").status_code == 200
        wait_until(lambda: is_online(dashboard.http.get(address).json()), 60)


def test_a_pending_client_gets_a_challenge_and_a_welcome_and_nothing_else_while_others_train(tmp_path: Path) -> None:
    with running(tmp_path, admission="approve") as dashboard, dashboard.stage() as stage:
        client = Watching(dashboard.flower_address, "pending")
        stage.do(client.run())
        wait_until(lambda: client.welcome)
        train(dashboard, stage)
        assert client.welcome is not None and (client.welcome.state, client.welcome.node_id) == ("pending", "0")
        assert [type(frame) for frame in client.frames] == [str] and "welcome" in client.frames[0]


def is_online(client: dict[str, Any]) -> bool:
    return (client["kind"], client["state"]) == ("supernode", "online")


class Watching(LightClient):
    """Keeps the frames that come after the challenge."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.frames: list[str | bytes] = []

    async def handle_frame(self, frame: str | bytes) -> None:
        self.frames.append(frame)
        await super().handle_frame(frame)


def train(dashboard: Dashboard, stage: Stage) -> None:
    """Let a client that a person admits train a model of MODEL_BYTES to the end of a run."""
    site = LightClient(dashboard.flower_address, "admitted")
    dashboard.parts.clients.add_key(site.public_key)
    stage.do(site.run())
    run_id = dashboard.start_run(num_rounds=2, min_clients=1, synthetic_parameters=MODEL_BYTES // 4)
    dashboard.wait_for_state(run_id, "completed")


@pytest.fixture
def coded(tmp_path: Path) -> Iterator[Dashboard]:
    with running(tmp_path, admission="code") as made:
        yield made


def test_a_client_whose_key_was_added_needs_no_code_and_one_that_was_revoked_stays_so(coded: Dashboard) -> None:
    made = coded.http.post("/api/clients", json={"public_key": OPENSSH})
    assert made.status_code == 201 and made.json()["state"] == "offline"
    assert "not connected yet" in get_page(coded.http, "/clients").text
    with coded.stage() as stage:
        stage.add("site-a", key=KEY)
        (client,) = coded.wait_for_clients(1)
        assert (client["id"], client["name"], client["kind"]) == (made.json()["id"], "site-a", "client")
    for sought in (fingerprint(PEM)[:11].upper(), fingerprint(PEM).replace(":", "")[:8]):
        assert get_page(coded.http, f"/clients?q={sought}").all("li", id=f"client-{client['id']}")
    assert not get_page(coded.http, "/clients?q=00:11:22:33").all("li", id=f"client-{client['id']}")
    coded.http.post(f"/api/clients/{client['id']}/revoke")
    assert coded.http.post("/api/clients", json={"public_key": PEM}).status_code == 409


def test_a_text_that_is_no_key_is_named_by_form_and_api(coded: Dashboard) -> None:
    assert named(coded.http.post("/api/clients", json={"public_key": "ssh-rsa AAAA"}), 422) == {"public_key"}
    answer = coded.http.post("/clients/add/key", data={"public_key": PRIVATE.decode(), "key_name": "a"})
    assert answer.status_code == 422
    assert "must not leave its machine" in parse(answer.text).one("small", id="public_key-error").text
    assert "PRIVATE" not in answer.text, "a private key that was pasted by mistake is not written into the page"


def test_simulated_clients_need_no_code_for_a_person_starts_them(coded: Dashboard) -> None:
    answer = coded.http.post("/api/demo-clients", json={"count": 1, "dataset": "synthetic"})
    assert answer.status_code == 202
    wait_until(lambda: [one["state"] for one in coded.http.get("/api/clients").json()["items"]] == ["online"], 60)
