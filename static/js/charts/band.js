/* The plot of one metric of a run: the mean, the spread of clients as a band, selected clients as lines, and the events
   of the run. */

import { loss } from "../numbers.js";
import { X_AXES } from "./axes.js";
import { colour, withAlpha } from "./colours.js";
import { drawBest, drawEvents, drawLabels, drawNotFinite } from "./marks.js";
import { displayedValues, isMissing, isNarrow, lineSeries, openPlot, withBreaks } from "./plot.js";

const EDGES = ["most", "high", "low", "least"]; // of the band, from above
const FIRST_CLIENT = 1 + EDGES.length; // index of the first series of a client; x is series 0
const NAME_LENGTH = 12;
const edgeSeries = (breaks) => ({ width: 0, stroke: "transparent", points: { show: false }, gaps: withBreaks(breaks) });
const bands = () =>
  [[1, 2, 0.09], [2, 3, 0.2], [3, 4, 0.09]].map(([from, to, alpha]) => ({
    series: [from, to],
    fill: () => withAlpha(colour("accent"), alpha),
  }));

/* curve() returns the present curve, marks.events() the present events of the run, marks.best() an object with its best
   round. */
export function buildRunPlot(holder, run, curve, view, { events, best }, handlers) {
  const narrow = isNarrow(holder.clientWidth), breaks = () => resumedIndices(curve(), view, events());
  const clientSeries = view.lines.map(({ slot }) =>
    lineSeries({ breaks, stroke: () => colour(`c${slot}`), width: 1.5, dash: slot > 4 ? [5, 3] : undefined })
  );
  const accent = () => colour("accent");
  return openPlot(holder, {
    metric: curve().metric,
    cursorGroup: `run-${run}`,
    view,
    data: columnsOf(curve(), view),
    labelRoom: narrow ? 44 : 82,
    firstMarked: FIRST_CLIENT,
    series: [
      ...EDGES.map(() => edgeSeries(breaks)),
      ...clientSeries,
      lineSeries({ breaks, stroke: () => colour("ink"), width: 1.5, dash: [6, 4] }),
      lineSeries({ breaks, stroke: accent, width: 2.5, size: 6, points: { fill: accent } }),
    ],
    bands: view.band ? bands() : [],
    annotate: (u) => annotate(u, curve(), view, events(), best(), narrow),
  }, handlers);
}

/* The columns of the plot: x, the edges of the band, the clients, the server, the mean. */
export function columnsOf(curve, view) {
  const displayed = (values) => displayedValues(values, view, curve.metric), none = curve.rounds.map(() => null);
  return [
    curve[X_AXES[view.x].column],
    ...EDGES.map((edge) => displayed(curve[edge])),
    ...view.lines.map(({ id }) => displayed(curve.clients[id] ?? none)),
    displayed(curve.rounds.map((round) => curve.server[round] ?? null)),
    displayed(curve.mean),
  ];
}

/* The x of an event: its `round` may be a fraction, which lies between two rounds. */
export function eventPosition(curve, xs, round) {
  let right = curve.rounds.findIndex((known) => known >= round);
  if (right < 0) right = curve.rounds.length - 1;
  const left = Math.max(0, right - 1), span = curve.rounds[right] - curve.rounds[left] || 1;
  return xs[left] + (xs[right] - xs[left]) * Math.min(1, (round - curve.rounds[left]) / span);
}

/* The indices of the rounds before which the run was paused, or had ended and was resumed. With time as x, no line
   crosses that: a mark stands there. */
export function resumedIndices(curve, view, events) {
  if (view.x !== "clock") return [];
  const resting = events.filter(({ kind }) => kind === "resumed" || kind === "paused");
  const indices = resting.map(({ round }) => curve.rounds.findIndex((known) => known >= round));
  return [...new Set(indices)].filter((index) => index > 0);
}

function annotate(u, curve, view, events, best, narrow) {
  const [xs] = u.data, mean = u.data.at(-1);
  if (!mean.length) return;
  const isVisible = (x) => x >= u.scales.x.min && x <= u.scales.x.max;
  const positions = events.map((event) => ({ ...event, x: eventPosition(curve, xs, event.round) }));
  drawEvents(u, positions.filter(({ x }) => isVisible(x)));
  drawNotFinite(u, [...curve.odd.keys()].map((round) => xs[curve.rounds.indexOf(round)]).filter(isVisible));
  const index = curve.rounds.indexOf(best.round);
  if (index >= 0 && mean.length > 2 && isVisible(xs[index])) drawBest(u, xs[index], mean[index]);
  drawLabels(u, labels(u, curve, view, isVisible, narrow));
}

/* What the clients at the upper and the lower edge of the band are called. */
export function edgeNames(lessIsBetter) {
  if (lessIsBetter === null) return ["maximum", "minimum"];
  return lessIsBetter ? ["worst client", "best client"] : ["best client", "worst client"];
}

/* The labels at the ends of the mean, of the clients, and of the band where no client is shown. */
function labels(u, curve, view, isVisible, narrow) {
  const [xs, most, , , least] = u.data, mean = u.data.at(-1), { metric } = curve;
  let end = mean.length - 1;
  while (end > 0 && !isVisible(xs[end])) end -= 1;
  const found = [];
  const add = (text, value, token, more = {}, index = end) => {
    const x = view.zoom && index === end ? u.scales.x.max : xs[index];
    if (!isMissing(value)) found.push({ text, value, token, x, ...more });
  };
  const short = (value) => (metric === "accuracy" ? (value * 100).toFixed(1) : loss(value));
  add(`${narrow ? "" : "mean "}${isMissing(mean[end]) ? "" : short(mean[end])}`, mean[end], "accent", { strong: true });
  if (narrow) return found;
  const server = u.data.at(-2), lastKnown = server.findLastIndex((value, i) => i <= end && !isMissing(value));
  if (lastKnown >= 0) add(`server ${short(server[lastKnown])}`, server[lastKnown], "ink", {}, lastKnown);
  view.lines.forEach(({ name, slot }, i) => {
    const values = u.data[FIRST_CLIENT + i];
    let last = end;
    while (last >= 0 && (isMissing(values[last]) || !isVisible(xs[last]))) last -= 1;
    add(name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name, values[last], `c${slot}`, {}, last);
  });
  if (view.band && !view.lines.length && most[end] !== least[end]) {
    const [high, low] = edgeNames(curve.less_is_better);
    add(high, most[end], "ink-2");
    add(low, least[end], "ink-2");
  }
  return found;
}
