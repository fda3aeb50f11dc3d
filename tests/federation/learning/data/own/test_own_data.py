"""Own data as samples: encoded as the clients agreed, held out by class; and what a server is told of them."""

from pathlib import Path

import numpy as np
import pytest

from federation.learning.data.own.options import Options, Sharing
from federation.learning.data.own.own_data import OwnData, read
from federation.learning.data.own.refusals import BadData
from tests.support.own_data import agreed, read_text

TABLE = "b,a,c,y\n" + "".join(
    f"{row / 2 if row % 5 else ''},{'red' if row % 2 else 'blue'},7,{'ill' if row % 4 == 0 else 'well'}\n"
    for row in range(20)
)


def test_rows_are_encoded_as_the_clients_agreed(tmp_path: Path) -> None:
    one = read_text(tmp_path, TABLE)
    other = read_text(tmp_path, "a,c,b,y\ngreen,7,1,well\n,7,2,odd\n")
    schema = agreed(one, other)
    part = other.part(schema, seed=1)
    rows = {tuple(row.astype(float).round(5).tolist()): int(label) for samples in (part.train, part.test)
            for row, label in zip(samples.images, samples.labels, strict=True)}  # fmt: skip
    values = np.array([row / 2 for row in range(20) if row % 5] + [1.0, 2.0])
    first, second = ((values[-2:] - values.mean()) / values.std()).round(5).tolist()
    # a: blue, green, red, other; b: value, is missing; c: constant, so 0
    assert rows == {
        (0.0, 1.0, 0.0, 0.0, first, 0.0, 0.0): schema.classes.index("well"),
        (0.0, 0.0, 0.0, 1.0, second, 0.0, 0.0): schema.classes.index("odd"),
    }
    assert part.train.images.dtype == np.float32 and schema.inputs == (7,)
    missing = one.part(schema, seed=1).train.images
    assert missing[missing[:, 5] == 1][:, 4].tolist() == [0.0] * int(missing[:, 5].sum())


def test_the_seed_holds_out_a_fifth_of_each_class(tmp_path: Path) -> None:
    rows = "".join(f"{row},{'rare' if row % 10 == 0 else 'often'}\n" for row in range(100))
    data = read_text(tmp_path, f"x,y\n{rows}")
    schema = agreed(data)
    part = data.part(schema, seed=3)
    assert np.bincount(part.test.labels).tolist() == [18, 2]
    assert (len(part.train), len(part.test)) == (80, 20)
    values = np.concatenate([part.train.images, part.test.images])
    assert len(np.unique(values)) == 100
    assert np.array_equal(data.part(schema, seed=3).test.images, part.test.images)
    assert not np.array_equal(data.part(schema, seed=4).test.images, part.test.images)


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_a_small_client_has_rows_to_train_and_to_test_on(tmp_path: Path, rows: int) -> None:
    data = read_text(tmp_path, "x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(rows)))
    part = data.part(agreed(data), seed=0)
    assert len(part.train) + len(part.test) == rows and len(part.train) and len(part.test)


def test_a_target_of_numbers_is_standardised(tmp_path: Path) -> None:
    data = read_text(tmp_path, "x,y\n" + "".join(f"{row},{row * 2.5}\n" for row in range(40)))
    part = data.part(agreed(data), seed=0)
    labels = np.concatenate([part.train.labels, part.test.labels])
    assert labels.dtype == np.float32
    assert (labels.mean(), labels.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, rel=1e-6))


def test_sums_equal_those_of_numpy_over_the_joined_table(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(1e6, 1e-2, 3000)
    text = "x,y\n" + "".join(f"{value!r},{row % 2}\n" for row, value in enumerate(values.tolist()))
    data = read_text(tmp_path, text)
    clients = [data.share(part, 3) for part in range(3)]
    (column,) = agreed(*clients).columns
    assert column.mean == pytest.approx(values.mean(), rel=1e-9)
    assert column.deviation == pytest.approx(values.std(), rel=1e-9)


def test_nothing_is_counted_or_added_unless_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(TABLE)
    schema = read(file, Options(target="y"), Sharing()).schema
    assert not schema.shares_statistics
    few = read(file, Options(target="y"), Sharing(statistics=True, min_rows=21)).schema
    assert not few.shares_statistics


def test_no_count_below_the_minimum_is_told_or_follows_from_the_others(tmp_path: Path) -> None:
    classes = ["a"] * 30 + ["b"] * 12 + ["c"] * 4
    text = "x,y\n" + "".join(f"{row},{name}\n" for row, name in enumerate(classes))
    (tmp_path / "table.csv").write_text(text)
    data = read(tmp_path / "table.csv", Options(target="y"), Sharing(statistics=True))
    assert data.schema.class_counts == {"a": 30, "b": None, "c": None}
    assert not data.shares_test_counts


def test_a_server_is_told_names_and_no_value_of_a_row(tmp_path: Path) -> None:
    rows = "".join(f"{1000 + row}.125,{'ill' if row % 3 else 'well'}\n" for row in range(30))
    told = read_text(tmp_path, f"dose,y\n{rows}").schema.model_dump_json()
    assert "dose" in told and "ill" in told and ".125" not in told and str(tmp_path) not in told


def test_columns_are_left_out_by_name_and_by_pattern(tmp_path: Path) -> None:
    text = "id,gene1,gene2,age,y\n" + "".join(f"p{row},1,2,{row},{row % 2}\n" for row in range(200))
    data = read_text(tmp_path, text, Options(target="y", ignore=("id", "gene*")))
    assert [column.name for column in data.schema.columns] == ["age"]


def test_numbers_can_be_names(tmp_path: Path) -> None:
    text = "ward,y\n" + "".join(f"{row % 3},{row % 2}\n" for row in range(12))
    (column,) = read_text(tmp_path, text, Options(target="y", category=("ward",))).schema.columns
    assert (column.kind, column.categories) == ("category", ["0", "1", "2"])


def test_shares_have_every_row_once(tmp_path: Path) -> None:
    data = read_text(tmp_path, TABLE)
    shares = [data.share(part, 3) for part in range(3)]
    assert [len(share) for share in shares] == [6, 7, 7]
    parts = [share.part(agreed(data), seed=0) for share in shares]
    whole = data.part(agreed(data), seed=0)
    rows = np.concatenate([samples.images for part in parts for samples in (part.train, part.test)])
    expected = np.concatenate([whole.train.images, whole.test.images])
    assert sorted(map(bytes, rows)) == sorted(map(bytes, expected))
    with pytest.raises(BadData, match="20 rows cannot be divided among 11 clients"):
        data.share(0, 11)


def test_a_path_that_cannot_be_read_is_named_to_its_person_only(tmp_path: Path) -> None:
    with pytest.raises(BadData) as refusal:
        read(tmp_path / "secret.csv", Options(target="y"), Sharing())
    assert "secret" not in str(refusal.value) and "secret.csv" in refusal.value.whole


def test_a_part_of_the_table_is_in_memory_as_text_at_a_time(tmp_path: Path) -> None:
    import tracemalloc

    file = tmp_path / "long.csv"
    with open(file, "w") as stream:
        stream.write("a,b,c,y\n")
        stream.writelines(f"{row}.5,{row * 3}.25,{row % 7},{row % 2}\n" for row in range(30_000))
    tracemalloc.start()
    data: OwnData = read(file, Options(target="y"), Sharing(statistics=True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == 30_000
    assert peak < 25 * 2**20
