"""Downloads of weights: streamed from the file, whatever becomes of the file or the reader meanwhile."""

import contextlib
import gc
import hashlib
import io
import json
import os
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from federation.weights.layout import Layout
from tests.support.dashboard import Dashboard, finished_run
from tests.support.http import LOCAL
from webapp.db.repository.runs import set_values
from webapp.operations.run_moves import get_run

BIG = 64 * 1024 * 1024


def lay_weights(dashboard: Dashboard, run_id: int, layout: Layout, weights: bytes) -> Path:
    """Put other weights in the place of a run's last ones; return their file."""
    folder = dashboard.parts.settings.runs_dir / str(run_id)
    (folder / "layout.json").write_text(json.dumps(layout.to_json()))
    with dashboard.parts.database.write() as session:
        checkpoint = get_run(session, run_id).checkpoint or {}
        (folder / checkpoint["file"]).write_bytes(weights)
        set_values(session, run_id, checkpoint={**checkpoint, "sha256": hashlib.sha256(weights).hexdigest()})
    return folder / str(checkpoint["file"])


def test_an_archive_holds_arrays_of_every_dtype_and_shape_under_its_declared_length(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    arrays: dict[str, Any] = {
        "dense/kernel": np.arange(12, dtype="<f4").reshape(3, 4), "steps": np.array(7, "<i8"),
        "dense/bias": np.linspace(0, 1, 4, dtype="<f4"), "none": np.zeros((0, 3), "<f8"), "file": np.array([True]),
        "ü": np.full((2, 600_000), 0.5, "<f2"),
    }  # fmt: skip
    layout = Layout.of(list(arrays), list(arrays.values()))
    lay_weights(dashboard, run_id, layout, bytes(layout.pack(list(arrays.values()))))
    answer = dashboard.http.get(f"/api/runs/{run_id}/model")
    assert int(answer.headers["content-length"]) == len(answer.content)
    with np.load(io.BytesIO(answer.content), allow_pickle=False) as model:
        assert list(model.files) == list(arrays)
        for name, array in arrays.items():
            assert (model[name].dtype, model[name].shape) == (array.dtype, array.shape)
            assert (model[name] == array).all()


def test_downloads_at_once_take_little_memory_and_outlive_the_file(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    weights = os.urandom(1024) * (BIG // 1024)
    layout = Layout.of(["w"], [np.frombuffer(weights, "<f4")])
    file = lay_weights(dashboard, run_id, layout, weights)
    dashboard.http.get("/api/runs")
    tracemalloc.start()
    try:
        with contextlib.ExitStack() as stack:
            address = f"{dashboard.http.base_url}/api/runs/{run_id}/model"
            answers = [stack.enter_context(httpx.stream("GET", address, **LOCAL, timeout=60)) for _ in range(4)]
            file.unlink()
            with ThreadPoolExecutor(4) as pool:
                sizes = list(pool.map(lambda answer: sum(len(piece) for piece in answer.iter_raw(65_536)), answers))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [int(answer.headers["content-length"]) for answer in answers]
    assert min(sizes) > BIG
    assert peak < BIG / 2


def test_a_reader_that_leaves_or_wants_the_head_alone_leaves_no_file_open(dashboard: Dashboard) -> None:
    run_id = finished_run(dashboard, num_rounds=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(3):
            assert dashboard.http.head(f"/api/runs/{run_id}/model").status_code == 200
        gc.collect()
    assert not [str(one.message) for one in caught]
