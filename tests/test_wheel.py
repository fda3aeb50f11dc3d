"""The wheel holds all that a dashboard needs: it serves a page from an environment that has nothing of the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.processes import ROOT, make_meadow, wait_until

INSTALL_SECONDS = 300


def uv(*arguments: str | Path) -> None:
    """Run the uv of the development environment."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], cwd=ROOT, check=True, timeout=INSTALL_SECONDS)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("meadow-*.whl"))


def test_the_wheel_holds_code_pages_and_migrations_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"federation/client/__main__.py", "webapp/__main__.py"} <= names
    for folder in ("templates", "static", "alembic"):
        files = {f"webapp/assets/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*.*") if path.is_file()}
        assert {file for file in files if "__pycache__" not in file} <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "data/"))]


def _online(url: str) -> bool:
    clients = httpx.get(f"{url}/api/clients", trust_env=False).json()["items"]
    return [one["state"] for one in clients] == ["online"]


@pytest.mark.timeout(INSTALL_SECONDS)
def test_the_wheel_serves_a_page_from_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    uv("venv", "--python", sys.executable, tmp_path / "venv")
    uv("pip", "install", "--python", python, "-c", ROOT / "constraints.txt", wheel)
    meadow = make_meadow(tmp_path)
    meadow.program, meadow.folder = python, tmp_path
    try:
        meadow.start()
        page = httpx.get(meadow.url, trust_env=False)
        assert page.status_code == 200
        style = next(part for part in page.text.split('"') if part.startswith("/static/") and ".css" in part)
        assert httpx.get(f"{meadow.url}{style}", trust_env=False).status_code == 200
        demo = httpx.post(f"{meadow.url}/api/demo-clients", json={"count": 1, "dataset": "synthetic"}, trust_env=False)
        assert demo.status_code == 202, demo.text
        wait_until(lambda: _online(meadow.url), 60, "a demo client that was started from the wheel")
        assert str(ROOT) not in subprocess.check_output(
            [python, "-c", "import sys; print(sys.path)"], cwd=tmp_path, text=True
        )
        assert meadow.interrupt() == 0
    finally:
        meadow.kill()
        sys.stderr.write(meadow.output)
