"""The client with a join code: what it takes from the code, when it sends the code, and when it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from federation.client.options.joining import Joining, complete
from federation.protocol import messages
from federation.protocol.join_code import JoinCode
from tests.conftest import StartClient
from tests.support.processes import ROOT
from tests.support.small_server import NUMPY_APP, SmallServer

CODE = JoinCode(
    server="https://lab:9000", fingerprint="0f" * 32, secret="s3", name="site-a", dataset="mnist", partition=1,
    partitions=3,
)  # fmt: skip
PLAIN = CODE.model_copy(update={"fingerprint": None})
ROOTS, NOTHING = f"sha256:{'0f' * 32}", (None,) * 6


def test_options_win_over_the_code_and_the_code_over_defaults() -> None:
    text = CODE.encode()
    assert complete(text, *NOTHING) == Joining("https://lab:9000", ROOTS, "site-a", "mnist", 1, 3, "s3")
    assert complete(text, "here:1", "ca.pem", "b", "digits", 0, 2) == Joining(
        "here:1", "ca.pem", "b", "digits", 0, 2, "s3",
    )  # fmt: skip
    assert complete(text, None, None, None, None, 0, None).partitions == 2, "a partition of its own has its own number"
    assert complete(None, *NOTHING) == Joining("127.0.0.1:8080", None, None, None, 0, 2)
    with pytest.raises(typer.BadParameter, match="dataset novel, which this Meadow does not know"):
        complete(CODE.model_copy(update={"dataset": "novel"}).encode(), *NOTHING)


def test_a_mistyped_code_is_said_without_a_connection(tmp_path: Path) -> None:
    with SmallServer().running() as server:
        text = PLAIN.model_copy(update={"server": server.address}).encode()
        wrong = text[:-5] + ("A" if text[-5] != "A" else "B") + text[-4:]
        command = [sys.executable, "-m", "federation.client", "--join", wrong, *NUMPY_APP]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2 and "mistyped or incomplete" in ended.stderr
        assert server.has_no_new_connection()


def test_the_code_comes_from_standard_input_and_is_sent_until_the_client_is_welcomed(tmp_path: Path) -> None:
    with SmallServer().running() as server:
        arguments = ["--join", "-", "--identity", str(tmp_path / "key.json"), "--app", "tests.support.numpy_app:app"]
        process = subprocess.Popen(
            [sys.executable, "-m", "federation.client", *arguments, "--end-with-stdin"], cwd=ROOT,
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert process.stdin is not None
            text = PLAIN.model_copy(update={"server": server.address}).encode()
            process.stdin.write(f"{text}\nmore\n".encode())
            process.stdin.flush()
            first = server.next_connection()
            assert (first.hello.name, first.hello.code) == ("site-a", "s3")
            assert (first.hello.data["partition"], first.hello.data["partitions"]) == (1, 3)
            first.cut()  # before it is welcomed: the client cannot know whether it was enrolled
            second = server.next_connection()
            assert (second.hello.code, second.hello.public_key) == ("s3", first.hello.public_key)
            second.welcome().cut()
            assert server.next_connection().hello.code is None
            process.stdin.close()
            assert process.wait(20) == 0, "standard input still ends the client"
        finally:
            process.kill()
            process.wait(20)


@pytest.mark.parametrize(("close", "exit_code"), [(messages.Close.CODE_NEEDED, 10), (messages.Close.CODE_REFUSED, 11)])
def test_a_refused_code_ends_the_client_with_an_exit_code_of_its_own(
    client: StartClient, close: messages.Close, exit_code: int
) -> None:
    with SmallServer().running() as server:
        process = client(server.address, "site-a", *NUMPY_APP)
        server.next_connection().refuse(close, "this join code has been used")
        assert process.wait(20) == exit_code
        assert "this join code has been used" in process.output and server.has_no_new_connection()
