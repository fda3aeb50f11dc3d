"""Runs of Flower Apps over the API of a dashboard: their start, log, rounds and files."""

import contextlib
import io
import zipfile
from typing import Any

import psutil

from tests.support.dashboard import Dashboard
from tests.support.flower_apps import stored, zip_of


def approved(dashboard: Dashboard, files: dict[str, bytes]) -> dict[str, Any]:
    """Upload and approve an app; return it."""
    app = dict(dashboard.http.post("/api/apps", files={"file": ("app.zip", zip_of(files))}).json())
    if app["state"] != "approved":
        assert dashboard.http.post(f"/api/apps/{app['id']}/approve").status_code == 200
    return app


def start(dashboard: Dashboard, app: str | dict[str, bytes], min_clients: int = 2, **config: Any) -> int:
    """Start a run of a stored app, or of one of these files; return its id."""
    files = stored(app) if isinstance(app, str) else app
    answer = dashboard.http.post("/api/runs", json={
        "network": "app", "app": approved(dashboard, files)["hash"], "min_clients": min_clients, **config,
    })  # fmt: skip
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def log_of(dashboard: Dashboard, run_id: int) -> str:
    return str(dashboard.http.get(f"/api/runs/{run_id}/log").json()["text"])


def rounds_of(dashboard: Dashboard, run_id: int) -> list[dict[str, Any]]:
    return list(dashboard.http.get(f"/api/runs/{run_id}/rounds").json()["items"])


def files_of(dashboard: Dashboard, run_id: int) -> zipfile.ZipFile:
    answer = dashboard.http.get(f"/api/runs/{run_id}/artifacts")
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def of_clients(dashboard: Dashboard, run_id: int, phase: str) -> list[dict[str, float | None]]:
    """Return what each committed round says of a phase, without the prefix of its names."""
    begin, rounds = f"{phase}_", rounds_of(dashboard, run_id)
    return [{name[len(begin) :]: one for name, one in each["metrics"].items() if name.startswith(begin)}
            for each in rounds]  # fmt: skip


def processes_of(words: str) -> list[psutil.Process]:
    """Return the processes of this machine with these words in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if words in " ".join(process.cmdline()):
                found.append(process)
    return found
