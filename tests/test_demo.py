"""The demonstration, as ``make demo`` starts it: real digits, ten clients, a run to its end, and Ctrl-C."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import RealProcess, free_port


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[RealProcess]:
    ports = {"MEADOW_PORT": str(free_port()), "MEADOW_FLOWER_PORT": str(free_port())}
    process = RealProcess(
        ["-m", "webapp", "demo"], tmp_path / "demo.log", {**ports, "MEADOW_DATA_DIR": str(tmp_path / "data")}
    )
    try:
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.interrupt(30)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_demonstration_learns_digits_and_ends_with_exit_code_0(demo: RealProcess) -> None:
    demo.start()
    demo.wait_for_output("Ctrl-C ends the demonstration", timeout=180)
    assert "round 5 of 5: accuracy" in demo.output
    assert "the run is completed" in demo.output
    assert demo.interrupt(30) == 0
    for name in ("MEADOW_PORT", "MEADOW_FLOWER_PORT"):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(demo.environment[name]))) != 0, "still there"


def test_the_demonstration_says_when_a_port_is_taken(demo: RealProcess) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(demo.environment["MEADOW_PORT"])))
        other.listen()
        demo.start()
        assert demo.wait(30) == 4
    assert "dashboard ended with code 4: " in demo.output
    assert f"port {demo.environment['MEADOW_PORT']}: Address already in use" in demo.output
