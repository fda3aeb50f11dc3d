"""static/js/charts/plot.js: what is drawn of the values, and axes that hold any finite numbers."""

from typing import Any

import pytest

from tests.browser.scripts.conftest import Scripts

LARGEST, SMALLEST = 1.7976931348623157e308, 5e-324
LINEAR = {"log": False, "smooth": 0}

DRAW = """({ lineSeries, openPlot }, [values, log]) => {
  const holder = document.body.appendChild(document.createElement("div"));
  holder.style.width = "600px";
  holder.dataset.height = "240";
  const view = { x: "round", log, smooth: 0, zoom: null };
  return new Promise((done) => {
    const drawn = () => queueMicrotask(() => {
      const { left, top, width, height } = plot.bbox, pixels = plot.ctx.getImageData(left, top, width, height).data;
      const rows = new Set();
      for (let i = 0; i < pixels.length; i += 4) {
        if (pixels[i] > 200 && pixels[i + 1] < 50 && pixels[i + 3] > 200) rows.add(Math.floor(i / 4 / width));
      }
      const ys = values.map((value) => plot.valToPos(value, "y"));
      done({ ys, height: plot.over.clientHeight, rows: rows.size / height });
      holder.remove();
    });
    const plot = openPlot(holder, {
      metric: "loss", cursorGroup: "test", view, labelRoom: 10, firstMarked: 1, data: [values.map((_, i) => i), values],
      series: [lineSeries({ stroke: "rgb(255, 0, 0)", width: 2, points: { fill: "rgb(255, 0, 0)" } })],
      annotate: () => {},
    }, { cursor: () => {}, zoom: () => {}, drawn });
  });
}"""


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([0.2, 1.7], False), ([-1e308, 1e308], False), ([-LARGEST, 0.0, LARGEST], False), ([1e308, LARGEST], False),
        ([3e17, 9e18], False), ([1e-300, 2e-300], False), ([SMALLEST, 9 * SMALLEST], False),
        ([1.0, 1.0 + 2**-52], False), ([0.5, 20.0], True), ([SMALLEST, 1.0, LARGEST], True), ([1e308, LARGEST], True),
    ],
)  # fmt: skip
def test_a_line_between_any_finite_numbers_is_drawn(scripts: Scripts, values: list[float], log: bool) -> None:
    drawn = scripts.run("charts/plot.js", DRAW, [values, log])
    ys = drawn["ys"]
    assert ys == sorted(ys, reverse=True), "higher values lie further up"
    assert ys[0] > ys[-1] and ys[0] <= drawn["height"] and ys[-1] >= 0
    assert drawn["rows"] > 0.25, "the line crosses the chart"


@pytest.mark.parametrize("value", [0.0, -3.5, LARGEST, -LARGEST, SMALLEST])
def test_a_single_value_is_a_dot_within_the_chart(scripts: Scripts, value: float) -> None:
    drawn = scripts.run("charts/plot.js", DRAW, [[value], False])
    assert 0 <= drawn["ys"][0] <= drawn["height"]
    assert drawn["rows"] > 0


@pytest.mark.parametrize(
    ("metric", "log", "values", "expected"),
    [
        ("loss", False, None, [0, 1]),
        ("loss", True, None, [0.1, 1]),
        ("loss", False, (1.0, 2.0), [0.94, 2.06]),
        ("loss", False, (2.0, 2.0), [1.88, 2.12]),
        ("loss", False, (0.0, 0.0), [-0.1, 0.1]),
        ("loss", True, (1.0, 100.0), [1 / 1.08, 108]),
        ("accuracy", False, (0.1, 0.7), [0, 0.75]),
        ("accuracy", False, (0.1, 0.99), [0, 1]),
        ("accuracy", False, (0.9, 0.95), [0.897, 0.953]),
        ("accuracy", False, (0.97, 1.0), [0.9682, 1]),
        ("accuracy", False, (0.5, 71.0), [-3.73, 75.23]),
        ("loss", False, (-1e308, 1e308), [-1.12e308, 1.12e308]),
        ("loss", False, (-LARGEST, LARGEST), [-LARGEST, LARGEST]),
        ("loss", True, (SMALLEST, LARGEST), [SMALLEST, LARGEST]),
    ],
)
def test_the_y_axis_has_a_margin_and_finite_ends(
    scripts: Scripts, metric: str, log: bool, values: tuple[float, float] | None, expected: list[float]
) -> None:
    low, high = values or (None, None)
    assert scripts.call("charts/plot.js", "yRange", metric, log, low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("x", "xs", "zoom", "expected"),
    [
        ("round", [], None, [0, 1]),
        ("round", [0, 1, 2], None, [0, 2]),
        ("round", [0], None, [0, 1]),
        ("clock", [-2.5, 4.0], None, [-2.5, 4]),
        ("time", [0.5, 4.0], None, [0, 4]),
        ("bytes", [0, 900], {"min": 100, "max": 200}, [100, 200]),
    ],
)
def test_the_x_axis_begins_at_zero_or_shows_the_zoom(
    scripts: Scripts, x: str, xs: list[float], zoom: dict[str, float] | None, expected: list[float]
) -> None:
    assert scripts.call("charts/plot.js", "xRange", xs, {"x": x, "zoom": zoom}) == expected


