/* One uPlot chart of one curve: the mean, the spread of clients as a band, chosen clients as lines. */

import { XS, axes } from "./axes.js";
import { fade, ink } from "./colours.js";
import { bestOf } from "./curves.js";
import { drawBest, drawEvents, drawNames, drawOdd } from "./marks.js";

const FIRST_LINE = 5;                  // after x and the four edges of the band
const bare = () => ({ width: 0, stroke: "transparent", points: { show: false } });
const none = (value) => value === null || value === undefined;
const isLog = (view, metric) => view.log && metric.endsWith("loss");

/* Build a chart. curve() is the curve as it stands; told: { cursor(place or null), zoom(range or null), drawn() }. */
export function buildPlot(holder, run, curve, view, marks, told) {
  const width = holder.clientWidth, narrow = width < 400, { metric } = curve(), log = isLog(view, metric);
  const line = (options) => ({ points: { show: true, filter: lonely, size: 4 }, spanGaps: false, ...options });
  const plot = new uPlot({
    width, height: Number(holder.dataset.height), legend: { show: false }, padding: [18, narrow ? 44 : 82, 0, 0],
    cursor: { y: false, drag: { x: true, y: false, setScale: false }, sync: { key: `run-${run}`, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } }, points: { show: (_, i) => i >= FIRST_LINE, size: 7 } },
    scales: {
      x: { time: false, range: (u) => rangeOfX(u, view) },
      y: { distr: log ? 3 : 1, range: (u, low, high) => rangeOfY(u, metric, log, low, high) },
    },
    axes: axes(metric, view.x, narrow, log),
    series: [
      {}, bare(), bare(), bare(), bare(),
      ...view.lines.map(({ slot }) => line({ stroke: () => ink(`c${slot}`), width: 1.5, dash: slot > 4 ? [5, 3] : undefined })),
      line({ stroke: () => ink("accent"), width: 2.5, points: { show: true, filter: lonely, size: 6, fill: () => ink("accent") } }),
    ],
    bands: view.band ? [[1, 2, 0.09], [2, 3, 0.2], [3, 4, 0.09]].map(([from, to, alpha]) => ({ series: [from, to], fill: () => fade(ink("accent"), alpha) })) : [],
    hooks: {
      draw: [(u) => { drawBeside(u, curve(), view, marks(), narrow); told.drawn(); }],
      setCursor: [(u) => told.cursor(u.cursor.idx ?? null)],
      setSelect: [(u) => {
        const { left, width: wide } = u.select;
        if (wide > 4) told.zoom(whole(u.posToVal(left, "x"), u.posToVal(left + wide, "x"), view));
        if (wide) u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }],
    },
  }, columns(curve(), view), holder);
  plot.over.addEventListener("dblclick", () => told.zoom(null));
  return plot;
}

/* A zoom ends at rounds, and holds at least two. */
function whole(min, max, view) {
  if (view.x !== "round") return { min, max };
  const low = Math.max(0, Math.round(min));
  return { min: low, max: Math.max(Math.round(max), low + 1) };
}

export function columns(curve, view) {
  const shape = (values) => smoothed(isLog(view, curve.metric) ? values.map((value) => (value > 0 ? value : null)) : values, view.smooth);
  const none = curve.rounds.map(() => null);
  return [
    curve[XS[view.x].column], ...["most", "high", "low", "least"].map((edge) => shape(curve[edge])),
    ...view.lines.map(({ id }) => shape(curve.clients[id] ?? none)), shape(curve.mean),
  ];
}

/* The exponential moving average; gaps stay gaps. */
function smoothed(values, weight) {
  if (!weight) return values;
  let last = null;
  return values.map((value) => (none(value) ? null : (last = last === null ? value : last * weight + value * (1 - weight))));
}

/* A value between two gaps has no line: it is drawn as a dot. */
function lonely(u, index) {
  const values = u.data[index], alone = [];
  for (let i = 0; i < values.length; i += 1) if (!none(values[i]) && none(values[i - 1]) && none(values[i + 1])) alone.push(i);
  return alone;
}

function rangeOfX(u, view) {
  if (view.zoom) return [view.zoom.min, view.zoom.max];
  const xs = u.data[0];
  return [view.x === "round" || !xs.length ? 0 : Math.min(0, xs[0]), Math.max(XS[view.x].least, xs.at(-1) ?? 0)];
}

function rangeOfY(u, metric, log, low, high) {
  if (none(low) || low > high) return [log ? 0.1 : 0, 1];
  if (log) return [low / 1.08, high * 1.08];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 0.1;
  if (metric !== "accuracy") return [low - room, high + room];
  return low < 0.35 || high - low > 0.3 ? [0, Math.min(1, Math.ceil(high * 10 + 0.5) / 10)] : [Math.max(0, low - room), Math.min(1, high + room)];
}

/* Where a moment between two rounds lies on the axis. */
function placeOf(curve, xs, round) {
  let right = curve.rounds.findIndex((known) => known >= round);
  if (right < 0) right = curve.rounds.length - 1;
  const left = Math.max(0, right - 1), span = curve.rounds[right] - curve.rounds[left] || 1;
  return xs[left] + (xs[right] - xs[left]) * Math.min(1, (round - curve.rounds[left]) / span);
}

function drawBeside(u, curve, view, marks, narrow) {
  const [xs, most, , , least] = u.data, mean = u.data.at(-1), { metric } = curve, place = mean.length - 1, up = !metric.endsWith("loss");
  if (place < 0) return;
  const inside = (x) => x >= u.scales.x.min && x <= u.scales.x.max;
  drawEvents(u, marks.map((mark) => ({ ...mark, x: placeOf(curve, xs, mark.round) })).filter(({ x }) => inside(x)));
  drawOdd(u, [...curve.odd.keys()].map((round) => xs[curve.rounds.indexOf(round)]).filter(inside));
  const best = bestOf(curve);
  if (best >= 0 && place > 1 && inside(xs[best])) drawBest(u, xs[best], mean[best]);
  let end = place;
  while (end > 0 && !inside(xs[end])) end -= 1;
  const names = [], name = (text, value, token, strong = false) => { if (!none(value)) names.push({ text, value, token, strong, x: view.zoom ? u.scales.x.max : xs[end] }); };
  name(`${narrow ? "" : "mean "}${none(mean[end]) ? "" : metric === "accuracy" ? (mean[end] * 100).toFixed(1) : mean[end].toPrecision(3)}`, mean[end], "accent", true);
  if (!narrow) {
    view.lines.forEach((one, i) => name(one.name.length > 12 ? `${one.name.slice(0, 11)}…` : one.name, u.data[FIRST_LINE + i][end], `c${one.slot}`));
    if (view.band && !view.lines.length && most[end] !== least[end]) {
      name(up ? "best client" : "worst client", most[end], "ink-2");
      name(up ? "worst client" : "best client", least[end], "ink-2");
    }
  }
  drawNames(u, names);
}
