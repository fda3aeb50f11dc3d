"""static/js/charts/band.js: where events lie between rounds, and where a resumed run has no line."""

import pytest

from tests.browser.scripts.conftest import Scripts

ROUNDS, XS = [0, 10, 20], [0.0, 100.0, 400.0]


@pytest.mark.parametrize(
    ("round_", "expected"), [(0, 0), (10, 100), (15, 250), (20, 400), (20.5, 400), (99, 400), (0.5, 5)]
)
def test_an_event_lies_between_its_rounds(scripts: Scripts, round_: float, expected: float) -> None:
    assert scripts.call("charts/band.js", "eventPosition", {"rounds": ROUNDS}, XS, round_) == expected


def test_an_event_of_a_run_with_one_round_lies_on_it(scripts: Scripts) -> None:
    assert scripts.call("charts/band.js", "eventPosition", {"rounds": [0]}, [3.0], 0.5) == 3.0


@pytest.mark.parametrize(
    ("x", "events", "expected"),
    [
        ("clock", [("resumed", 12.5), ("paused", 3.5), ("failed", 3.5), ("resumed", 15.5)], [2, 1]),
        ("clock", [("resumed", 0), ("resumed", 99)], []),
        ("clock", [("resumed", 5), ("resumed", 20)], [1, 2]),
        ("round", [("resumed", 5)], []),
    ],
)
def test_lines_break_only_where_a_run_was_paused_or_resumed_by_the_clock(
    scripts: Scripts, x: str, events: list[tuple[str, float]], expected: list[int]
) -> None:
    named = [{"kind": kind, "round": round_} for kind, round_ in events]
    assert scripts.call("charts/band.js", "resumedIndices", {"rounds": ROUNDS}, {"x": x}, named) == expected


def test_no_client_is_the_worst_where_the_direction_of_the_metric_is_unknown(scripts: Scripts) -> None:
    found = [scripts.call("charts/band.js", "edgeNames", less) for less in (True, False, None)]
    assert found == [["worst client", "best client"], ["best client", "worst client"], ["maximum", "minimum"]]
