"""The lines of docs/security.md that confine the dashboard by bubblewrap, as they are written there."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.http import LOCAL
from tests.support.processes import ROOT, free_port, wait_until

LINES = re.search(
    r"```sh\n(MEADOW=.*?\n)(.*?)(confined meadow serve .*?)\n```", (ROOT / "docs" / "security.md").read_text(), re.S
)
PROBE = """confined python -c '
import os, sys
secret, own = sys.argv[1:]
open(os.path.join(own, "written"), "w").close()
try:
    open(os.path.join(os.path.dirname(os.__file__), "written"), "w")
except OSError as error:
    print(error.strerror)
print(os.path.exists(secret), len([one for one in os.listdir("/proc") if one.isdigit()]), "SECRET" in os.environ)
' """


def bubblewrap() -> None:
    """Skip the test, with the reason, where bubblewrap cannot be used."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: apt-get install bubblewrap")
    made = subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"bubblewrap makes no namespaces here: {made.stderr.strip()}")


def test_the_lines_that_confine_the_dashboard_serve_it_and_keep_the_rest_of_the_machine_from_it(tmp_path: Path) -> None:
    bubblewrap()
    assert LINES is not None
    venv = Path(sys.prefix).resolve()
    data, secret, port = tmp_path / "data", tmp_path / "secret", free_port()
    data.mkdir()
    secret.write_text("of another service")
    begin = f"MEADOW={venv.parent} DATA={data}\n{LINES[2]}"
    environment = {**os.environ, "SECRET": "of the shell"}
    probe = subprocess.run(
        ["bash", "-ec", f"{begin}{PROBE}{secret} {data}"], capture_output=True, text=True, env=environment, timeout=60
    )  # fmt: skip
    assert probe.stdout.splitlines() == ["Read-only file system", "False 1 False"], probe.stderr
    assert (data / "written").exists()
    serve = f"{begin}{LINES[3]} --port {port} --flower-port {free_port()}"
    with open(tmp_path / "log", "wb") as log:
        dashboard = subprocess.Popen(["bash", "-ec", serve], stdout=log, stderr=log, start_new_session=True)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz", **LOCAL).status_code == 200
        except httpx.TransportError:
            assert dashboard.poll() is None, (tmp_path / "log").read_text()
            return False

    try:
        wait_until(answers, 60, "the confined dashboard")
        inside = [one for one in psutil.Process(dashboard.pid).children(recursive=True) if "bwrap" not in one.name()]
        inside[0].terminate()
        assert dashboard.wait(20) == 0
    finally:
        os.killpg(dashboard.pid, signal.SIGKILL) if dashboard.poll() is None else None
