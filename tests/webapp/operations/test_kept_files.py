"""Files that belong to runs are deleted with the last of them."""

import io

import numpy as np

from tests.support.dashboard import Dashboard


def test_uploaded_weights_are_deleted_with_the_last_run_that_names_them(dashboard: Dashboard) -> None:
    packed = io.BytesIO()
    np.savez(packed, w=np.ones(4, np.float32))
    upload = dashboard.http.post("/api/weights", files={"file": packed.getvalue()}).json()["id"]
    runs = [dashboard.start_run(network="custom", dataset="digits", initial_weights=upload) for _ in range(2)]
    for run_id in runs:
        assert dashboard.parts.supervisor.holds_weights(upload)
        dashboard.http.post(f"/api/runs/{run_id}/stop")
        dashboard.wait_for_state(run_id, "stopped")
        assert dashboard.http.delete(f"/api/runs/{run_id}").status_code == 204
    assert not dashboard.parts.supervisor.holds_weights(upload)
    folder = dashboard.parts.settings.data_dir / "networks"
    assert list(folder.glob("upload-*")) == []
