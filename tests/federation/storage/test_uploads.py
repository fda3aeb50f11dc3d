"""Uploaded initial weights: the contents that an .npz may have, refusals, and a run that starts from them."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import httpx
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from federation.storage.hdf5 import MAGIC, BadHdf5, arrays_in
from federation.weights.layout import Layout, LayoutMismatch
from tests.support.dashboard import Dashboard, running
from tests.support.light_client import Answer, honest, shifted


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with running(tmp_path_factory.mktemp("uploads")) as started:
        yield started


def test_uploaded_weights_start_a_run_with_network_custom(dashboard: Dashboard) -> None:
    packed = io.BytesIO()
    np.savez(packed, kernel=np.arange(6, dtype=np.float32).reshape(2, 3), bias=np.ones(3, np.float32))
    answer = dashboard.http.post("/api/weights", files={"file": ("w.npz", packed.getvalue())})
    assert answer.status_code == 201, answer.text
    kept = answer.json()
    assert kept["layout"] == [["kernel", [2, 3], "float32"], ["bias", [3], "float32"]]

    def adds(task: Any, weights: bytes | None, layout: Any) -> Answer:
        return Answer(shifted(weights, 1.0)) if weights is not None else honest(task, weights, layout)

    with dashboard.stage() as stage:
        for name in "ab":
            stage.add(name, adds, app="light:app")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(network="custom", dataset="digits", initial_weights=kept["id"], num_rounds=2)
        dashboard.wait_for_state(run_id, "completed")
    with np.load(io.BytesIO(dashboard.http.get(f"/api/runs/{run_id}/model").content)) as model:
        np.testing.assert_allclose(model["kernel"], np.arange(6).reshape(2, 3) + 2)
        np.testing.assert_allclose(model["bias"], 3)
    assert dashboard.http.get(f"/api/runs/{run_id}/model?format=keras").status_code == 409


def test_the_same_values_in_other_shapes_have_another_id(dashboard: Dashboard) -> None:
    kept = [upload(dashboard, npz(x=np.ones(shape, np.float32))).json() for shape in (6, (2, 3))]
    assert kept[0]["id"] != kept[1]["id"]
    config = {"network": "custom", "dataset": "digits", "initial_weights": kept[0]["id"], "num_rounds": 1}
    with dashboard.stage() as stage:
        for name in "ab":
            stage.add(name, app="light:app")
        dashboard.wait_for_clients(2)
        run_id = dashboard.start_run(**config)
        dashboard.wait_for_state(run_id, "completed")
    with np.load(io.BytesIO(dashboard.http.get(f"/api/runs/{run_id}/model").content)) as model:
        assert model["x"].shape == (6,)


def npz(**arrays: Any) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def archive(*members: tuple[str, bytes], packed: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packed) as file:
        for name, content in members:
            file.writestr(name, content)
    return made.getvalue()


def npy(shape: str, values: bytes = b"") -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + values


def altered(content: bytes, at: int, value: int) -> bytes:
    return content[:at] + bytes((value,)) + content[at + 1 :]


def upload(dashboard: Dashboard, content: bytes) -> httpx.Response:
    return dashboard.http.post("/api/weights", files={"file": ("w.npz", content)})


ONE = archive(("x.npy", npy("(1,)", bytes(4))))
LISTED = ONE.index(b"PK\x01\x02")
NO_WEIGHTS = {
    "no archive": b"no archive",
    "nothing": b"",
    "cut off": ONE[:-30],
    "pickled objects": npz(x=np.array([{"a": 1}], object)),
    "not finite": npz(x=np.array([np.nan], np.float32)),
    "another dtype": npz(x=np.ones(3, np.complex64)),
    "no array": archive(),
    "no value": npz(x=np.ones(0, np.float32)),
    "a text beside": archive(("x.npy", npy("(1,)", bytes(4))), ("readme.txt", b"hello")),
    "a text inside": archive(("x.npy", b"hello")),
    "nothing inside": archive(("x.npy", b"")),
    "a shape without end": archive(("x.npy", npy("(1000000000000000,)"))),
    "a negative shape": archive(("x.npy", npy("(-5,)", bytes(20)))),
    "a shape of another kind": archive(("x.npy", npy("(True,)", bytes(4)))),
    "a name that leads out": archive(("../../x.npy", npy("(1,)", bytes(4)))),
    "a name with control characters": archive(("a\x1b.npy", npy("(1,)", bytes(4)))),
    "damaged": altered(archive(("x.npy", npy("(9,)", bytes(36))), packed=zipfile.ZIP_DEFLATED), 40, 0xFF),
    "another sum": altered(ONE, LISTED - 1, 7),
    "locked": altered(altered(ONE, 6, 1), LISTED + 8, 1),
    "packed in an unknown way": altered(altered(ONE, 8, 99), LISTED + 10, 99),
}


def test_bfloat16_is_named_and_float32_advised(dashboard: Dashboard) -> None:
    answer = upload(dashboard, npz(w=np.ones(3, ml_dtypes.bfloat16)))  # NumPy saves it as void16
    assert answer.status_code == 422
    said = "array 'w' is bfloat16, which is not allowed: convert it to float32"
    assert said in answer.json()["detail"]
    with pytest.raises(LayoutMismatch, match=said):  # of a client's reply
        Layout.from_json(Layout.of(["w"], [np.ones(3, ml_dtypes.bfloat16)]).to_json())


@pytest.mark.parametrize("content", NO_WEIGHTS)
def test_a_file_that_is_not_an_npz_of_plain_arrays_is_refused(dashboard: Dashboard, content: str) -> None:
    answer = upload(dashboard, NO_WEIGHTS[content])
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "file"


def test_arrays_of_any_memory_order_and_size_are_kept(dashboard: Dashboard) -> None:
    given = {"fortran": np.asfortranarray(np.ones((2, 3), np.float32)), "big": np.arange(3, dtype=">f8"),
             "half": np.ones(3, np.float16), "mask": np.array([True, False]), "number": np.float32(3)}  # fmt: skip
    answer = upload(dashboard, npz(**given))
    assert answer.status_code == 201, answer.text
    assert answer.json()["layout"] == [
        ["fortran", [2, 3], "float32"], ["big", [3], "float64"], ["half", [3], "float16"], ["mask", [2], "bool"],
        ["number", [], "float32"]]  # fmt: skip


def hdf5(folder: Path, **layers: NDArray[Any]) -> Path:
    """A file as Keras 2 writes the weights of a network, whose layers are not in the order of their names."""
    with h5py.File(folder / "w.h5", "w") as file:
        names = list(layers)
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:]  # cut, as a long list is
        for name, values in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0"]
            group[f"{name}/kernel:0"] = values
    return folder / "w.h5"


def test_an_h5_of_keras_is_read_in_the_order_of_its_layers(dashboard: Dashboard, tmp_path: Path) -> None:
    file = hdf5(tmp_path, zeta=np.ones((2, 3), np.float32), alpha=np.zeros(4, np.float32))
    kept = upload(dashboard, file.read_bytes())
    assert kept.status_code == 201, kept.text
    assert [shape for _, shape, _ in kept.json()["layout"]] == [[2, 3], [4]]
    refused = upload(dashboard, MAGIC + b"nothing")
    assert refused.status_code == 422 and "no HDF5 file of weights" in refused.text
    assert not list(dashboard.parts.settings.runs_dir.parent.glob("networks/.upload*"))


def test_an_h5_that_has_no_order_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    file = hdf5(tmp_path, one=np.ones(1000, np.float32))
    with pytest.raises(BadHdf5, match="the arrays have more than 3,999 bytes"):
        arrays_in(file, 3_999)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.ones(3)
    with h5py.File(file, "r+") as changed:
        del changed["one"]["one/kernel:0"]
        changed["one/one/kernel:0"] = h5py.ExternalLink("other.h5", "secret")
    with pytest.raises(BadHdf5, match="one has weights in another file"):
        arrays_in(file, 10_000)
    with pytest.raises(BadHdf5, match="the file has no order of layers"):
        arrays_in(tmp_path / "other.h5", 10_000)
