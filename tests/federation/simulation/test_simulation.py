"""Many virtual clients in few processes: members of the federation like all others."""

import asyncio
import io
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from federation.client.description import ClientDescription
from federation.client.identity import BadIdentity, Identity
from federation.client.outbox import Outbox
from federation.client.process import EXIT_CODES, exit_code
from federation.client.server_trust import NotTrusted, ServerTrust, TlsFault
from federation.protocol.messages import Close
from federation.protocol.tls.certificates import ServerTls
from federation.simulation.contents import SharedContents
from federation.simulation.keys import identity_of, load_secret
from federation.simulation.plan import Member, Plan
from federation.simulation.virtual_client import VirtualClient
from tests.conftest import StartClient
from tests.federation.client.test_own_model import ended
from tests.federation.simulation.conftest import Simulate, online
from tests.support.authority import Authority
from tests.support.engine import Engine, running_engine
from tests.support.processes import Meadow, RealProcess, wait_until

pytestmark = pytest.mark.slow


def run_to_end(http: httpx.Client, **config: Any) -> dict[str, Any]:
    run_id = http.post("/api/runs", json=config).raise_for_status().json()["id"]
    run: dict[str, Any] = wait_until(lambda: ended(http, run_id), 90)
    assert run["state"] == "completed", run
    return run


def model_of(http: httpx.Client, run: dict[str, Any]) -> list[bytes]:
    """Return the bytes of each array of a run's last weights."""
    with np.load(io.BytesIO(http.get(f"/api/runs/{run['id']}/model").raise_for_status().content)) as file:
        return [file[name].tobytes() for name in file.files]


def hosts(process: RealProcess) -> list[psutil.Process]:
    return psutil.Process(process.running.pid).children()


APP = "tests.support.quickstarts.sklearn_app:app"
SYNTHETIC = {"network": "synthetic", "dataset": "synthetic", "synthetic_parameters": 1000, "seed": 3}


def test_virtual_clients_take_part_and_are_back_after_their_process_was_killed(
    simulate: Simulate, http: httpx.Client
) -> None:
    process = simulate(9, "--processes", "2", "--dataset", "synthetic")
    clients = wait_until(lambda: online(http, 9), 60)
    assert [one["name"] for one in clients] == [f"sim-{number}" for number in range(1, 10)]
    assert {one["kind"] for one in clients} == {"simulated"}
    assert [one["data"]["partition"] for one in clients] == list(range(9))

    config = {**SYNTHETIC, "num_rounds": 30, "min_clients": 9, "synthetic_seconds": 0.02}
    run_id = http.post("/api/runs", json=config).raise_for_status().json()["id"]
    wait_until(lambda: http.get(f"/api/runs/{run_id}").json()["current_round"] >= 2, 30)
    victim = hosts(process)[0]
    victim.kill()
    run = wait_until(lambda: ended(http, run_id), 90)
    assert run["state"] == "completed", run
    rounds = http.get(f"/api/runs/{run_id}/rounds").json()["items"]
    assert len(rounds) == 31 and rounds[-1]["replies"] == {"train": 9, "evaluate": 9}
    assert [one["id"] for one in wait_until(lambda: online(http, 9))] == [one["id"] for one in clients]
    assert "was killed by signal 9, starting it again" in process.output

    left = hosts(process)
    assert len(left) == 2 and victim.pid not in {one.pid for one in left}
    assert process.interrupt() == 0
    assert not psutil.wait_procs(left, 10)[1]


def test_no_host_process_outlives_the_one_that_started_it(simulate: Simulate, http: httpx.Client) -> None:
    process = simulate(2, "--processes", "2", "--dataset", "synthetic")
    wait_until(lambda: online(http, 2), 60)
    left = hosts(process)
    os.kill(process.running.pid, signal.SIGKILL)
    assert len(left) == 2 and not psutil.wait_procs(left, 10)[1]


def test_an_app_gives_the_same_weights_whether_its_clients_are_virtual_or_processes(
    simulate: Simulate, client: StartClient, meadow: Meadow, http: httpx.Client
) -> None:
    with io.BytesIO() as file:
        np.savez(file, np.zeros((2, 4)), np.zeros(2))
        kept = http.post("/api/weights", files={"file": file.getvalue()}).json()["id"]

    def learned(kind: str) -> list[bytes]:
        clients = wait_until(lambda: online(http, 2), 60)
        assert {one["kind"] for one in clients} == {kind} and [one["data"]["partition"] for one in clients] == [0, 1]
        config = {"network": "custom", "initial_weights": kept, "num_rounds": 3, "min_clients": 2, "seed": 5,
                  "app_config": {"penalty": "l2", "local-epochs": 5}}  # fmt: skip
        run = run_to_end(http, **config, clients=[one["id"] for one in clients])
        assert run["last_metrics"]["evaluate_accuracy"] > 0.9
        return model_of(http, run)

    process = simulate(2, "--app", APP)
    virtual = learned("simulated")
    assert process.interrupt() == 0
    wait_until(lambda: all(one["state"] == "offline" for one in http.get("/api/clients").json()["items"]))
    for part in range(2):
        client(meadow.flower_address, f"real-{part}", "--app", APP, "--partition", str(part), "--partitions", "2")
    assert learned("client") == virtual


