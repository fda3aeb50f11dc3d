/* <meadow-compare metric>: the curves of several runs on the same axes, by round, time or bytes; kept up while any goes on. */

import { face, ink } from "./charts/colours.js";
import { drawNames } from "./charts/marks.js";
import { duration, metric as write, size } from "./numbers.js";

const THIN = "\u202f";
const AXIS = { round: (step) => step.round, time: (step) => step.seconds, bytes: (step) => step.bytes };
const SAY = { round: (x) => `round ${Math.round(x)}`, time: (x) => `after ${duration(x)}`, bytes: (x) => `after ${size(x)}` };

let runs = [], target = null, asked = "", asking = false, again = false;

/* What the reader chose; it stands in the form, and in the address. */
function readView() {
  const form = document.querySelector("#compare-view");
  return { axis: form.elements.x.value || "round", smooth: Number(form.elements.smooth.value) };
}

const charts = () => document.querySelectorAll("meadow-compare");
const idsOf = () => document.querySelector("[data-compared]").dataset.compared;
const goalOf = () => document.querySelector("#compare-view").elements.target.value;

/* One request for all charts of the page; what commits meanwhile costs one more. */
async function refresh() {
  if (asking) { again = true; return; }
  asking = true;
  do {
    again = false;
    const ids = idsOf(), goal = goalOf();
    asked = `${ids}|${goal}`;
    const query = new URLSearchParams(ids.split(",").map((id) => ["id", id]));
    if (Number(goal) > 0) query.set("target", Number(goal) / 100);
    try {
      const answer = await fetch(`/api/runs/compare?${query}`);
      if (!answer.ok) throw new Error(`${answer.status}`);
      ({ items: runs, target } = await answer.json());
      for (const chart of charts()) chart.draw();
    } catch { /* the stream comes back, or a round commits: it is asked again */ }
  } while (again);
  asking = false;
}

/* An exponential mean; a gap stays a gap and does not pull. */
function smoothed(values, weight) {
  if (!weight) return values;
  let before = null;
  return values.map((value) => {
    if (value === null) return null;
    before = before === null ? value : weight * before + (1 - weight) * value;
    return before;
  });
}

class Compare extends HTMLElement {
  connectedCallback() {
    this.metric = this.getAttribute("metric");
    this.holder = this.querySelector(".plot");
    this.leaving = new AbortController();
    addEventListener("meadow:theme", () => this.draw(), { signal: this.leaving.signal });
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.holder);
  }

  disconnectedCallback() {
    this.leaving.abort();
    this.sizes.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  resize() {
    const width = this.holder.clientWidth;
    if (this.plot && width && width !== this.plot.width) this.draw();
  }

  columns(view) {
    const tables = runs.map((run) => [run.steps.map(AXIS[view.axis]), smoothed(run.steps.map((step) => step[this.metric]), view.smooth)]);
    return uPlot.join(tables);
  }

  draw() {
    if (!runs.length || !this.holder.clientWidth) return;
    this.plot?.destroy();
    const view = readView(), width = this.holder.clientWidth, narrow = width < 400;
    this.view = view;
    this.plot = new uPlot({
      width, height: Number(this.holder.dataset.height), legend: { show: false }, padding: [14, 44, 0, 0],
      cursor: { y: false, drag: { x: true, y: false }, sync: { key: "compare" }, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: (u, low, high) => range(this.metric, low, high) } },
      axes: [this.xAxis(view, narrow), this.yAxis(narrow)],
      series: [{}, ...runs.map((run, place) => ({
        stroke: () => ink(`c${place + 1}`), width: 2, dash: place > 3 ? [5, 3] : undefined, spanGaps: false,
        points: { show: run.steps.length === 1, size: 6 },
      }))],
      hooks: { draw: [(u) => this.drawBeside(u)], setCursor: [(u) => this.speak(u.cursor.idx ?? null)] },
    }, this.columns(view), this.holder);
    this.speak(null);
    this.dispatchEvent(new CustomEvent("meadow:drawn", { bubbles: true, detail: { metric: this.metric } }));
  }

  xAxis(view, narrow) {
    const text = { round: (x) => String(x), time: duration, bytes: size }[view.axis];
    const whole = view.axis === "round" ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] } : {};
    return { ...bare(narrow), ...whole, size: 24, gap: 4, space: view.axis === "round" ? 46 : 84, grid: { show: false }, ticks: { show: true, size: 4, width: 1, stroke: () => ink("line-2") }, values: (_, splits) => splits.map(text) };
  }

  yAxis(narrow) {
    const text = this.metric === "accuracy" ? (value) => `${Math.round(value * 100)}${THIN}%` : (value) => value.toFixed(2);
    return { ...bare(narrow), size: 46, gap: 6, space: 34, grid: { stroke: () => ink("line"), width: 1 }, ticks: { show: false }, values: (_, splits) => splits.map(text) };
  }

  drawBeside(u) {
    if (this.metric === "accuracy" && target !== null) drawTarget(u, target);
    const names = [];
    runs.forEach((run, place) => {
      const values = u.data[place + 1], last = values.findLastIndex((value) => value !== null && value !== undefined);
      if (last >= 0) names.push({ text: `#${run.id}`, value: values[last], x: u.data[0][last], token: `c${place + 1}`, strong: true });
    });
    drawNames(u, names);
  }

  /* The value of each run under the cursor, or its last one. */
  speak(place) {
    const { plot, view, metric } = this;
    if (!plot) return;
    const parts = runs.map((run, slot) => {
      const values = plot.data[slot + 1];
      let at = place ?? values.length - 1;
      while (at >= 0 && (values[at] === undefined || (place === null && values[at] === null))) at -= 1;
      return `#${run.id} ${write(at < 0 ? null : values[at], metric)}`;
    });
    this.querySelector(".readout").textContent = (place === null ? "last: " : `${SAY[view.axis](plot.data[0][place])}: `) + parts.join(", ");
  }
}

const bare = (narrow) => ({ stroke: () => ink("ink-2"), font: `${narrow ? 11 : 12}px ${face()}` });

function range(metric, low, high) {
  if (low === null || low === undefined || low > high) return [0, 1];
  if (metric === "accuracy") return [0, Math.min(1, Math.ceil(Math.max(high, target ?? 0) * 10 + 0.5) / 10)];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 0.1;
  return [low - room, high + room];
}

function drawTarget(u, value) {
  const ratio = devicePixelRatio, { ctx } = u, { left, width } = u.bbox, y = Math.round(u.valToPos(value, "y", true));
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = ink("ink-2");
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([2 * ratio, 4 * ratio]);
  ctx.beginPath(); ctx.moveTo(left, y); ctx.lineTo(left + width, y); ctx.stroke();
  ctx.font = `${11 * ratio}px ${face()}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText("target", left + 6 * ratio, y - 2 * ratio);
  ctx.restore();
}

document.addEventListener("input", ({ target: control }) => {
  if (!control.matches("#compare-view [name=smooth], #compare-view [name=x]")) return;
  if (control.name === "smooth") document.querySelector("[data-part=smooth]").textContent = Number(control.value).toFixed(2);
  for (const chart of charts()) chart.draw();
});
document.body.addEventListener("meadow:round", ({ detail }) => {
  if (document.querySelector("[data-compared]") && idsOf().split(",").includes(String(detail.run_id))) refresh();
});
document.addEventListener("htmx:after:swap", () => {
  if (document.querySelector("[data-compared]") && asked !== `${idsOf()}|${goalOf()}`) refresh();
});
customElements.define("meadow-compare", Compare);
if (document.querySelector("[data-compared]")) refresh();
