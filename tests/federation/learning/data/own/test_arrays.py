"""An .npz file with x and y, and Parquet files."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.data.own.refusals import BadData
from tests.support.own_data import agreed, read_text


def read_arrays(folder: Path, options: Options = Options(), **arrays: Any) -> OwnData:  # noqa: B008
    np.savez(folder / "arrays.npz", **arrays)
    return read(folder / "arrays.npz", options, Sharing())


SHAPES = {(6, 3): (3,), (6, 4, 4): (4, 4, 1), (6, 4, 4, 3): (4, 4, 3)}


@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_are_inputs_of_their_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape) / 4
    data = read_arrays(tmp_path, x=x, y=["a", "b"] * 3)
    schema = data.schema
    assert (schema.form, tuple(schema.shape), schema.classes) == ("arrays", SHAPES[shape], ["a", "b"])
    part = data.part(agreed(data), seed=0)
    inputs = np.concatenate([part.train.images, part.test.images])
    assert inputs.dtype == np.float32 and sorted(inputs.ravel()) == sorted(x.ravel())


def test_bytes_become_0_to_1_and_numbers_stay(tmp_path: Path) -> None:
    x = np.full((4, 2, 2), 51, np.uint8)
    data = read_arrays(tmp_path, x=x, y=np.array([0.5, 1.5, 2.5, 3.5]))
    assert data.schema.task == "number"
    assert np.unique(data.part(agreed(data), seed=0).train.images) == pytest.approx([0.2])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"x": np.ones((3, 2))}, "the .npz file needs an array x"),
    "lengths": ({"x": np.ones((3, 2)), "y": np.ones(2)}, r"here x is \(3, 2\) and y is \(2\)"),
    "one-hot": ({"x": np.ones((3, 2)), "y": np.ones((3, 2))}, r"here x is \(3, 2\) and y is \(3, 2\)"),
    "infinite": (
        {"x": np.array([[1.0], [np.inf]]), "y": np.ones(2)},
        "row 2 of the array x has a number",
    ),
    "missing": (
        {"x": np.ones((2, 1)), "y": np.array([1, np.nan])},
        "row 2 of the array y is missing",
    ),
    "text": ({"x": np.array([["a"], ["b"]]), "y": np.ones(2)}, "the array x must have numbers"),
    "objects": ({"x": np.array([[{}], [{}]]), "y": np.ones(2)}, "this is no readable .npz file"),
    "complex": ({"x": np.ones((2, 1)), "y": np.ones(2) * 1j}, "the array y must have numbers or text"),
}


@pytest.mark.parametrize(("arrays", "sentence"), BAD.values(), ids=BAD)
def test_arrays_that_cannot_be_used_are_refused(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadData, match=sentence):
        read_arrays(tmp_path, **arrays)


def test_a_file_that_is_no_npz_or_was_cut_off_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, x=np.ones((50, 2)), y=np.ones(50))
    whole = file.read_bytes()
    for content in (b"", b"x,y\n1,2\n", whole[:200], whole[:60] + b"\0" * 40 + whole[100:]):
        file.write_bytes(content)
        with pytest.raises(BadData, match=r"this is no readable \.npz file"):
            read(file, Options(), Sharing())


def test_a_parquet_file_is_read_as_the_csv_file_with_the_same_rows(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "dose": [1.5, None, 2.25, 1e-3], "day": [None, "2024-03-01", "2024-03-02", "2024-03-09"],
        "ok": [True, False, None, True], "ward": ["a", "b,c", 'd"', ""], "n": [1, 2, 3, 2**53], "y": ["no", "yes"] * 2,
    }  # fmt: skip
    table = pyarrow.table(columns)
    day = pyarrow.array(columns["day"]).cast(pyarrow.timestamp("ns"))
    typed = table.set_column(1, "day", day).set_column(3, "ward", table["ward"].dictionary_encode())
    pyarrow.parquet.write_table(typed, tmp_path / "table.parquet", row_group_size=2)
    schema = read(tmp_path / "table.parquet", Options(target="y"), Sharing(statistics=True, min_rows=2)).schema
    csv = 'dose,day,ok,ward,n,y\n1.5,,true,a,1,no\n,2024-03-01,false,"b,c",2,yes\n2.25,2024-03-02,,"d""",3,no\n' \
          "0.001,2024-03-09,true,,9007199254740992,yes\n"  # fmt: skip
    assert schema == read_text(tmp_path, csv).schema
    assert [column.kind for column in schema.columns] == ["number", "date", "category", "category", "number"]


def test_a_parquet_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": [[1], [2]], "b": [1, 2], "y": [0, 1]}), file)
    with pytest.raises(BadData, match="column a holds lists, structures or bytes: leave it out with --ignore a"):
        read(file, Options(target="y"), Sharing())
    assert len(read(file, Options(target="y", ignore=("a",)), Sharing())) == 2
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"PAR1" + b"\0" * 99):
        file.write_bytes(content)
        with pytest.raises(BadData, match="this is no readable Parquet file"):
            read(file, Options(target="y"), Sharing())
