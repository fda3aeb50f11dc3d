"""What the charts of a run draw: the best round that bars and charts share, lines with gaps, and no script at all."""

import re

from playwright.sync_api import expect

from federation.protocol.messages import Task
from federation.weights.layout import Layout
from tests.browser.conftest import OpenPage, open_run, url_of
from tests.support.dashboard import Dashboard, finished_run
from tests.support.light_client import Answer, Answering, honest
from tests.support.processes import wait_until


def accuracies(*values: float) -> Answering:
    def answer(task: Task, weights: bytes | None, layout: Layout | None) -> Answer:
        made = honest(task, weights, layout)
        made.metrics = made.metrics and {**made.metrics, "accuracy": values[task.round]}
        return made

    return answer


def test_bars_and_charts_show_the_same_best_whatever_the_initial_weights_reach(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    run_id = finished_run(dashboard, accuracies(0.9, 0.4, 0.673, 0.5, 0.6), num_rounds=4)
    page = open_page(f"{url_of(dashboard)}/runs/{run_id}")
    expect(page.locator("meadow-chart canvas").first).to_be_visible()
    expect(page.locator("meadow-chart[metric=accuracy] [data-part=best]")).to_have_text("best 67.3\u202f% in round 2")
    texts = page.locator(".round-bars text").all_text_contents()
    assert [text for text in texts if "best" in text] == ["best 67.3\u202f%"]


def test_a_new_best_reaches_bars_and_charts_while_a_run_goes_on(going: Dashboard, open_page: OpenPage) -> None:
    page = open_run(going, open_page)
    best = page.locator("meadow-chart[metric=loss] [data-part=best]")
    before = best.text_content() or ""
    assert re.fullmatch(r"best 0\.\d+ in round \d+", before)
    expect(best).not_to_have_text(before)
    same = """() => {
      const texts = [...document.querySelectorAll(".round-bars text")].map(({ textContent }) => textContent);
      const chart = document.querySelector("meadow-chart[metric=accuracy] [data-part=best]").textContent;
      return chart.startsWith(texts.find((text) => text.startsWith("best ")));
    }"""
    wait_until(lambda: page.evaluate(same), what="one best everywhere")


def test_what_no_line_crosses_and_where_one_ends_early(going: Dashboard, open_page: OpenPage) -> None:
    """By the clock nothing joins the rounds before and after an outage; a line without a last value has its name."""
    page = open_run(going, open_page, "?lines=1-2&from=0&to=9")
    page.evaluate(
        """() => {
          const chart = document.querySelector("meadow-chart"), { fillText } = CanvasRenderingContext2D.prototype;
          window.written = {};
          CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
            if (chart.contains(this.canvas)) window.written[text] = x;
            fillText.call(this, text, x, y);
          };
          for (let place = 5; place < chart.curve.rounds.length; place += 1) chart.curve.clients[1][place] = null;
          chart.draw();
        }"""
    )
    names: list[str] = page.evaluate("document.querySelector('meadow-chart').view.lines.map(({ name }) => name)")
    written = page.evaluate("window.written")
    assert written[names[0]] < written[names[1]], "where its line ends"

    page.locator(".toolbar").get_by_text("Time", exact=True).click()
    gaps = """(kind) => {
      const marks = document.querySelector("#run-marks"), chart = document.querySelector("meadow-chart[metric=loss]");
      marks.dataset.events = JSON.stringify([{ round: 3.5, kind }]);
      chart.rebuild();
      return new Promise((done) => requestAnimationFrame(() => done(chart.plot.series.at(-1)._paths.gaps.length)));
    }"""
    assert [page.evaluate(gaps, kind) for kind in ("stopped", "paused", "resumed")] == [0, 1, 1]


def test_without_scripts_a_chart_says_where_its_values_are(going: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{url_of(going)}/runs/1", java_script_enabled=False)
    chart = page.locator("meadow-chart").first
    expect(chart.locator(".plot")).to_be_hidden()
    expect(chart.get_by_text("The curve needs JavaScript; the table has its values.")).to_be_visible()
    chart.get_by_text("Values as a table").click()
    expect(chart.locator("tbody tr").first).to_be_visible()
