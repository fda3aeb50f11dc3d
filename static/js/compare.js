/* <meadow-compare metric phase>: one metric of several runs on the same axes; it grows while any of them goes on. */

import { XS } from "./charts/axes.js";
import { face, ink } from "./charts/colours.js";
import { Curves } from "./charts/curves.js";
import { drawNames } from "./charts/marks.js";
import { line, none, openPlot, shaped } from "./charts/plot.js";
import { keepZoom, readView } from "./charts/view.js";
import { metric as write } from "./numbers.js";

class Compare extends HTMLElement {
  connectedCallback() {
    this.section = this.closest("[data-charts]");
    if (!this.section) return; // a morph puts it aside for a moment, out of its section
    this.metric = this.getAttribute("metric");
    this.phase = this.getAttribute("phase");
    this.holder = this.querySelector(".plot");
    this.runs = JSON.parse(this.section.dataset.compared);
    this.curves = new Map(); // id of a run -> its curve, once it has come
    this.cursor = null;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    addEventListener("meadow:theme", () => this.rebuild(), { signal });
    this.section.addEventListener("meadow:view", () => this.rebuild(), { signal });
    this.section.addEventListener("meadow:zoom", ({ detail }) => this.zoom(detail), { signal });
    document.addEventListener("htmx:after:swap", () => {
      if (this.goal !== goalOf(this.section, this.metric)) this.rebuild();
    }, { signal });
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.holder);
    this.sources = this.runs.map(({ id }) => Curves.of(id, this.phase));
    this.stops = this.sources.map((source) => source.listen(this.metric, (curve) => this.update(source.run, curve)));
  }

  disconnectedCallback() {
    if (!this.section) return;
    this.leaving.abort();
    this.sizes.disconnect();
    for (const stop of this.stops) stop();
    cancelAnimationFrame(this.due);
    this.due = 0;
    this.plot?.destroy();
    this.plot = null;
  }

  /* Runs that answer at the same time are drawn together. */
  update(run, curve) {
    this.curves.set(run, curve);
    this.due ||= requestAnimationFrame(() => {
      this.due = 0;
      if (this.plot) this.draw();
      else this.rebuild();
    });
  }

  columns() {
    const { column } = XS[this.view.x];
    return uPlot.join(this.runs.map(({ id }) => {
      const curve = this.curves.get(id);
      return curve ? [curve[column], shaped(curve.mean, this.view, this.metric)] : [[], []];
    }));
  }

  rebuild() {
    if (!this.curves.size || !this.holder.clientWidth) return;
    this.plot?.destroy();
    this.view = readView(this.section);
    const goal = this.goal = goalOf(this.section, this.metric);
    this.plot = openPlot(this.holder, {
      metric: this.metric,
      key: "compare",
      view: this.view,
      data: this.columns(),
      room: 44,
      high: goal,
      pointed: 1,
      series: this.runs.map((_, place) =>
        line({ stroke: () => ink(`c${place + 1}`), width: 2, dash: place > 3 ? [5, 3] : undefined, size: 6 })
      ),
      beside: (u) => {
        if (goal !== null) drawTarget(u, goal);
        this.drawEnds(u);
      },
    }, {
      cursor: (place) => {
        this.cursor = place;
        this.writeReadout();
      },
      zoom: (zoom) => {
        keepZoom(this.section, zoom);
        this.section.dispatchEvent(new CustomEvent("meadow:zoom", { detail: zoom }));
      },
      drawn: () =>
        this.dispatchEvent(new CustomEvent("meadow:drawn", { bubbles: true, detail: { metric: this.metric } })),
    });
    this.look();
    this.writeReadout();
  }

  draw() {
    this.plot.setData(this.columns());
    this.cursor = this.plot.cursor.idx ?? null;
    this.look();
    this.writeReadout();
  }

  zoom(range) {
    if (!this.plot) return;
    this.view.zoom = range;
    this.draw();
  }

  look() {
    for (const source of this.sources) source.look(XS[this.view.x].column, this.view.zoom);
  }

  resize() {
    const width = this.holder.clientWidth;
    if (!this.plot) {
      if (width) this.rebuild();
      return;
    }
    if (width && width !== this.plot.width) {
      if ((width < 400) !== (this.plot.width < 400)) this.rebuild();
      else this.plot.setSize({ width, height: this.plot.height });
    }
  }

  /* The number of each run where its line ends, or leaves the window. */
  drawEnds(u) {
    const xs = u.data[0], { min, max } = u.scales.x, names = [];
    this.runs.forEach(({ id }, place) => {
      const values = u.data[place + 1], at = xs.findLastIndex((x, i) => x >= min && x <= max && !none(values[i]));
      if (at < 0) return;
      const next = xs.findIndex((x, i) => x > max && !none(values[i]));
      const value = next < 0
        ? values[at]
        : values[at] + (values[next] - values[at]) * (max - xs[at]) / (xs[next] - xs[at]);
      names.push({ text: `#${id}`, value, x: next < 0 ? xs[at] : max, token: `c${place + 1}`, strong: true });
    });
    drawNames(u, names);
  }

  /* The value of each run under the cursor, or its last one. */
  writeReadout() {
    const { plot, cursor, metric } = this,
      parts = this.runs.map(({ id }, place) => {
        const values = plot?.data[place + 1] ?? [];
        let at = cursor ?? values.length - 1;
        while (at >= 0 && (values[at] === undefined || (cursor === null && values[at] === null))) at -= 1;
        return `#${id} ${write(values[at], metric)}`;
      });
    if (plot) {
      this.querySelector(".readout").textContent = `${
        cursor === null ? "last" : XS[this.view.x].words(plot.data[0][cursor])
      }: ${parts.join(", ")}`;
    }
  }

  /* What a file holds: who is who, and the values of what is seen. */
  get fileName() {
    return `runs-${this.runs.map(({ id }) => id).join("-")}`;
  }
  get legend() {
    return this.runs.map(({ id, name }, place) => ({ text: `#${id} ${name}`, token: `c${place + 1}` }));
  }
  get heads() {
    return ["metric", "run", "name", "round", "seconds", "bytes", "mean"];
  }
  get values() {
    const { column } = XS[this.view.x], { min, max } = this.plot.scales.x;
    return this.runs.flatMap(({ id, name }) => {
      const { rounds, work, bytes, mean, odd, [column]: xs } = this.curves.get(id);
      const rows = rounds.map((round, i) => ({
        x: xs[i],
        row: [this.metric, id, name, round, work[i], bytes[i], odd.get(round) ?? mean[i]],
      }));
      return rows.filter(({ x }) => x >= min && x <= max).map(({ row }) => row);
    });
  }
}

/* The target, in the chart of the metric that it is a value of. */
function goalOf(section, metric) {
  const { measure, target } = section.dataset;
  return measure === metric && target ? Number(target) : null;
}

function drawTarget(u, value) {
  const ratio = devicePixelRatio, { ctx } = u, { left, width } = u.bbox, y = Math.round(u.valToPos(value, "y", true));
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ink("ink-2");
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([2 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.font = `${11 * ratio}px ${face()}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText("target", left + 6 * ratio, y - 2 * ratio);
  ctx.restore();
}

customElements.define("meadow-compare", Compare);
