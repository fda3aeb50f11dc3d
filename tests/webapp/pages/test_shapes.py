"""What pages draw without a script: the bars of rounds, sparklines; and the vendored files that the rest needs."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from webapp.pages.clients.rows import polyline
from webapp.pages.runs.round_bars import draw_round_bars

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "static" / "vendor"


def test_a_bar_stands_for_a_round_also_for_one_that_is_to_come() -> None:
    drawn = draw_round_bars({0: 0.1, 1: 0.5, 2: 0.75, 3: 0.7}, current_round=3, num_rounds=5, active=True)
    assert [bar.kind for bar in drawn.bars] == ["bar", "best", "bar", "now", "to-come"]
    assert [bar.height for bar in drawn.bars[:3]] == [20.0, 30.0, 28.0]
    assert drawn.bars[1].above == "best 75.0\u202f%"
    assert drawn.sentence.startswith("Rounds 1 to 3 of 5 are committed, round 4 is under way")


def test_an_ended_run_has_no_round_under_way() -> None:
    drawn = draw_round_bars({1: 0.5}, current_round=1, num_rounds=3, active=False)
    assert [bar.kind for bar in drawn.bars] == ["best", "to-come", "to-come"]


@pytest.mark.parametrize("accuracy", [{}, {0: 0.1}, {1: None, 2: float("nan")}])
def test_rounds_without_a_value_have_a_short_bar(accuracy: dict[int, float | None]) -> None:
    drawn = draw_round_bars(accuracy, current_round=2, num_rounds=4, active=True)
    assert [(bar.kind, bar.height) for bar in drawn.bars[:2]] == [("bar", 4.0), ("bar", 4.0)]
    assert not [bar for bar in drawn.bars if bar.above]


def test_above_sixty_rounds_a_bar_stands_for_several() -> None:
    accuracy: dict[int, float | None] = {r: r / 10_000 for r in range(0, 5001, 167)}
    accuracy[1234] = 0.9
    drawn = draw_round_bars(accuracy, current_round=5000, num_rounds=10_000, active=True)
    assert len(drawn.bars) == 60
    assert [bar.kind for bar in drawn.bars].count("best") == 1
    assert [bar.kind for bar in drawn.bars].count("now") <= 1
    assert (drawn.bars[0].below, drawn.bars[-1].below) == ("1", "10000")


def test_a_sparkline_passes_over_what_is_missing() -> None:
    assert polyline([]) == polyline([1.0]) == polyline([None, 1.0]) == ""
    assert polyline([0.0, None, 1.0]) == "0.0,20.0 88.0,2.0"
    assert polyline([1.0, 1.0]) == "0.0,20.0 88.0,20.0"


def test_vendored_files_are_what_their_list_says() -> None:
    entries = json.loads((VENDOR / "vendor.json").read_text())
    for entry in entries:
        content = (VENDOR / entry["file"]).read_bytes()
        assert base64.b64encode(hashlib.sha512(content).digest()).decode() == entry["sha512"], entry["file"]
        assert entry["version"] in entry["file"]
        assert entry["licence"]
    assert {entry["file"] for entry in entries} == {file.name for file in VENDOR.iterdir()} - {
        "vendor.json",
        "LICENCES.txt",
    }


def test_own_scripts_and_styles_load_nothing_from_elsewhere() -> None:
    own = [
        *(ROOT / "static").glob("css/*.css"),
        *(ROOT / "static").rglob("js/**/*.js"),
        *(ROOT / "templates").rglob("*.html"),
    ]
    for file in own:
        text = file.read_text().replace("http://www.w3.org/2000/svg", "").replace("http://{{ join.address }}", "")
        assert "http://" not in text and "https://" not in text and "@import" not in text, file