def test_keras_gives_the_same_weights_whether_its_clients_share_a_process_or_not(
    simulate: Simulate, client: StartClient, meadow: Meadow, http: httpx.Client
) -> None:
    def learned(kind: str) -> list[bytes]:
        clients = wait_until(lambda: online(http, 2), 60)
        assert {one["kind"] for one in clients} == {kind}
        return model_of(http, run_to_end(
            http, network="mlp", dataset="digits", num_rounds=2, min_clients=2, seed=5,
            clients=[one["id"] for one in clients],
        ))  # fmt: skip

    process = simulate(2)
    virtual = learned("simulated")
    loaded = [one.path for one in hosts(process)[0].memory_maps()]
    assert [path for path in loaded if "/tensorflow/" in path] and not [path for path in loaded if "/sklearn/" in path]
    assert process.interrupt() == 0
    wait_until(lambda: all(one["state"] == "offline" for one in http.get("/api/clients").json()["items"]))
    for part in range(2):
        client(meadow.flower_address, f"keras-{part}", "--partition", str(part), "--partitions", "2")
    assert learned("client") == virtual


def test_a_second_simulation_with_the_same_keys_is_refused_and_one_with_another_name_is_not(
    simulate: Simulate, http: httpx.Client, meadow: Meadow
) -> None:
    first = simulate(2, "--dataset", "synthetic")
    clients = wait_until(lambda: online(http, 2), 60)
    same_server = meadow.flower_address.replace("127.0.0.1", "localhost")
    second = simulate(2, "--dataset", "synthetic", "--server", same_server)
    third = simulate(2, "--dataset", "synthetic", "--name", "other")
    assert second.wait(30) == 2
    words = " ".join(second.output.replace("│", " ").split())
    assert "another --name, or another folder with --identities" in words and "Traceback" not in words
    names = [one["name"] for one in wait_until(lambda: online(http, 4), 60)]
    assert names == ["other-1", "other-2", "sim-1", "sim-2"]
    assert {one["id"] for one in clients} < {one["id"] for one in online(http)}
    assert first.interrupt() == third.interrupt() == 0


def test_clients_that_are_refused_for_good_are_not_started_again(simulate: Simulate, http: httpx.Client) -> None:
    process = simulate(2, "--dataset", "synthetic")
    for one in wait_until(lambda: online(http, 2), 60):
        http.post(f"/api/clients/{one['id']}/revoke").raise_for_status()
    assert process.wait(30) == EXIT_CODES[Close.REVOKED]


def test_data_that_is_missing_ends_the_simulation_with_a_sentence(simulate: Simulate, tmp_path: Path) -> None:
    process = simulate(2, "--processes", "2", "--dataset", "mnist", "--data-path", str(tmp_path))
    assert process.wait(60) == 3
    assert f"{tmp_path} does not hold mnist" in process.output and "Traceback" not in process.output


def test_the_shares_of_processes_are_even_and_complete() -> None:
    members = tuple(Member(number, number - 1) for number in range(1, 11))
    plan = Plan(host="127.0.0.1", port=1, prefix="sim", digits=2, members=members, partitions=10, secret="0" * 64)
    shares = plan.shares(4)
    assert [[member.number for member in share.members] for share in shares] == [[1, 2, 3], [4, 5, 6], [7, 8], [9, 10]]
    assert {share.partitions for share in shares} == {10}
    assert plan.title == "sim-01 to sim-10" and shares[2].without({7}).title == "sim-08"  # type: ignore[union-attr]
    assert shares[2].without({7, 8}) is None
    assert "0" * 64 not in repr(plan)


def test_a_key_is_made_of_the_secret_and_the_name(tmp_path: Path) -> None:
    secret = load_secret(tmp_path / "keys")
    assert load_secret(tmp_path / "keys") == secret
    assert (tmp_path / "keys" / "secret").stat().st_mode & 0o777 == 0o600
    first = identity_of(secret, "sim-1")
    assert identity_of(secret, "sim-1") == first
    assert len({identity_of(*of).public_key for of in ((secret, "sim-1"), (secret, "sim-2"), ("0" * 64, "sim-1"))}) == 3
    (tmp_path / "keys" / "secret").write_text("no secret")
    with pytest.raises(BadIdentity, match="Delete it"):
        load_secret(tmp_path / "keys")


def test_a_virtual_client_joins_over_tls_and_names_another_ca(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "Other CA")

    async def joined(engine: Engine, ca: Path) -> VirtualClient:
        identity, changed = Identity.load(tmp_path / "key.json", "sim-1", "sim-1"), asyncio.Event()
        host, port = engine.address.split(":")
        client = VirtualClient(
            (host, int(port)), identity, ClientDescription({"protocol": 1}), Outbox(lambda task: None),
            contents=SharedContents(), joining=asyncio.Semaphore(1), on_change=changed.set,
            trust=ServerTrust(roots=ca),
        )  # fmt: skip
        running, changing = asyncio.create_task(client.run()), asyncio.create_task(changed.wait())
        await asyncio.wait([running, changing], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        was_joined = client.is_joined
        running.cancel()
        changing.cancel()
        await asyncio.gather(running, changing, return_exceptions=True)
        assert was_joined is (client.refusal is None)
        return client

    with running_engine(tmp_path, tls=ServerTls(authority.issue())) as engine:
        assert asyncio.run(joined(engine, authority.file)).refusal is None
        refusal = asyncio.run(joined(engine, other.file)).refusal
    assert isinstance(refusal, NotTrusted) and exit_code(refusal) == TlsFault.WRONG_CA
