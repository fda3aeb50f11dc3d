/* The plot of one run's metric: the mean, the spread of clients as a band, chosen clients as lines, what happened
   beside. */

import { loss } from "../numbers.js";
import { XS } from "./axes.js";
import { fade, ink } from "./colours.js";
import { bestOf } from "./curves.js";
import { drawBest, drawEvents, drawNames, drawOdd } from "./marks.js";
import { line, none, opened, openPlot, shaped } from "./plot.js";

const FIRST_LINE = 5; // after x and the four edges of the band
const bare = (breaks) => ({ width: 0, stroke: "transparent", points: { show: false }, gaps: opened(breaks) });

/* curve() is the curve as it stands, marks() what happened between rounds. */
export function buildPlot(holder, run, curve, view, marks, told) {
  const narrow = holder.clientWidth < 400, breaks = () => breaksOf(curve(), view, marks());
  return openPlot(holder, {
    metric: curve().metric,
    key: `run-${run}`,
    view,
    data: columns(curve(), view),
    room: narrow ? 44 : 82,
    pointed: FIRST_LINE,
    series: [
      bare(breaks),
      bare(breaks),
      bare(breaks),
      bare(breaks),
      ...view.lines.map(({ slot }) =>
        line({ breaks, stroke: () => ink(`c${slot}`), width: 1.5, dash: slot > 4 ? [5, 3] : undefined })
      ),
      line({ breaks, stroke: () => ink("accent"), width: 2.5, size: 6, points: { fill: () => ink("accent") } }),
    ],
    bands: view.band
      ? [[1, 2, 0.09], [2, 3, 0.2], [3, 4, 0.09]].map(([from, to, alpha]) => ({
        series: [from, to],
        fill: () => fade(ink("accent"), alpha),
      }))
      : [],
    beside: (u) => drawBeside(u, curve(), view, marks(), narrow),
  }, told);
}

export function columns(curve, view) {
  const shape = (values) => shaped(values, view, curve.metric), empty = curve.rounds.map(() => null);
  return [
    curve[XS[view.x].column],
    ...["most", "high", "low", "least"].map((edge) => shape(curve[edge])),
    ...view.lines.map(({ id }) => shape(curve.clients[id] ?? empty)),
    shape(curve.mean),
  ];
}

/* Where a moment between two rounds lies on the axis. */
function placeOf(curve, xs, round) {
  let right = curve.rounds.findIndex((known) => known >= round);
  if (right < 0) right = curve.rounds.length - 1;
  const left = Math.max(0, right - 1), span = curve.rounds[right] - curve.rounds[left] || 1;
  return xs[left] + (xs[right] - xs[left]) * Math.min(1, (round - curve.rounds[left]) / span);
}

/* By the clock, nothing is drawn across the time in which a run was over before it was resumed. */
function breaksOf(curve, view, marks) {
  if (view.x !== "clock") return [];
  const places = marks.filter(({ kind }) => kind === "resumed").map(({ round }) =>
    curve.rounds.findIndex((known) => known >= round)
  );
  return [...new Set(places)].filter((place) => place > 0);
}

function drawBeside(u, curve, view, marks, narrow) {
  const [xs, most, , , least] = u.data,
    mean = u.data.at(-1),
    { metric } = curve,
    place = mean.length - 1,
    up = !metric.endsWith("loss");
  if (place < 0) return;
  const inside = (x) => x >= u.scales.x.min && x <= u.scales.x.max;
  drawEvents(u, marks.map((mark) => ({ ...mark, x: placeOf(curve, xs, mark.round) })).filter(({ x }) => inside(x)));
  drawOdd(u, [...curve.odd.keys()].map((round) => xs[curve.rounds.indexOf(round)]).filter(inside));
  const best = bestOf(curve);
  if (best >= 0 && place > 1 && inside(xs[best])) drawBest(u, xs[best], mean[best]);
  let end = place;
  while (end > 0 && !inside(xs[end])) end -= 1;
  const names = [],
    name = (text, value, token, strong = false, at = end) => {
      if (!none(value)) {
        names.push({ text, value, token, strong, x: view.zoom && at === end ? u.scales.x.max : xs[at] });
      }
    };
  name(
    `${narrow ? "" : "mean "}${
      none(mean[end]) ? "" : metric === "accuracy" ? (mean[end] * 100).toFixed(1) : loss(mean[end])
    }`,
    mean[end],
    "accent",
    true,
  );
  if (!narrow) {
    view.lines.forEach((one, i) => {
      const values = u.data[FIRST_LINE + i];
      let at = end;
      while (at >= 0 && (none(values[at]) || !inside(xs[at]))) at -= 1;
      name(one.name.length > 12 ? `${one.name.slice(0, 11)}…` : one.name, values[at], `c${one.slot}`, false, at);
    });
    if (view.band && !view.lines.length && most[end] !== least[end]) {
      name(up ? "best client" : "worst client", most[end], "ink-2");
      name(up ? "worst client" : "best client", least[end], "ink-2");
    }
  }
  drawNames(u, names);
}
