/* One uPlot chart, with what all charts of a page have in common: axes, zoom, cursor, height, lines with gaps. */

import { drawYAxis, X_AXES, xAxis, Y_AXIS_WIDTH } from "./axes.js";

const NARROW = 400; // pixels
const MIN_DRAG = 4; // pixels; a shorter one is a click

export const isMissing = (value) => value === null || value === undefined;
export const isNarrow = (width) => width < NARROW;
const isLog = (view, metric) => view.log && metric.endsWith("loss");

/* Build the chart of one metric into an element.
   content: metric; view; data (columns, the first is x); series (without that of x); bands; cursorGroup (charts of one
   group share their cursor); labelRoom (pixels for labels at the right); include (a value that must be visible, or
   null); firstMarked (the first series that the cursor marks); annotate(u) (draws over the lines).
   handlers: cursor(index or null), zoom(range or null), drawn(). */
export function openPlot(holder, content, handlers) {
  const width = holder.clientWidth, narrow = isNarrow(width), { metric, view, include = null } = content;
  const log = isLog(view, metric);
  const included = (high) => isMissing(high) || include === null ? high : Math.max(high, include);
  const options = {
    width,
    height: Number(holder.dataset.height),
    legend: { show: false },
    padding: [18, content.labelRoom, 0, Y_AXIS_WIDTH],
    cursor: cursorOptions(content),
    scales: {
      x: { time: false, range: (u) => xRange(u.data[0], view) },
      y: { ...(log ? { distr: 3 } : QUARTERED), range: (_u, low, high) => yRange(metric, log, low, included(high)) },
    },
    axes: [xAxis(view.x, narrow), { show: false }],
    series: [{}, ...content.series],
    bands: content.bands ?? [],
    hooks: {
      drawAxes: [(u) => drawYAxis(u, metric, log, narrow)],
      draw: [content.annotate, () => handlers.drawn()],
      setCursor: [(u) => handlers.cursor(u.cursor.idx ?? null)],
      setSelect: [(u) => selectZoom(u, view, handlers)],
    },
  };
  const plot = new uPlot(options, content.data, holder);
  plot.over.addEventListener("dblclick", () => handlers.zoom(null));
  return plot;
}

const cursorOptions = ({ cursorGroup, firstMarked }) => ({
  y: false,
  drag: { x: true, y: false, setScale: false },
  sync: {
    key: cursorGroup,
    scales: ["x", null],
    filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
  },
  points: { show: (_, i) => i >= firstMarked, size: 7 },
});

/* Report the range that the pointer has dragged, and remove the selection. */
function selectZoom(u, view, handlers) {
  const { left, width } = u.select;
  if (width > MIN_DRAG) handlers.zoom(zoomRange(u.posToVal(left, "x"), u.posToVal(left + width, "x"), view));
  if (width) u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/* uPlot subtracts the lower end of a scale from the upper one: a quarter of two finite numbers has a finite
   difference. */
const QUARTERED = { distr: 100, fwd: (value) => value / 4, bwd: (value) => value * 4 };

const noBreaks = () => [];

/* The uPlot series of a line with gaps; a value between two gaps is drawn as a dot. breaks() returns the indices before
   which the line is open although no value is missing. */
export const lineSeries = ({ size = 4, breaks = noBreaks, ...more }) => ({
  spanGaps: false,
  gaps: withBreaks(breaks),
  ...more,
  points: { show: true, filter: (u, index) => isolatedIndices(u.data[index], breaks()), size, ...more.points },
});

/* The gaps that uPlot found together with those of the breaks, in pixels and from left to right; no gap ends before the
   one on its left, because uPlot draws from the end of each gap to the start of the next one. */
export const withBreaks = (breaks) => (u, _index, _from, _to, found) => {
  const position = (index) => u.valToPos(u.data[0][index], "x", true);
  const gaps = [...found, ...breaks().map((index) => [position(index - 1), position(index)])].sort(([a], [b]) => a - b);
  for (let i = 1; i < gaps.length; i += 1) gaps[i][1] = Math.max(gaps[i][1], gaps[i - 1][1]);
  return gaps;
};

/* The indices of values that have a gap on both sides. Null is a gap; undefined is none: another run has
   the x there. */
export function isolatedIndices(values, breaks = []) {
  const isolated = [];
  let previous = -1, hasGapBefore = true;
  const close = () => {
    if (previous >= 0 && hasGapBefore) isolated.push(previous);
    previous = -1;
    hasGapBefore = true;
  };
  values.forEach((value, i) => {
    if (value === null || breaks.includes(i)) close();
    if (isMissing(value)) return;
    hasGapBefore = previous < 0;
    previous = i;
  });
  close();
  return isolated;
}

/* The values as they are drawn: smoothed by an exponential moving average, in which gaps stay gaps. A logarithmic axis
   has no place for values that are not positive. */
export function displayedValues(values, view, metric) {
  const visible = isLog(view, metric) ? values.map((value) => (value > 0 ? value : null)) : values;
  if (!view.smooth) return visible;
  let average = null;
  return visible.map((value) => {
    if (isMissing(value)) return value;
    average = average === null ? value : average * view.smooth + value * (1 - view.smooth);
    return average;
  });
}

/* A zoom by rounds ends at whole rounds and holds at least two. */
export function zoomRange(min, max, view) {
  if (view.x !== "round") return { min, max };
  const low = Math.max(0, Math.round(min));
  return { min: low, max: Math.max(Math.round(max), low + 1) };
}

export function xRange(xs, view) {
  if (view.zoom) return [view.zoom.min, view.zoom.max];
  const low = view.x === "round" || !xs.length ? 0 : Math.min(0, xs[0]);
  return [low, Math.max(X_AXES[view.x].least, xs.at(-1) ?? 0)];
}

/* The ends of a y axis for values between two finite numbers, or for none (null). */
export function yRange(metric, log, low, high) {
  if (isMissing(low) || low > high) return log ? [0.1, 1] : [0, 1];
  if (log) return [Math.max(low / 1.08, Number.MIN_VALUE), Math.min(high * 1.08, Number.MAX_VALUE)];
  if (metric === "accuracy" && low >= 0 && high <= 1 && (low < 0.35 || high - low > 0.3)) {
    return [0, Math.min(1, Math.ceil(high * 20 + 0.1) / 20)];
  }
  const margin = high * 0.06 - low * 0.06 || Math.abs(high) * 0.06 || 0.1;
  const [bottom, top] = [Math.max(low - margin, -Number.MAX_VALUE), Math.min(high + margin, Number.MAX_VALUE)];
  return metric === "accuracy" && low >= 0 && high <= 1 ? [Math.max(0, bottom), Math.min(1, top)] : [bottom, top];
}
