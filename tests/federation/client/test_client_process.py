"""The client as a process: signals, its identity after a restart, and the exit code of each end."""

import inspect
import io
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from federation.client.__main__ import NO_DATA, USAGE, join
from federation.client.console import TaskConsole
from federation.client.identity import Identity
from federation.client.process import BROKEN, EXIT_CODES
from federation.client.server_trust import TlsFault
from federation.protocol import messages
from tests.conftest import StartClient
from tests.support.processes import ROOT, RealProcess, free_port
from tests.support.small_server import NUMPY_APP, WEIGHTS, SmallServer, joined


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_an_idle_client_with_exit_code_0(client: StartClient, sign: signal.Signals) -> None:
    with SmallServer().running() as server:
        process, _ = joined(client, server)
        process.running.send_signal(sign)
        assert process.wait(timeout=2) == 0
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    "config", [{"batches": 10_000, "batch_seconds": 0.02}, {"stuck": True}], ids=["training", "stuck"]
)
def test_ctrl_c_ends_a_client_that_works_with_exit_code_0(client: StartClient, config: dict[str, Any]) -> None:
    with SmallServer().running() as server:
        process, peer = joined(client, server)
        peer.send_task("evaluate", WEIGHTS)
        peer.next(messages.Offer)
        peer.send_task("train", WEIGHTS, pieces=False, **config)
        if "batches" in config:
            peer.next(messages.ProgressFrame)
        assert process.interrupt(timeout=2) == 0
        assert "Traceback" not in process.output


def test_ctrl_c_ends_a_client_that_waits_for_its_server(client: StartClient) -> None:
    process = client(f"127.0.0.1:{free_port()}", "site-a", *NUMPY_APP)
    process.wait_for_output("retrying")
    assert process.interrupt(timeout=2) == 0


def test_a_client_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    identity = ["--identity", str(tmp_path / "site-a.json")]
    command = [sys.executable, "-m", "federation.client", "--server", f"127.0.0.1:{free_port()}", *identity, *NUMPY_APP]
    process = RealProcess(command, tmp_path / "site-a.log", program=Path("/usr/bin/nohup"))
    process.start()
    try:
        process.wait_for_output("retrying")
        process.running.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert process.interrupt(timeout=2) == 0
    finally:
        process.kill()


def test_a_client_with_end_with_stdin_ends_with_its_standard_input(client: StartClient) -> None:
    process = client(f"127.0.0.1:{free_port()}", "site-a", *NUMPY_APP, "--end-with-stdin")  # it is /dev/null
    assert process.wait() == 0
    assert "standard input was closed" in process.output


def test_a_client_is_the_same_after_a_restart_and_its_file_is_its_own(client: StartClient, tmp_path: Path) -> None:
    with SmallServer().running() as server:
        process, peer = joined(client, server)
        assert process.interrupt() == 0
        _, again = joined(client, server)
        _, other = joined(client, server, "site-b")
    assert peer.hello.public_key == again.hello.public_key != other.hello.public_key
    file = tmp_path / "site-a.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "BEGIN PRIVATE KEY" in file.read_text()


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (messages.Close.VERSION, 4), (messages.Close.REVOKED, 5), (messages.Close.SIGNATURE, 6),
        (messages.Close.BAD_FRAME, 7), (messages.Close.SUPERSEDED, 8), (messages.Close.TOO_BIG, 9),
    ],
)  # fmt: skip
def test_a_refusal_ends_the_client_with_an_exit_code_of_its_own(
    client: StartClient, code: messages.Close, exit_code: int
) -> None:
    with SmallServer().running() as server:
        process = client(server.address, "site-a", *NUMPY_APP)
        server.next_connection().refuse(code, "the reason in full")
        assert process.wait() == exit_code
        assert server.has_no_new_connection()
    assert f"{server.address}: the reason in full" in process.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--partition", "2", "--partitions", "2"], "partition 2 of 2 does not exist"),
     (["--app", "tests.nothing:app"], "cannot be loaded"),
     (["--app", "tests.support.numpy_app:train"], "is not a flwr.clientapp.ClientApp"),
     (["--server", "http://127.0.0.1:8080/"], "is not HOST:PORT"),
     (["--dataset", "cats"], "'cats' is not one of")],
)  # fmt: skip
def test_wrong_usage_gives_exit_code_2(client: StartClient, arguments: list[str], sentence: str) -> None:
    process = client("127.0.0.1:1", "site-a", *arguments)
    assert process.wait() == 2
    assert sentence in " ".join(process.output.replace("│", " ").split())


