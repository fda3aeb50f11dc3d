"""static/js/charts/export.js: cells of a CSV file that a spreadsheet and a parser read as they are meant."""

import csv
import io
from math import inf, nan

import pytest

from tests.browser.scripts.conftest import Scripts


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (0, "0"),
        (-1.5, "-1.5"),
        (nan, "NaN"),
        (-inf, "-Infinity"),
        ("site-1", "site-1"),
        ("nan", "nan"),
        ("a,b", '"a,b"'),
        ('say "hi"', '"say ""hi"""'),
        ("two\nlines", '"two\nlines"'),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ('=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'),
    ],
)
def test_a_cell_is_quoted_and_never_a_formula(scripts: Scripts, value: object, cell: str) -> None:
    assert scripts.call("charts/export.js", "csvCell", value) == cell


def test_a_parser_reads_the_rows_that_were_written(scripts: Scripts) -> None:
    rows = [["metric", "name"], ["loss", 'a "quoted", name'], ["loss", "line\r\nbreak"], ["", "ü 🌱"]]
    written = scripts.call("charts/export.js", "csv", rows)
    assert list(csv.reader(io.StringIO(written, newline=""))) == rows
    assert written.endswith("\r\n")


def test_an_undefined_value_is_an_empty_cell(scripts: Scripts) -> None:
    assert scripts.run("charts/export.js", "({ csv }) => csv([[1, undefined, null, 2]])") == "1,,,2\r\n"
