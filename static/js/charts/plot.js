/* One uPlot chart of one metric: the mean, the spread of clients as a band, chosen clients as lines. */

import { fade, face, ink } from "./colours.js";
import { drawBest, drawEvents, drawNames, drawOdd } from "./marks.js";

const THIN = "\u202f";
const FIRST_LINE = 5;                  // after x and the four edges of the band
const bare = () => ({ width: 0, stroke: "transparent", points: { show: false } });

/* Build a chart. view: { band, lines: [{ id, name, slot }] }; told: { cursor(place or null), drawn() }. */
export function buildPlot(holder, points, metric, view, marks, told) {
  const width = holder.clientWidth, narrow = width < 400;
  const line = (options) => ({ points: { show: true, filter: lonely, size: 4 }, spanGaps: false, ...options });
  const plot = new uPlot({
    width, height: Number(holder.dataset.height), legend: { show: false }, padding: [18, narrow ? 44 : 82, 0, 0],
    cursor: { y: false, drag: { x: true, y: false }, sync: { key: `run-${points.run}` }, points: { show: (_, i) => i >= FIRST_LINE, size: 7 } },
    scales: {
      x: { time: false, range: (u, min, max) => (u.zoomed ? [min, max] : [0, Math.max(1, points.rounds.at(-1) ?? 1)]) },
      y: { range: (u) => yRange(u, metric) },
    },
    axes: axes(metric, narrow),
    series: [
      {}, bare(), bare(), bare(), bare(),
      ...view.lines.map(({ slot }) => line({ stroke: () => ink(`c${slot}`), width: 1.5, dash: slot > 4 ? [5, 3] : undefined })),
      line({ stroke: () => ink("accent"), width: 2.5, points: { show: true, filter: lonely, size: 6, fill: () => ink("accent") } }),
    ],
    bands: view.band ? [[1, 2, 0.09], [2, 3, 0.2], [3, 4, 0.09]].map(([from, to, alpha]) => ({ series: [from, to], fill: () => fade(ink("accent"), alpha) })) : [],
    hooks: {
      draw: [(u) => { drawBeside(u, points, metric, view, marks(), narrow); told.drawn(); }],
      setCursor: [(u) => told.cursor(u.cursor.idx ?? null)],
      setSelect: [(u) => { u.zoomed = u.select.width > 0; }],
    },
  }, columns(points, metric, view), holder);
  plot.over.addEventListener("dblclick", () => { plot.zoomed = false; });
  return plot;
}

export function columns(points, metric, view) {
  const { max, high, low, min } = points.band(metric);
  return [points.rounds, max, high, low, min, ...view.lines.map(({ id }) => points.values(metric, id)), points.values(metric, "mean")];
}

/* A value between two gaps has no line: it is drawn as a dot. */
function lonely(u, index) {
  const values = u.data[index], none = (value) => value === null || value === undefined;
  const alone = [];
  for (let i = 0; i < values.length; i += 1) if (!none(values[i]) && none(values[i - 1]) && none(values[i + 1])) alone.push(i);
  return alone;
}

function yRange(u, metric) {
  let low = Infinity, high = -Infinity;
  for (const column of u.data.slice(1)) for (const value of column) if (value !== null && value !== undefined) { low = Math.min(low, value); high = Math.max(high, value); }
  if (low > high) return [0, 1];
  if (metric === "accuracy") return [0, Math.min(1, Math.ceil(high * 10 + 0.5) / 10)];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 0.1;
  return [low - room, high + room];
}

function axes(metric, narrow) {
  const font = `${narrow ? 11 : 12}px ${face()}`, stroke = () => ink("ink-2");
  const fine = (splits) => splits.some((value) => Math.abs(value * 10 - Math.round(value * 10)) > 1e-6);
  const text = metric === "accuracy" ? (value) => `${Math.round(value * 100)}${THIN}%` : (value, splits) => value.toFixed(fine(splits) ? 2 : 1);
  return [
    { stroke, font, size: 24, gap: 4, space: 46, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000], grid: { show: false }, ticks: { show: true, size: 4, width: 1, stroke: () => ink("line-2") } },
    { stroke, font, size: 46, gap: 6, space: 34, grid: { stroke: () => ink("line"), width: 1 }, ticks: { show: false }, values: (_, splits) => splits.map((value) => (value === null ? "" : text(value, splits))) },
  ];
}

function drawBeside(u, points, metric, view, marks, narrow) {
  drawEvents(u, marks);
  drawOdd(u, [...points.oddOf(metric)].map((place) => points.rounds[place]));
  const place = points.rounds.length - 1;
  if (place < 0) return;
  const mean = points.values(metric, "mean"), x = points.rounds[place], best = points.best(metric), up = metric === "accuracy";
  if (best >= 0 && place > 1) drawBest(u, points.rounds[best], mean[best]);
  const names = [];
  const name = (text, value, token, strong = false) => { if (value !== null && value !== undefined) names.push({ text, value, token, strong, x }); };
  name(`${narrow ? "" : "mean "}${mean[place] === null ? "" : up ? (mean[place] * 100).toFixed(1) : mean[place].toFixed(2)}`, mean[place], "accent", true);
  if (!narrow) {
    for (const line of view.lines) name(line.name, points.values(metric, line.id)[place], `c${line.slot}`);
    const { max, min } = points.band(metric);
    if (view.band && !view.lines.length && max[place] !== min[place]) {
      name(up ? "best client" : "worst client", max[place], "ink-2");
      name(up ? "worst client" : "best client", min[place], "ink-2");
    }
  }
  drawNames(u, names);
}
