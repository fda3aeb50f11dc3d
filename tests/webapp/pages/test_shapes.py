"""What pages draw without a script: the bars of rounds, sparklines; and the vendored files that the rest needs."""

import base64
import hashlib
import json
from math import nan
from pathlib import Path

import numpy as np
import pytest

from webapp.db.repository.series import Series
from webapp.db.tables import Run
from webapp.pages.clients.rows import polyline
from webapp.pages.runs.round_bars import bars_of, draw_round_bars

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "static" / "vendor"


BEST = {"round": 2, "value": 0.75}


def test_each_round_has_a_bar_and_rounds_to_come_have_short_ones() -> None:
    drawn = draw_round_bars({1: 0.5, 2: 0.75, 3: 0.7}, BEST, current_round=3, num_rounds=5, active=True)
    assert [bar.kind for bar in drawn.bars] == ["bar", "best", "bar", "now", "to-come"]
    assert [bar.height for bar in drawn.bars] == [20.0, 30.0, 28.0, 28.0, 4.0]
    assert drawn.bars[1].above == "best 75.0\u202f%"
    assert drawn.sentence.startswith("Rounds 1 to 3 of 5 are committed, round 4 is under way")


def test_an_ended_run_has_no_round_under_way() -> None:
    drawn = draw_round_bars({1: 0.5}, {"round": 1, "value": 0.5}, current_round=1, num_rounds=3, active=False)
    assert [bar.kind for bar in drawn.bars] == ["best", "to-come", "to-come"]


@pytest.mark.parametrize("accuracy", [{}, {1: None, 2: nan}])
def test_rounds_without_a_value_have_a_short_bar(accuracy: dict[int, float | None]) -> None:
    drawn = draw_round_bars(accuracy, {"round": 0, "value": 0.1}, current_round=2, num_rounds=4, active=True)
    assert [(bar.kind, bar.height) for bar in drawn.bars[:2]] == [("bar", 4.0), ("bar", 4.0)]
    assert not [bar for bar in drawn.bars if bar.above], "round 0 is the best and has no bar"


def test_above_sixty_rounds_a_bar_stands_for_several_and_is_as_tall_as_the_best_of_them() -> None:
    accuracy: dict[int, float | None] = dict.fromkeys(range(1, 5001), 0.3)
    accuracy |= {1234: 0.9, 1235: 0.2, 2000: 0.6}
    best = {"round": 1234, "value": 0.9}
    bars = draw_round_bars(accuracy, best, current_round=5000, num_rounds=10_000, active=True).bars
    assert len(bars) == 60
    assert [bar.kind for bar in bars].count("best") == 1
    assert [bar.kind for bar in bars].count("now") <= 1
    assert [bar.height for bar in bars[:12]] == [12.0] * 7 + [36.0] + [12.0] * 3 + [24.0]
    assert (bars[0].below, bars[-1].below) == ("1", "10000")


def test_bars_show_the_best_of_the_run_wherever_the_extremes_of_a_long_series_are() -> None:
    rounds = np.arange(2001)
    values = np.full((2001, 10), nan)
    values[:, 3] = 0.5 + 0.1 * rounds / 2000
    values[1111, 3] = 0.673
    run = Run(num_rounds=2000, current_round=2000, best_metrics={"evaluate_accuracy": {"round": 1111, "value": 0.673}})
    bars = bars_of(run, Series(rounds, values, {}), active=False).bars
    assert [bar.above for bar in bars if bar.above] == ["best 67.3\u202f%"]
    assert max(bars, key=lambda bar: bar.height).kind == "best"
    assert bars[-1].height == 24.0, "the last round is among them"


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
