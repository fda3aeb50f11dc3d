/* <meadow-chart run metric>: the figure, the plot, the line under it and the table of one metric, kept up with the run. */

import { change, metric as write } from "../numbers.js";
import { buildPlot, columns } from "./plot.js";
import { Points } from "./points.js";
import { readView } from "./view.js";

class Chart extends HTMLElement {
  connectedCallback() {
    this.metric = this.getAttribute("metric");
    this.points = Points.of(Number(this.getAttribute("run")));
    this.holder = this.querySelector(".plot");
    this.section = this.closest("[data-charts]");
    this.cursor = null;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    addEventListener("meadow:theme", () => this.rebuild(), { signal });
    this.section.addEventListener("meadow:view", () => this.rebuild(), { signal });
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.holder);
    this.stop = this.points.listen((first) => this.update(first));
  }

  disconnectedCallback() {
    this.leaving.abort();
    this.sizes.disconnect();
    this.stop();
    this.plot?.destroy();
    this.plot = null;
  }

  /* New points from a place on: append them, or draw the first time. */
  update(first) {
    if (!this.plot) this.rebuild(); else this.plot.setData(columns(this.points, this.metric, this.view), !this.plot.zoomed);
    if (this.plot?.zoomed) this.plot.redraw();
    this.writeFigure();
    this.writeRows(first);
    this.writeReadout();
  }

  rebuild() {
    if (!this.points.rounds.length || !this.holder.clientWidth) return;
    const zoom = this.plot?.zoomed ? { min: this.plot.scales.x.min, max: this.plot.scales.x.max } : null;
    this.plot?.destroy();
    this.view = readView(this.section);
    this.plot = buildPlot(this.holder, this.points, this.metric, this.view, marksOf, {
      cursor: (place) => { this.cursor = place; this.writeReadout(); },
      drawn: () => this.dispatchEvent(new CustomEvent("meadow:drawn", { bubbles: true, detail: { metric: this.metric, round: this.points.rounds.at(-1) } })),
    });
    if (zoom) { this.plot.zoomed = true; this.plot.setScale("x", zoom); }
  }

  resize() {
    const width = this.holder.clientWidth;
    if (!this.plot) { if (width) this.rebuild(); return; }
    if (width && width !== this.plot.width) {
      if ((width < 400) !== (this.plot.width < 400)) this.rebuild(); else this.plot.setSize({ width, height: this.plot.height });
    }
  }

  writeFigure() {
    const { points, metric } = this, mean = points.values(metric, "mean"), place = mean.length - 1, best = points.best(metric);
    const put = (part, text) => { this.querySelector(`[data-part=${part}]`).textContent = text; };
    put("figure", points.oddOf(metric).has(place) ? "NaN" : write(mean[place], metric));
    put("change", place > 0 && mean[place] !== null && mean[place - 1] !== null ? `${change(mean[place], mean[place - 1], metric)} since round ${points.rounds[place - 1]}` : "");
    put("best", best >= 0 ? `best ${write(mean[best], metric)} in round ${points.rounds[best]}` : "");
    this.holder.setAttribute("aria-label", `${metric} by round: mean ${write(mean[place], metric)} in round ${points.rounds[place]}`
      + (best >= 0 ? `, best ${write(mean[best], metric)} in round ${points.rounds[best]}` : "") + "; the band shows the spread of clients");
  }

  writeRows(first) {
    const body = this.querySelector("tbody"), { points, metric } = this, band = points.band(metric);
    const last = Number(body.lastElementChild?.dataset.round ?? -1);
    for (let place = first; place < points.rounds.length; place += 1) {
      const round = points.rounds[place];
      if (round <= last) continue;
      const row = body.insertRow(), head = document.createElement("th"), mean = points.values(metric, "mean")[place];
      row.dataset.round = round;
      head.scope = "row";
      head.textContent = round;
      row.append(head);
      for (const value of [mean, band.min[place], band.max[place]]) {
        const cell = row.insertCell();
        cell.className = "num";
        cell.textContent = value === null && points.oddOf(metric).has(place) ? "NaN" : write(value, metric);
      }
    }
  }

  writeReadout() {
    const { points, metric } = this, place = this.cursor ?? points.rounds.length - 1, band = points.band(metric);
    const mean = points.oddOf(metric).has(place) ? "not a number" : write(points.values(metric, "mean")[place], metric);
    const parts = [`round ${points.rounds[place]}: mean ${mean}`];
    if (band.min[place] !== null) parts.push(`clients ${write(band.min[place], metric)} to ${write(band.max[place], metric)}`);
    if (this.cursor !== null) for (const line of this.view.lines) parts.push(`${line.name} ${write(points.values(metric, line.id)[place], metric)}`);
    this.querySelector(".readout").textContent = parts.join(", ");
  }
}

/* What happened between rounds, as the page last said: it stands in a fragment that is refreshed. */
function marksOf() {
  const holder = document.querySelector("#run-marks");
  return holder ? JSON.parse(holder.dataset.marks) : [];
}

customElements.define("meadow-chart", Chart);