@pytest.mark.parametrize(
    ("x", "dragged", "expected"),
    [
        ("round", (2.4, 7.6), (2, 8)),
        ("round", (2.6, 2.9), (3, 4)),
        ("round", (-3.0, 0.2), (0, 1)),
        ("bytes", (2.4, 7.6), (2.4, 7.6)),
    ],
)
def test_a_zoom_by_rounds_holds_whole_rounds(
    scripts: Scripts, x: str, dragged: tuple[float, float], expected: tuple[float, float]
) -> None:
    zoom = scripts.call("charts/plot.js", "zoomRange", *dragged, {"x": x})
    assert (zoom["min"], zoom["max"]) == expected


@pytest.mark.parametrize(
    ("values", "breaks", "expected"),
    [
        ("[1, 2, 3]", [], []),
        ("[1, null, 3, 4, null, 6]", [], [0, 5]),
        ("[null, null]", [], []),
        ("[1]", [], [0]),
        ("[1, undefined, 3]", [], []),
        ("[1, undefined, null, 4, undefined]", [], [0, 3]),
        ("[1, 2, 3, 4]", [1], [0]),
        ("[1, 2, 3, 4]", [1, 3], [0, 3]),
        ("[1, undefined, 3, 4]", [2], [0]),
    ],
)
def test_values_between_two_gaps_are_found(
    scripts: Scripts, values: str, breaks: list[int], expected: list[int]
) -> None:
    source = f"({{ isolatedIndices }}, breaks) => isolatedIndices({values}, breaks)"
    assert scripts.run("charts/plot.js", source, breaks) == expected


@pytest.mark.parametrize(
    ("metric", "view", "expected"),
    [
        ("loss", LINEAR, [4, 0, None, -2, 8]),
        ("loss", {"log": True, "smooth": 0}, [4, None, None, None, 8]),
        ("accuracy", {"log": True, "smooth": 0}, [4, 0, None, -2, 8]),
        ("loss", {"log": False, "smooth": 0.5}, [4, 2, None, 0, 4]),
        ("loss", {"log": True, "smooth": 0.5}, [4, None, None, None, 6]),
    ],
)
def test_values_are_smoothed_and_gaps_stay_gaps(
    scripts: Scripts, metric: str, view: dict[str, Any], expected: list[float | None]
) -> None:
    assert scripts.call("charts/plot.js", "displayedValues", [4, 0, None, -2, 8], view, metric) == expected


def test_places_of_other_runs_are_not_smoothed_into_values(scripts: Scripts) -> None:
    source = """({ displayedValues }) => displayedValues([2, undefined, 4], { log: false, smooth: 0.5 }, "loss")
      .map((value) => (value === undefined ? "none" : value))"""
    assert scripts.run("charts/plot.js", source) == [2, "none", 3]


def test_gaps_lie_from_left_to_right_and_none_ends_before_the_one_on_its_left(scripts: Scripts) -> None:
    source = """({ withBreaks }, found) => {
      const plot = { data: [[0, 1, 2, 3]], valToPos: (x) => 100 * x };
      return withBreaks(() => [1, 3])(plot, 1, 0, 3, found);
    }"""
    assert scripts.run("charts/plot.js", source, [[50, 350]]) == [[0, 100], [50, 350], [200, 350]]
