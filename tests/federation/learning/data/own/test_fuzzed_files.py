"""Images, arrays and Parquet files with damage anywhere are read or refused by a sentence."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.data.own.refusals import BadData

FUZZED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def image(form: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 12, 3), np.uint8)
    Image.fromarray(pixels).save(stream := io.BytesIO(), form)
    return stream.getvalue()


def arrays() -> bytes:
    np.savez(stream := io.BytesIO(), x=np.arange(24.0).reshape(12, 2), y=np.arange(12) % 2)
    return stream.getvalue()


def parquet() -> bytes:
    table = pyarrow.table({"a": [1.5, None] * 6, "b": ["x", "z"] * 6, "y": [0, 1] * 6})
    pyarrow.parquet.write_table(table, stream := io.BytesIO())
    return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "cat/1.png": lambda: image("PNG"), "cat/1.jpg": lambda: image("JPEG"), "a.npz": arrays, "a.parquet": parquet,
}  # fmt: skip


@FUZZED
@given(st.data(), st.sampled_from(sorted(FILES)))
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, data: st.DataObject, name: str) -> None:
    content = bytearray(FILES[name]())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, 2 * len(content)))]
    folder = tmp_path / "files"
    for other in FILES:
        (folder / other).unlink(missing_ok=True)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    found: OwnData | None = None
    try:
        found = read(folder if name.startswith("cat") else folder / name, Options(target="y"), Sharing())
    except BadData as refusal:
        sentence = str(refusal)
    else:
        sentence = ""
    assert (found is None) == bool(sentence) and "\n" not in sentence and str(tmp_path) not in sentence


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_whole_before_the_damage(tmp_path: Path, name: str) -> None:
    for place in (1, 2):
        file = tmp_path / name.replace("1", str(place))
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(FILES[name]())
    assert len(read(tmp_path if name.startswith("cat") else tmp_path / name, Options(target="y"), Sharing())) >= 2
