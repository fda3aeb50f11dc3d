"""A dashboard with a run to export, and what is in its archive."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping

import pytest

from tests.support.answers import nan_loss_in_round_1
from tests.support.dashboard import Dashboard, finished_run, running


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("exporter")) as dashboard:
        finished_run(dashboard, nan_loss_in_round_1, name="Wards *7*", num_rounds=3, synthetic_parameters=500)
        yield dashboard


def exported(dashboard: Dashboard, run_id: int, **query: str) -> dict[str, bytes]:
    """Return the members of an export by name."""
    answer = dashboard.http.get(f"/api/runs/{run_id}/export", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def model_of(dashboard: Dashboard, run_id: int) -> bytes:
    return dashboard.http.get(f"/api/runs/{run_id}/model").content


def packed(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive of some members, with a manifest that fits them unless they hold one."""
    listed = [
        {"name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
    ]
    manifest = json.dumps({"format": "meadow-run", "version": 1, "members": listed}).encode()
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, content in ({"manifest.json": manifest} | dict(members)).items():
                archive.writestr(name, content)
        return file.getvalue()
