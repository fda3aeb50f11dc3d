"""What pages draw without a script: the sward, sparklines; and the vendored files that the rest needs."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from webapp.pages.clients.rows import polyline
from webapp.pages.runs.round_bars import grow

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "static" / "vendor"


def test_a_blade_stands_for_a_round_and_stubble_for_what_is_to_come() -> None:
    sward = grow({0: 0.1, 1: 0.5, 2: 0.75, 3: 0.7}, current_round=3, num_rounds=5, active=True)
    assert [blade.kind for blade in sward.blades] == ["blade", "best", "blade", "now", "to-come"]
    assert [blade.height for blade in sward.blades[:3]] == [20.0, 30.0, 28.0]
    assert sward.blades[1].above == "best 75.0\u202f%"
    assert sward.sentence.startswith("Rounds 1 to 3 of 5 are committed, round 4 is under way")


def test_an_ended_run_has_no_round_under_way() -> None:
    sward = grow({1: 0.5}, current_round=1, num_rounds=3, active=False)
    assert [blade.kind for blade in sward.blades] == ["best", "to-come", "to-come"]


@pytest.mark.parametrize("accuracy", [{}, {0: 0.1}, {1: None, 2: float("nan")}])
def test_rounds_without_a_value_are_stubs(accuracy: dict[int, float | None]) -> None:
    sward = grow(accuracy, current_round=2, num_rounds=4, active=True)
    assert [(blade.kind, blade.height) for blade in sward.blades[:2]] == [("blade", 4.0), ("blade", 4.0)]
    assert not [blade for blade in sward.blades if blade.above]


def test_above_sixty_rounds_a_blade_stands_for_several() -> None:
    accuracy: dict[int, float | None] = {r: r / 10_000 for r in range(0, 5001, 167)}
    accuracy[1234] = 0.9
    sward = grow(accuracy, current_round=5000, num_rounds=10_000, active=True)
    assert len(sward.blades) == 60
    assert [blade.kind for blade in sward.blades].count("best") == 1
    assert [blade.kind for blade in sward.blades].count("now") <= 1
    assert (sward.blades[0].below, sward.blades[-1].below) == ("1", "10000")


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
