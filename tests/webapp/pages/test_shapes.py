"""What pages draw without a script: the bars of rounds, sparklines; and the vendored files that the rest needs."""

import base64
import hashlib
import json
from collections.abc import Sequence
from math import nan
from pathlib import Path

from tests.support.series import make_series
from webapp.db.tables import Run
from webapp.pages.measure import Measure
from webapp.pages.runs.round_bars import RoundBars, bars_of
from webapp.pages.sparklines import common_scale, polyline

HUGE = 1.7e308
ACCURACY = Measure("evaluate", "accuracy", False)
ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "static" / "vendor"


def bars(
    values: Sequence[float], best: tuple[int, float] | None, num_rounds: int, *, active: bool = False,
    measure: Measure = ACCURACY,
) -> RoundBars:  # fmt: skip
    """Draw the bars of a run with these values of rounds 0 and on."""
    of_run = {measure.key: {"round": best[0], "value": best[1]}} if best else {}
    run = Run(num_rounds=num_rounds, current_round=len(values) - 1, best_metrics=of_run)
    return bars_of(run, measure, make_series(values), active=active)


def test_each_round_has_a_bar_and_rounds_to_come_have_short_ones() -> None:
    drawn = bars([0.1, 0.5, 0.75, 0.7], (2, 0.75), 5, active=True)
    assert [bar.kind for bar in drawn.bars] == ["bar", "best", "bar", "now", "to-come"]
    assert [bar.height for bar in drawn.bars] == [20.0, 30.0, 28.0, 28.0, 4.0]
    assert drawn.bars[1].above == "best 75.0\u202f%"
    assert drawn.sentence.startswith("3 of 5 rounds completed, round 4 in progress")


def test_bars_of_a_number_are_parts_of_the_highest_one() -> None:
    drawn = bars([900.0, 4.0, 2.0, nan, 3.0], (2, 2.0), 5, measure=Measure("evaluate", "rmse", True))
    assert [bar.height for bar in drawn.bars] == [40.0, 20.0, 4.0, 30.0, 4.0]
    assert drawn.bars[1].above == "best 2.000"
    assert drawn.sentence.endswith("bar height: mean rmse of the round")


def test_bars_of_a_number_below_zero_begin_at_the_lowest_one() -> None:
    drawn = bars([0.0, -1.0, 0.0, 1.0], (3, 1.0), 3, measure=Measure("evaluate", "r2", False))
    assert [bar.height for bar in drawn.bars] == [4.0, 20.0, 40.0]


def test_one_bar_for_several_rounds_is_as_low_as_the_best_where_less_is_better() -> None:
    loss = [8.0] * 121
    loss[3] = 2.0
    drawn = bars(loss, (3, 2.0), 120, measure=Measure("evaluate", "loss", True)).bars
    assert [bar.height for bar in drawn[:3]] == [40.0, 10.0, 40.0]


def test_an_ended_run_has_no_round_under_way() -> None:
    assert [bar.kind for bar in bars([0.1, 0.5], (1, 0.5), 3).bars] == ["best", "to-come", "to-come"]


def test_before_the_first_round_its_bar_has_a_height_of_its_own() -> None:
    assert [(bar.kind, bar.height) for bar in bars([0.1], None, 2, active=True).bars] == [
        ("now", 12.0), ("to-come", 4.0)
    ]  # fmt: skip


def test_rounds_without_a_value_have_a_short_bar_and_none_is_the_best() -> None:
    drawn = bars([0.1, nan, nan], None, 4, active=True).bars
    assert [(bar.kind, bar.height) for bar in drawn[:2]] == [("bar", 4.0), ("bar", 4.0)]
    assert not [bar for bar in drawn if bar.above]


def test_above_sixty_rounds_a_bar_stands_for_several_and_is_as_tall_as_the_best_of_them() -> None:
    accuracy = [0.3] * 5001
    accuracy[1234], accuracy[1235], accuracy[2000] = 0.9, 0.2, 0.6
    drawn = bars(accuracy, (1234, 0.9), 10_000, active=True).bars
    assert len(drawn) == 60
    assert [bar.kind for bar in drawn].count("best") == 1
    assert [bar.kind for bar in drawn].count("now") <= 1
    assert [bar.height for bar in drawn[:12]] == [12.0] * 7 + [36.0] + [12.0] * 3 + [24.0]
    assert (drawn[0].below, drawn[-1].below) == ("1", "10000")


def test_bars_of_a_long_run_show_its_best_round() -> None:
    accuracy = [0.5 + 0.1 * r / 2000 for r in range(2001)]
    accuracy[1111] = 0.673
    drawn = bars(accuracy, (1111, 0.673), 2000).bars
    assert [bar.above for bar in drawn if bar.above] == ["best 67.3\u202f%"]
    assert max(drawn, key=lambda bar: bar.height).kind == "best"
    assert drawn[-1].height == 24.0, "the last round is among them"


def test_a_sparkline_passes_over_what_is_missing() -> None:
    assert polyline([], (0, 1)) == polyline([1.0], (0, 1)) == polyline([None, 1.0], (0, 1)) == ""
    assert polyline([0.0, None, 1.0], (0, 1)) == "0.0,20.0 88.0,2.0"
    assert polyline([1.0, 1.0], (1, 1)) == "0.0,11.0 88.0,11.0"
    assert polyline([-HUGE, 0.0, HUGE], (-HUGE, HUGE)) == "0.0,20.0 44.0,11.0 88.0,2.0"


def test_sparklines_of_one_list_have_one_scale() -> None:
    low, high = [0.2, 0.4], [0.6, None, 1.0]
    scale = common_scale([low, high, []])
    assert scale == (0.2, 1.0)
    assert (polyline(low, scale), polyline(high, scale)) == ("0.0,20.0 88.0,15.5", "0.0,11.0 88.0,2.0")


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
