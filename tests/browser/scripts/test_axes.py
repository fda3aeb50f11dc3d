"""static/js/charts/axes.js: ticks of any range of finite numbers, written so that they differ."""

from math import isfinite

import pytest

from tests.browser.scripts.conftest import Scripts

LARGEST, SMALLEST = 1.7976931348623157e308, 5e-324
RANGES = [
    (0.0, 1.0), (-0.06, 2.4), (0.4999, 0.5001), (10_000.0, 10_004.0), (1e15, 1e15 + 1), (3e17, 9e18), (-1e20, 1e21),
    (-1e308, 1e308), (-LARGEST, LARGEST), (0.9 * LARGEST, LARGEST), (1e-300, 2e-300), (0.0, SMALLEST), (-5.0, -4.9),
    (1.0, 1.0 + 2**-52),
]  # fmt: skip
TICKS = """({ linearTicks, logTicks, tickFormat }, [log, low, high, most, metric]) => {
  const ticks = (log ? logTicks : linearTicks)(low, high, most);
  return { ticks, texts: ticks.map(tickFormat(metric, ticks)) };
}"""


def ticks_of(scripts: Scripts, low: float, high: float, most: int = 6, *, log: bool = False) -> list[float]:
    return [float(tick) for tick in scripts.run("charts/axes.js", TICKS, [log, low, high, most, "loss"])["ticks"]]


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("most", [1, 6])
def test_linear_ticks_of_any_finite_range(scripts: Scripts, low: float, high: float, most: int) -> None:
    ticks = ticks_of(scripts, low, high, most)
    assert len(ticks) <= most + 1
    assert ticks == sorted(set(ticks))
    assert all(isfinite(tick) and low <= tick <= high for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.28, 1.21, [0.4, 0.6, 0.8, 1, 1.2]),
        (-3.0, 3.0, [-3, -2, -1, 0, 1, 2, 3]),
        (10_000.0, 10_004.0, [10_000, 10_001, 10_002, 10_003, 10_004]),
        (3e17, 9e18, [2e18, 4e18, 6e18, 8e18]),
        (-1e308, 1e308, [-1e308, -5e307, 0, 5e307, 1e308]),
    ],
)
def test_linear_ticks_are_round_numbers(scripts: Scripts, low: float, high: float, expected: list[float]) -> None:
    assert ticks_of(scripts, low, high) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.09, 1100.0, [0.1, 1, 10, 100, 1000]),
        (0.5, 20.0, [1, 3, 10]),
        (0.9, 3.2, [1, 2]),
        (1.01, 1.05, [1, 1.1]),
    ],
)
def test_logarithmic_ticks_have_more_figures_where_the_range_is_short(
    scripts: Scripts, low: float, high: float, expected: list[float]
) -> None:
    ticks = ticks_of(scripts, low, high, log=True)
    assert ticks[: len(expected)] == expected or set(expected) <= set(ticks)
    assert len(ticks) <= 10


@pytest.mark.parametrize(
    ("low", "high"), [(SMALLEST, LARGEST), (1e-300, 1e300), (SMALLEST, 2 * SMALLEST), (1e308, LARGEST), (0.1, 1.0)]
)
def test_logarithmic_ticks_of_any_positive_range(scripts: Scripts, low: float, high: float) -> None:
    ticks = ticks_of(scripts, low, high, 8, log=True)
    assert 1 <= len(ticks) <= 16
    assert ticks == sorted(set(ticks))
    assert all(isfinite(tick) and tick > 0 for tick in ticks)


@pytest.mark.parametrize(("low", "high"), [one for one in RANGES if one != (1e15, 1e15 + 1)])
def test_ticks_are_written_differently(scripts: Scripts, low: float, high: float) -> None:
    texts = scripts.run("charts/axes.js", TICKS, [False, low, high, 6, "loss"])["texts"]
    if (low, high) != (1.0, 1.0 + 2**-52):
        assert len(set(texts)) == len(texts)
    assert all(len(text) <= 9 for text in texts)


@pytest.mark.parametrize(
    ("metric", "ticks", "expected"),
    [
        ("accuracy", [0, 0.25, 0.5], ["0\u202f%", "25\u202f%", "50\u202f%"]),
        ("accuracy", [0.985, 0.99], ["98.5\u202f%", "99.0\u202f%"]),
        ("accuracy", [0, 1e300], ["0", "1e300"]),
        ("loss", [0, 1, 2], ["0.0", "1.0", "2.0"]),
        ("loss", [-0.25, 0.5], ["\u22120.25", "0.50"]),
        ("loss", [10, 20], ["10", "20"]),
        ("loss", [0, 10_000, 25_000], ["0", "1.0e4", "2.5e4"]),
        ("loss", [0, 2e-5], ["0", "2e\u22125"]),
        ("loss", [-1e308, 1e308], ["\u22121e308", "1e308"]),
        ("loss", [], []),
    ],
)
def test_how_ticks_are_written(scripts: Scripts, metric: str, ticks: list[float], expected: list[str]) -> None:
    source = "({ tickFormat }, [metric, ticks]) => ticks.map(tickFormat(metric, ticks))"
    assert scripts.run("charts/axes.js", source, [metric, ticks]) == expected


@pytest.mark.parametrize(
    ("seconds", "step", "expected"),
    [(0, 1, "0"), (2.5, 0.5, "2.5\u202fs"), (120, 60, "2\u202fmin"), (7200, 3600, "2\u202fh"),
     (172_800, 86_400, "2\u202fd")],
)  # fmt: skip
def test_times_are_written_in_the_unit_of_their_step(
    scripts: Scripts, seconds: float, step: float, expected: str
) -> None:
    assert scripts.call("charts/axes.js", "timeTick", seconds, step) == expected
