/* <meadow-experiment metric phase>: one metric of some configurations of an experiment, each as the mean over its seeds
   with a band of one standard deviation. */

import { X_AXES } from "./charts/axes.js";
import { colour, withAlpha } from "./charts/colours.js";
import { ChartElement } from "./charts/element.js";
import "./charts/save_buttons.js";
import { drawLabels } from "./charts/marks.js";
import { displayedValues, isMissing, lineSeries, openPlot } from "./charts/plot.js";
import { metric as write } from "./numbers.js";
import { atRoot } from "./root.js";

const SERIES = 3; // of a configuration: the upper edge of its band, the lower one, the mean
const edge = () => ({ width: 0, stroke: "transparent", points: { show: false } });

class Experiment extends ChartElement {
  connect(signal) {
    this.drawn = JSON.parse(this.section.dataset.drawn);
    this.curves = new Map(); // number of a configuration -> its curve
    this.isFetching = false;
    document.body.addEventListener("meadow:changed", () => this.fetch(), { signal });
    this.fetch();
  }

  disconnect() {}

  async fetch() {
    if (this.isFetching) return; // the next event asks again
    this.isFetching = true;
    const query = new URLSearchParams({ phase: this.phase, metric: this.metric });
    for (const { number } of this.drawn) query.append("configuration", number);
    try {
      const response = await fetch(atRoot(`/api/experiments/${this.section.dataset.experiment}/series?${query}`));
      if (response.ok && this.isConnected) {
        this.curves = new Map((await response.json()).items.map((one) => [one.configuration, one]));
        this.draw();
      }
    } catch { // the server is away: the next event asks again
    } finally {
      this.isFetching = false;
    }
  }

  hasData() {
    return [...this.curves.values()].some(({ rounds }) => rounds.length);
  }

  columns() {
    const displayed = (values) => displayedValues(values, this.view, this.metric);
    return uPlot.join(this.drawn.map(({ number }) => {
      const { rounds = [], high = [], low = [], mean = [] } = this.curves.get(number) ?? {};
      return [rounds, displayed(high), displayed(low), displayed(mean)];
    }));
  }

  build(handlers) {
    return openPlot(this.holder, {
      metric: this.metric,
      cursorGroup: "experiment",
      view: this.view,
      data: this.columns(),
      labelRoom: 44,
      firstMarked: 1,
      series: this.drawn.flatMap(({ slot }) => [
        edge(),
        edge(),
        lineSeries({ stroke: () => colour(`c${slot}`), width: 2, dash: slot > 4 ? [5, 3] : undefined, size: 6 }),
      ]),
      bands: this.drawn.map(({ slot }, i) => ({
        series: [SERIES * i + 1, SERIES * i + 2],
        fill: () => withAlpha(colour(`c${slot}`), 0.14),
      })),
      annotate: (u) => this.drawNumbers(u),
    }, handlers);
  }

  showRange() {}

  /* Write the number of each configuration where its line ends. */
  drawNumbers(u) {
    const xs = u.data[0], labels = [];
    this.drawn.forEach(({ number, slot }, i) => {
      const values = u.data[SERIES * (i + 1)], last = values.findLastIndex((value) => !isMissing(value));
      if (last < 0 || xs[last] < u.scales.x.min || xs[last] > u.scales.x.max) return;
      labels.push({ text: String(number), value: values[last], x: xs[last], token: `c${slot}`, strong: true });
    });
    drawLabels(u, labels);
  }

  /* Write the mean of each configuration under the cursor, or its last one. */
  writeReadout() {
    const { plot, cursor } = this;
    if (!plot) return;
    const parts = this.drawn.map(({ number }, i) => {
      const values = plot.data[SERIES * (i + 1)];
      let at = cursor ?? values.length - 1;
      while (at >= 0 && (values[at] === undefined || (cursor === null && values[at] === null))) at -= 1;
      return `${number}: ${write(values[at], this.metric)}`;
    });
    const position = cursor === null ? "last" : X_AXES.round.label(plot.data[0][cursor]);
    this.querySelector(".readout").textContent = `${position}, by configuration: ${parts.join(", ")}`;
  }

  get fileName() {
    return `experiment-${this.section.dataset.experiment}`;
  }

  get legend() {
    return this.drawn.map(({ name, slot }) => ({ text: name, token: `c${slot}` }));
  }
}

customElements.define("meadow-experiment", Experiment);
