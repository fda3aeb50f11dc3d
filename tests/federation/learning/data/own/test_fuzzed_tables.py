"""Whatever a file holds, it is read or refused by a sentence that quotes none of its cells."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.learning.data.own.options import Options
from federation.learning.data.own.refusals import BadData
from tests.support.own_data import agreed, read_text

FUZZED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SECRET = "Zx9secret"

cells = st.one_of(
    st.sampled_from(["", "NA", "1", "0", "2.5", "1,5", "1.234,5", "1e999", "-inf", "nan", "2024-02-30", "31.12.1999",
                     "01/02/2003", "0001-01-01 23:59", "=1+1", "yes", "TRUE", '"', "'", "\t", ";", "\r\n", "٣", "1_0",
                     "x" * 300, "\x00", "\ufeff", "\u2028", f"{SECRET}1", f"{SECRET}2", "999999999-01-01"]),
    st.text(max_size=8),
    st.floats().map(str),
    st.datetimes().map(str),
)  # fmt: skip
names = st.lists(st.sampled_from(["y", "a", "b", "Größe", "", "1", "y ", "a b"]), min_size=1, max_size=5)


def accept_or_refuse(folder: Path, table: str | bytes, options: Options) -> None:
    try:
        data = read_text(folder, table, options)
        schema = data.schema
    except BadData as refusal:
        sentence = str(refusal)
    else:
        sentence = ""
    if sentence:
        assert SECRET not in sentence and str(folder) not in sentence and "\n" not in sentence
        return
    assert schema.rows == len(data) >= 2
    if len(schema.classes) != 1:
        part = data.part(agreed(data), seed=0)
        assert part.train.images.shape[1:] == part.test.images.shape[1:] == agreed(data).inputs
        assert len(part.train) + len(part.test) == len(data)


@FUZZED
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    accept_or_refuse(tmp_path, content, Options(target="y"))


@FUZZED
@given(st.data(), names, st.sampled_from(",;\t|"), st.sampled_from([None, "classes", "number"]))
def test_any_table_is_read_or_refused(
    tmp_path: Path, data: st.DataObject, header: list[str], delimiter: str, task: str | None
) -> None:
    width = data.draw(st.sampled_from([len(header)] * 4 + [len(header) + 1]))
    rows = data.draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=12))
    quoted = data.draw(st.booleans())
    written = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' if quoted else cell for cell in row] for row in rows]
    text = "\n".join(delimiter.join(row) for row in [header, *written])
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16", "cp1252"]))
    options = Options(target="y", category=("b",), task=task)  # type: ignore[arg-type]
    accept_or_refuse(tmp_path, text.encode(encoding, errors="replace"), options)


@FUZZED
@given(st.lists(st.tuples(cells, st.sampled_from("01")), min_size=2, max_size=30))
def test_any_column_is_read_or_refused(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    text = "a,y\n" + "".join(f'"{cell.replace(chr(34), chr(34) * 2)}",{label}\n' for cell, label in rows)
    accept_or_refuse(tmp_path, text.encode(errors="replace"), Options(target="y"))


@pytest.mark.parametrize("cell", ["9" * 100_000, "1," * 60_000, "0" * 131_072, "1.234" * 20_000])
def test_a_cell_of_any_length_takes_no_time(tmp_path: Path, cell: str) -> None:
    accept_or_refuse(tmp_path, f'a,y\n"{cell}",0\n1,1\n2,0\n', Options(target="y"))
