"""The wheel holds all that a dashboard needs: it serves a page from an environment that has nothing of the checkout."""

import json
import signal
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from tests.support.http import LOCAL
from tests.support.processes import ROOT, RealProcess, make_meadow, wait_until

pytestmark = pytest.mark.slow

INSTALL_SECONDS = 300


def uv(*arguments: str | Path) -> None:
    """Run the uv of the development environment."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], cwd=ROOT, check=True, timeout=INSTALL_SECONDS)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, which is built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--out-dir", folder, ROOT)
    assert len(list(folder.glob("meadow-*.tar.gz"))) == 1
    return next(folder.glob("meadow-*.whl"))


def test_the_wheel_holds_code_pages_and_migrations_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"federation/client/__main__.py", "webapp/__main__.py"} <= names
    for folder in ("templates", "static", "alembic", "app_templates"):
        files = {f"webapp/assets/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*.*") if path.is_file()}
        assert {file for file in files if "__pycache__" not in file} <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "data/"))]


@pytest.mark.timeout(INSTALL_SECONDS)
def test_a_clean_environment_serves_learns_and_goes_on_after_a_stop(wheel: Path, tmp_path: Path) -> None:
    """As a service manager has it: SIGTERM in the middle of a run, another start, and no round is lost or doubled."""
    programs = tmp_path / "venv" / "bin"
    uv("venv", "--python", sys.executable, tmp_path / "venv")
    uv("pip", "install", "--python", programs / "python", "-c", ROOT / "constraints.txt", wheel)
    meadow = make_meadow(tmp_path, "--auto-resume")
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # else each start compiles all modules again
    meadow.program, meadow.folder, meadow.environment = programs / "meadow", tmp_path, compiled
    meadow.arguments[:2] = ["serve"]
    client = RealProcess(
        ["client", "--server", meadow.flower_address, "--dataset", "synthetic", "--identity", f"{tmp_path}/id.json"],
        tmp_path / "client.log", compiled, program=programs / "meadow", folder=tmp_path,
    )  # fmt: skip
    with httpx.Client(base_url=meadow.url, **LOCAL) as http:
        try:
            meadow.start()
            client.start()
            page = http.get("/").text
            style = next(part for part in page.split('"') if part.startswith("/static/") and ".css" in part)
            assert http.get(style).status_code == 200
            assert health_check(programs, meadow.port) == 0
            run = {"network": "synthetic", "dataset": "synthetic", "min_clients": 1, "num_rounds": 8,
                   "synthetic_seconds": 0.2}  # fmt: skip
            assert http.post("/api/runs", json=run).status_code == 201
            wait_until(lambda: http.get("/api/runs/1").json()["current_round"] >= 2, 60, "two rounds")
            meadow.running.send_signal(signal.SIGTERM)
            assert meadow.wait(10) == 0
            assert health_check(programs, meadow.port) != 0
            meadow.start()
            wait_until(lambda: http.get("/api/runs/1").json()["state"] == "completed", 60, "the end of the run")
            rounds = [one["round"] for one in http.get("/api/runs/1/rounds").json()["items"]]
            assert rounds == list(range(9))
            assert [process.interrupt() for process in (client, meadow)] == [0, 0]
        finally:
            for process in (client, meadow):
                process.kill()
                sys.stderr.write(process.output)
    said = [
        subprocess.run([programs / "meadow", *given], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        for given in (
            ["--version"],
            ["client", "--help"],
            ["demo", "--help"],
            ["db", "--help"],
            ["--help"],
            ["nothing"],
        )
    ]
    assert [one.returncode for one in said] == [0, 0, 0, 0, 0, 2]
    assert said[0].stdout == f"meadow {version('meadow')}\n"
    paths = subprocess.check_output([programs / "python", "-c", "import sys; print(sys.path)"], cwd=tmp_path, text=True)
    assert str(ROOT) not in paths


def health_check(programs: Path, port: int) -> int:
    """Run the health check of the Dockerfile; return its exit code."""
    _, check = (ROOT / "Dockerfile").read_text().replace("\\\n", "").split("HEALTHCHECK", 1)
    program, *arguments = json.loads(check.split("CMD", 1)[1].splitlines()[0].replace(":8000/", f":{port}/"))
    return subprocess.run([programs / program, *arguments], capture_output=True, timeout=30).returncode
