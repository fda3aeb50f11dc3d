/* <meadow-compare metric phase>: one metric of several runs on the same axes; the lines follow the runs. */

import { X_AXES } from "./charts/axes.js";
import { colour } from "./charts/colours.js";
import { Curves } from "./charts/curves.js";
import { ChartElement } from "./charts/element.js";
import { drawLabels, drawTarget } from "./charts/marks.js";
import { displayedValues, isMissing, lineSeries, openPlot } from "./charts/plot.js";
import { metric as write } from "./numbers.js";

class Compare extends ChartElement {
  connect(signal) {
    this.runs = JSON.parse(this.section.dataset.compared);
    this.curves = new Map(); // id of a run -> its curve, once it has come
    this.frame = 0;
    document.addEventListener("htmx:after:swap", () => {
      if (this.target !== this.readTarget()) this.rebuild();
    }, { signal });
    this.sources = this.runs.map(({ id }) => Curves.of(id, this.phase));
    this.unsubscribes = this.sources.map((source) =>
      source.subscribe(this.metric, (curve) => this.update(source.run, curve))
    );
  }

  disconnect() {
    for (const unsubscribe of this.unsubscribes) unsubscribe();
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  /* Runs whose values arrive together are drawn together. */
  update(run, curve) {
    this.curves.set(run, curve);
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  hasData() {
    return this.curves.size > 0;
  }

  columns() {
    const { column } = X_AXES[this.view.x];
    return uPlot.join(this.runs.map(({ id }) => {
      const curve = this.curves.get(id);
      return curve ? [curve[column], displayedValues(curve.mean, this.view, this.metric)] : [[], []];
    }));
  }

  /* The target of the comparison, in the chart of its metric; null in the others. */
  readTarget() {
    const { measure, target } = this.section.dataset;
    return measure === this.metric && target ? Number(target) : null;
  }

  build(handlers) {
    const target = this.target = this.readTarget();
    return openPlot(this.holder, {
      metric: this.metric,
      cursorGroup: "compare",
      view: this.view,
      data: this.columns(),
      labelRoom: 44,
      include: target,
      firstMarked: 1,
      series: this.runs.map(({ slot }) =>
        lineSeries({ stroke: () => colour(`c${slot}`), width: 2, dash: slot > 4 ? [5, 3] : undefined, size: 6 })
      ),
      annotate: (u) => {
        if (target !== null) drawTarget(u, target);
        this.drawRunLabels(u);
      },
    }, handlers);
  }

  showRange() {
    for (const source of this.sources) source.showRange(X_AXES[this.view.x].column, this.view.zoom);
  }

  /* Label each run where its line ends, or where it leaves the visible range. */
  drawRunLabels(u) {
    const xs = u.data[0], { min, max } = u.scales.x, labels = [];
    this.runs.forEach(({ id, slot }, i) => {
      const values = u.data[i + 1];
      const last = xs.findLastIndex((x, index) => x >= min && x <= max && !isMissing(values[index]));
      if (last < 0) return;
      const next = xs.findIndex((x, index) => x > max && !isMissing(values[index]));
      const share = next < 0 ? 0 : (max - xs[last]) / (xs[next] - xs[last]);
      const value = values[last] * (1 - share) + (next < 0 ? 0 : values[next] * share);
      labels.push({ text: `#${id}`, value, x: next < 0 ? xs[last] : max, token: `c${slot}`, strong: true });
    });
    drawLabels(u, labels);
  }

  /* Write the value of each run under the cursor, or its last one. */
  writeReadout() {
    const { plot, cursor } = this;
    if (!plot) return;
    const parts = this.runs.map(({ id }, i) => {
      const values = plot.data[i + 1];
      let at = cursor ?? values.length - 1;
      while (at >= 0 && (values[at] === undefined || (cursor === null && values[at] === null))) at -= 1;
      return `#${id} ${write(values[at], this.metric)}`;
    });
    const position = cursor === null ? "last" : X_AXES[this.view.x].label(plot.data[0][cursor]);
    this.querySelector(".readout").textContent = `${position}: ${parts.join(", ")}`;
  }

  get fileName() {
    return `runs-${this.runs.map(({ id }) => id).join("-")}`;
  }

  get legend() {
    return this.runs.map(({ id, name, slot }) => ({ text: `#${id} ${name}`, token: `c${slot}` }));
  }

  get header() {
    return ["metric", "run", "name", "round", "seconds", "bytes", "mean", "clients", "samples", "data"];
  }

  /* The values of the visible rounds of each run. */
  get rows() {
    const { column } = X_AXES[this.view.x], { min, max } = this.plot.scales.x;
    return this.runs.flatMap(({ id, name }) => {
      const curve = this.curves.get(id);
      if (!curve) return []; // its series has not come
      const { rounds, work, bytes, mean, odd, reported_by, samples, data, [column]: xs } = curve;
      const rows = rounds.map((round, i) => {
        const value = odd.get(round) ?? mean[i];
        return [this.metric, id, name, round, work[i], bytes[i], value, reported_by[i], samples[i], data];
      });
      return rows.filter((_, i) => xs[i] >= min && xs[i] <= max);
    });
  }
}

customElements.define("meadow-compare", Compare);
