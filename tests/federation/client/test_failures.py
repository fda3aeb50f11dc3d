"""What a client says of a task that failed: where in the app's own code, and its log where it shares that."""

import json

import pytest

from federation.client.tasks.failures import app_frames, error_sentence
from federation.protocol import messages
from tests.conftest import StartClient
from tests.support.puzzled_app import read_batch
from tests.support.small_server import WEIGHTS, SmallServer

PUZZLED = ("--app", "tests.support.puzzled_app:app")


@pytest.mark.parametrize("shared", [False, True], ids=["kept", "shared"])
def test_a_failed_task_names_the_apps_own_lines_and_the_log_goes_with_it_only_if_it_is_shared(
    client: StartClient, shared: bool
) -> None:
    with SmallServer().running() as server:
        process = client(server.address, "site-a", *PUZZLED, *(["--share-logs"] if shared else []))
        peer = server.next_connection().welcome()
        peer.send_task("train", WEIGHTS)
        offer = peer.next(messages.Offer)
    assert offer.failure is not None
    frames = offer.failure["frames"]
    assert [(frame["file"], frame["function"], frame["code"]) for frame in frames] == [
        ("tests/support/puzzled_app.py", "train", 'read_batch("{broken")'),
        ("tests/support/puzzled_app.py", "read_batch", "return json.loads(text)"),
    ]
    where = f", tests/support/puzzled_app.py:{frames[-1]['line']} in read_batch"
    said = offer.error or ""
    assert said.startswith("JSONDecodeError: Expecting property name") and said.endswith(where)
    assert "run 7, round 3: train failed" in process.output and "json/decoder.py" in process.output
    lines = offer.failure["log"]
    if not shared:
        assert lines is None
        return
    assert len(lines) == 200 and max(map(len, lines)) == 300
    assert any(line.startswith("batch 299 xxx") for line in lines), "what the app prints"
    assert any(line.endswith("loss is \\ud800 nan") for line in lines), "what it logs"
    assert "json.decoder.JSONDecodeError" in lines[-1], "the whole traceback"
    assert process.output.count("batch 299") == 1


def test_errors_far_below_or_without_an_apps_code_are_described_in_bounds() -> None:
    def deeper(depth: int) -> object:
        return deeper(depth - 1) if depth else json.loads("x" * 1000 if depth else "\n")

    with pytest.raises(ValueError, match="Expecting value") as deep:
        deeper(50)
    frames = app_frames(deep.value)
    assert len(frames) == 10 and {frame["function"] for frame in frames} == {"deeper"}
    assert app_frames(ValueError("never raised")) == []
    assert error_sentence(ValueError("y" * 500), []) == f"ValueError: {'y' * 187}…"
    far = [{"file": "f" * 200, "line": 7, "function": "g", "code": ""}]
    assert error_sentence(ValueError("y" * 500), far).endswith("…, line 7")
    with pytest.raises(ValueError, match="Expecting property name") as own:
        read_batch("{")
    assert app_frames(own.value)[-1]["function"] == "read_batch"
