"""Files that belong to runs are deleted with the last of them; those that belong to none yet are few."""

import io

import httpx
import numpy as np

from federation.coordinator.supervisor import KEPT_UPLOADS
from tests.support.dashboard import Dashboard
from tests.support.markup import get_both


def post(dashboard: Dashboard, value: float) -> httpx.Response:
    packed = io.BytesIO()
    np.savez(packed, w=np.full(4, value, np.float32))
    return dashboard.http.post("/api/weights", files={"file": packed.getvalue()})


def test_uploaded_weights_are_deleted_with_the_last_run_that_names_them(dashboard: Dashboard) -> None:
    upload = post(dashboard, 1.0).json()["id"]
    runs = [dashboard.start_run(network="custom", dataset="digits", initial_weights=upload) for _ in range(2)]
    for run_id in runs:
        assert dashboard.parts.supervisor.files.uploads.holds(upload)
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped")
        assert dashboard.http.delete(f"/api/runs/{run_id}").status_code == 204
    assert not dashboard.parts.supervisor.files.uploads.holds(upload)
    folder = dashboard.parts.settings.data_dir / "networks"
    assert list(folder.glob("upload-*")) == []


def test_of_uploads_that_no_run_names_the_newest_stay_and_the_server_page_counts_them(dashboard: Dashboard) -> None:
    named = post(dashboard, 0.0).json()["id"]
    dashboard.start_run(network="custom", dataset="digits", initial_weights=named)
    ids = [post(dashboard, value + 1.0).json()["id"] for value in range(KEPT_UPLOADS + 2)]
    holds = dashboard.parts.supervisor.files.uploads.holds
    assert [holds(one) for one in ids] == [False, False] + [True] * KEPT_UPLOADS
    assert holds(named)
    page = get_both(dashboard.http, "/server", "server-page")
    rows = page.one("section", aria_labelledby="files-h").one("tbody").all("tr")
    lines = {row.one("th").text: [cell.text for cell in row.all("td")] for row in rows}
    assert lines["Uploaded weights"][0] == str(2 * (KEPT_UPLOADS + 1))
    assert f"the {KEPT_UPLOADS} newest" in lines["Uploaded weights"][2]
    assert set(lines) == {"Checkpoints", "Exported models", "Built initial weights", "Uploaded weights"}


def test_an_upload_that_the_data_directory_does_not_take_is_answered_with_a_sentence(dashboard: Dashboard) -> None:
    folder = dashboard.parts.settings.data_dir / "networks"
    folder.write_text("in place of a folder")
    answer = post(dashboard, 1.0)
    assert answer.status_code == 507, answer.text
    assert answer.json()["detail"] == "The weights cannot be stored: File exists. Check the data directory."