def test_a_file_that_is_no_identity_gives_exit_code_2_and_stays(client: StartClient, tmp_path: Path) -> None:
    (tmp_path / "site-a.json").write_text("precious")
    process = client("127.0.0.1:1", "site-a", *NUMPY_APP)
    assert process.wait() == 2
    assert "is not a Meadow identity" in process.output
    assert (tmp_path / "site-a.json").read_text() == "precious"


def test_a_file_of_another_client_gives_exit_code_2_unless_it_is_renamed(client: StartClient, tmp_path: Path) -> None:
    Identity.load(tmp_path / "site-a.json", "site-z", "host")
    refused = client("127.0.0.1:1", "site-a", *NUMPY_APP)
    assert refused.wait() == 2
    assert "belongs to the client 'site-z'" in " ".join(refused.output.split())
    with SmallServer().running() as server:
        client(server.address, "site-a", *NUMPY_APP, "--rename")
        assert server.next_connection().hello.name == "site-a"


WITHOUT_ACCOUNT = """
import os, pwd, runpy
def no_account(user): raise KeyError(f"getpwuid(): uid not found: {user}")
pwd.getpwuid = no_account  # as in a container with --user: the process has a user id and no account
runpy.run_module("federation.client", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [([], "This user has no home directory: name an identity file with --identity."),
     (["--identity", "~/key.json"], "~/key.json: there is no such home directory"),
     (["--identity", "/proc/key.json"], "Name another one with --identity."),
     (["--identity", "key.json", "--data-path=~/data"], "~/data: there is no such home directory"),
     (["--identity", "key.json", "--name", "site-\udcff"], "the name 'site-\\udcff' is not UTF-8 text"),
     (["--identity", "key.json", "--dataset", "mnist", "--data-path", "no-\udcff"], "no-\\udcff does not hold mnist")],
)  # fmt: skip
def test_a_user_without_an_account_or_an_argument_that_is_no_text_gives_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_STATE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ACCOUNT, "--server", "127.0.0.1:1", *arguments], cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    output = " ".join(done.stderr.replace("│", " ").split())
    assert done.returncode == (3 if "mnist" in arguments else 2)
    assert sentence in output and "Traceback" not in output


def test_a_client_without_standard_streams_works_and_nothing_is_written_to_its_sockets(
    client: StartClient, tmp_path: Path
) -> None:
    with SmallServer().running() as server:
        arguments = ["--server", server.address, "--identity", str(tmp_path / "site-a.json"), *NUMPY_APP]
        shell = 'exec "$@" 0<&- 1>&- 2>&-'
        command = ["/bin/sh", "-c", shell, "sh", sys.executable, "-m", "federation.client", *arguments]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            peer = server.next_connection().welcome()
            for number in (0, 1, 2):
                assert os.readlink(f"/proc/{process.pid}/fd/{number}") == os.devnull
            peer.send_task("train", WEIGHTS, raises="Panic")
            assert peer.next(messages.Offer).error
            peer.send_task("train", WEIGHTS, pieces=False)
            assert peer.next(messages.Offer).error is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait(20)


def test_a_terminal_that_closes_fails_no_task() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    shown = TaskConsole(Console(file=Gone(), force_terminal=True))
    task = messages.Task(message_id="m", run_id=1, round=1, phase="train", deadline_seconds=1, config={})
    for batch in range(3):
        shown.show_progress(task, batch, 3, None)
    shown.show_end(task, "done", 1.0)


def test_missing_data_gives_exit_code_3_with_a_sentence(client: StartClient, tmp_path: Path) -> None:
    paths = ["--identity=~/own/key.json", "--data-path=~/nowhere"]  # a shell leaves the tilde after a = alone
    process = client("127.0.0.1:1", "site-a", "--dataset", "mnist", *paths, HOME=str(tmp_path))
    assert process.wait() == 3
    assert f"{tmp_path / 'nowhere'} does not hold mnist" in process.output
    assert (tmp_path / "own" / "key.json").exists()


def test_a_client_imports_nothing_of_the_servers_side() -> None:
    program = """
import importlib, pkgutil, sys
import federation.client
for module in pkgutil.iter_modules(federation.client.__path__):
    importlib.import_module(f"federation.client.{module.name}")
import federation.learning.client_app
unwanted = ("federation.server", "federation.transport", "federation.coordinator", "flwr.superlink", "webapp")
print([name for name in sys.modules if name.startswith(unwanted)])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_docs_name_every_option_and_exit_code() -> None:
    docs = (ROOT / "docs" / "client.md").read_text()
    for parameter in inspect.signature(join).parameters:
        assert f"`--{'join' if parameter == 'code' else parameter.replace('_', '-')}" in docs
    for code in (0, BROKEN, USAGE, NO_DATA, *EXIT_CODES.values(), *TlsFault):
        assert f"\n| {code} | " in docs
