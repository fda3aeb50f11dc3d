"""Dirty tables: each is read as a person expects, or refused by one sentence with row and column and what to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.learning.data.own.options import Options
from federation.learning.data.own.refusals import BadData
from federation.learning.data.own.tables.reading import read_table
from tests.support.own_data import read_text

ROWS = "".join(f"{40 + row},{'north' if row % 2 else 'south'},{row % 2}\n" for row in range(12))
TABLE = f"age,ward,y\n{ROWS}"


def with_row(row: str) -> str:
    """The table with one more row, which is row 14 of the file."""
    return f"{TABLE}{row}\n"


WIDE = ",".join([*(f"gene{number}" for number in range(10_000)), "y"]) + "\n" + "1," * 10_000 + "1\n"

REFUSED = {
    "a row with a cell less": (with_row("52,1"), "row 14 has 2 cells, the first row has 3"),
    "a row with a cell more": (with_row("52,north,1,x"), "row 14 has 4 cells, the first row has 3"),
    "text in numbers": (with_row("about 50,north,1"), "row 14, column age: the cell is no number: correct or empty it"),
    "10,000 columns": (WIDE, "10,000 columns beside the target y: there must be 1 to 2,000"),
    "no value in any column": ("age,ward,y\n" + ",,1\n" * 5, "all columns but the target y are empty"),
    "no value in the target": ("age,ward,y\n" + "50,north,\n" * 5, "no row has a value in the target column y"),
    "no target": (TABLE.replace("y", "died"), "there is no column y in the first row"),
    "two columns of one name": (TABLE.replace("ward", "age"), "columns 1 and 2 have the same name age: rename one"),
    "a formula": (with_row("=A13+1,north,1"), "row 14, column age: the cell holds a formula"),
    "1e308": (with_row("1e308,north,1"), "row 14, column age: the number is infinite or above 1e+30"),
    "infinity": (with_row("-inf,north,1"), "row 14, column age: the number is infinite or above 1e+30"),
    "dates that mean two days": (
        "born,y\n" + "".join(f"{day:02}/03/2024,{day % 2}\n" for day in range(1, 9)),
        "column born: nothing says whether day or month comes first: write dates as 2024-03-31",
    ),
    "a name for each row": (
        "person,y\n" + "".join(f"person {row},{row % 2}\n" for row in range(101)),
        "column person holds text with more than 100 different values, at most 100 categories are possible: leave it "
        "out with --ignore person",
    ),
    "a quotation mark that is not closed": (with_row('52,"north,1'), "row 14: a quotation mark is not closed"),
    "a workbook": (b"PK\x03\x04 and more", "this is a workbook or another zip file, not a table as text"),
    "bytes": (b"age\x00" * 9 + b"y", "this is no text: save the table as CSV, in UTF-8"),
    "an empty file": ("\n\n", "the file is empty"),
    "names alone": ("age,ward,y\n", "no row has a value in the target column y"),
    "one row": ("age,ward,y\n50,north,1\n", "rows with a target: 1; at least 2 are needed"),
    "a date as the target": ("age,y\n50,2024-03-01\n51,2024-03-02\n", "the target y holds dates"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_cannot_be_used_is_refused_with_row_and_column(
    tmp_path: Path, table: str | bytes, sentence: str
) -> None:
    with pytest.raises(BadData) as refusal:
        read_text(tmp_path, table)
    assert sentence in str(refusal.value)
    for cell in ("about 50", "A13", "person 1", str(tmp_path)):
        assert cell not in str(refusal.value)


class Changing:
    """The records of a file that somebody writes while it is read."""

    delimiter, unreadable = ",", frozenset[str]()

    def __init__(self, *contents: list[list[str]]) -> None:
        self._contents = iter(contents)

    def __iter__(self) -> Iterator[list[str]]:
        return iter(next(self._contents))


@pytest.mark.parametrize("later", [[["a", "0"]], [["a", "0"], ["b", "1"], ["c", "1"]], [["a", "0"], ["c", "1"]]])
def test_a_file_that_changes_while_it_is_read_is_refused(later: list[list[str]]) -> None:
    names, rows = ["x", "y"], [["a", "0"], ["b", "1"]]
    records = Changing([names, *rows], [names, *rows], [names, *later])
    with pytest.raises(BadData, match="the file has changed while it was read"):
        read_table(records, Options(target="y"))


def test_a_refusal_shows_the_cell_to_its_person_only(tmp_path: Path) -> None:
    with pytest.raises(BadData) as refusal:
        read_text(tmp_path, with_row("about 50,north,1"))
    assert "'about 50'" in refusal.value.whole and "about 50" not in str(refusal.value)


ENCODED = {name: TABLE.replace("north", "Süd").replace("ward", "Größe") for name in (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252",
)}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODED)
def test_each_encoding_gives_the_same_table(tmp_path: Path, encoding: str) -> None:
    schema = read_text(tmp_path, ENCODED[encoding].encode(encoding)).schema
    assert [column.name for column in schema.columns] == ["age", "Größe"]
    assert schema.columns[1].categories == ["Süd", "south"]


ALIKE = {
    "as it is": TABLE,
    "tabs": TABLE.replace(",", "\t"),
    "semicolons and decimal commas": TABLE.replace(",", ";").replace("40;", "40,0;"),
    "bars": TABLE.replace(",", "|"),
    "quotation marks": TABLE.replace("north", '"north"').replace("age", '"age"'),
    "spaces": TABLE.replace(",", " , ").replace("north", " north"),
    "line ends of Windows": TABLE.replace("\n", "\r\n"),
    "line ends of old Macs": TABLE.replace("\n", "\r"),
    "blank lines": TABLE.replace("\n", "\n\n"),
    "delimiters at the ends of rows": TABLE.replace("\n", ",\n"),
    "an index without a name": "".join(
        f"{row - 1 if row else ''},{line}\n" for row, line in enumerate(TABLE.splitlines())
    ),
    "an empty column": "".join(
        f"{line},{'' if row else 'note'}\n" for row, line in enumerate(TABLE.splitlines())
    ),
    "rows without a target": TABLE + "60,west,\n61,east,NA\n",
}  # fmt: skip


@pytest.mark.parametrize("table", ALIKE.values(), ids=ALIKE)
def test_what_is_only_written_in_another_way_gives_the_same_table(tmp_path: Path, table: str) -> None:
    assert read_text(tmp_path, table).schema == read_text(tmp_path, TABLE).schema


def test_a_table_without_names_has_numbers_for_names(tmp_path: Path) -> None:
    schema = read_text(tmp_path, ROWS, Options(target="3")).schema
    assert [column.name for column in schema.columns] == ["1", "2"] and schema.target == "3"
    assert (schema.rows, schema.classes) == (12, ["0", "1"])


def test_numbers_that_count_the_columns_are_names(tmp_path: Path) -> None:
    assert read_text(tmp_path, "0,1,2\n" + "5.5,2,1\n3.5,4,0\n" * 3, Options(target="2")).schema.rows == 6


NUMBERS = {
    "missing": (["1.5", "", "NA", "nan", "NULL", "?", "n/a", "2.5"], 2.0, 2),
    "decimal commas": (['"1,5"', '"2,5"', '"1.002,0"'], 335.333333, 3),
    "thousands": (['"1,000"', '"2,500,000.5"', "7"], 833669.166667, 3),
    "exponents": (["1e3", "-2E-1", "+.5"], 333.433333, 3),
    "constant": (["7", "7", "7"], 7.0, 3),
}  # fmt: skip


@pytest.mark.parametrize(("cells", "mean", "count"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_read_in_each_notation(tmp_path: Path, cells: list[str], mean: float, count: int) -> None:
    rows = "".join(f"{cell},{row % 2}\n" for row, cell in enumerate(cells))
    (column,) = read_text(tmp_path, f"x,y\n{rows}").schema.columns
    assert column.kind == "number" and column.summary is not None
    assert column.has_missing == (count < len(cells))
    assert column.summary.mean == pytest.approx(mean) and column.summary.count == count


DATES = {
    "ISO": ["2024-03-01", "2024-03-31", "2024/3/16"],
    "with times": ["2024-03-01 00:00:00", "2024-03-31T00:00Z", "2024-03-16 02:00+02:00"],
    "German": ["1.3.2024", "31.03.2024", "16.3.2024"],
    "British": ["01/03/2024", "31/03/2024", "16/03/2024"],
    "American": ["03/01/2024", "03/31/2024", "03/16/2024"],
}  # fmt: skip


@pytest.mark.parametrize("cells", DATES.values(), ids=DATES)
def test_dates_are_days_since_1970(tmp_path: Path, cells: list[str]) -> None:
    rows = "".join(f"{cell},{row % 2}\n" for row, cell in enumerate(cells))
    (column,) = read_text(tmp_path, f"x,y\n{rows}").schema.columns
    assert column.kind == "date" and column.summary is not None
    assert column.summary.mean == pytest.approx(19_783 + 15)  # 2024-03-16


TARGETS = {
    "yes and no": (["yes", "no"] * 4, ["no", "yes"]),
    "booleans": (["True", "FALSE"] * 4, ["false", "true"]),
    "whole numbers": (["2.0", "10", "2", "10.0"] * 2, ["10", "2"]),
    "one class": (["1"] * 8, ["1"]),
    "many whole numbers": ([str(number) for number in range(8)], []),
    "fractions": (["0.5", "1.5"] * 4, []),
}


@pytest.mark.parametrize(("cells", "classes"), TARGETS.values(), ids=TARGETS)
def test_the_target_is_classes_or_numbers(tmp_path: Path, cells: list[str], classes: list[str]) -> None:
    rows = "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))
    schema = read_text(tmp_path, f"x,y\n{rows}").schema
    assert (schema.task, schema.classes) == ("classes" if classes else "number", classes)
    said = read_text(tmp_path, f"x,y\n{rows}", Options(target="y", task="classes")).schema
    assert said.task == "classes"
