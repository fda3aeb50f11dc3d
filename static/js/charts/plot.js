/* One uPlot chart with what all charts of a page share: their axes, their zoom, their cursor, their height. */

import { axes, XS } from "./axes.js";

export const none = (value) => value === null || value === undefined;
const isLog = (view, metric) => view.log && metric.endsWith("loss");

/* Build a chart of one metric into an element.
   of: { metric, key, view, data, series, bands, room, high, pointed, beside(u) }; series without x; key is that of the
   charts whose cursors are one; room is what names need at the right; high is a value that must be seen; pointed is the
   first series that the cursor marks; told: { cursor(place or null), zoom(range or null), drawn() }. */
export function openPlot(holder, of, told) {
  const width = holder.clientWidth, { metric, view } = of, log = isLog(view, metric);
  const plot = new uPlot(
    {
      width,
      height: Number(holder.dataset.height),
      legend: { show: false },
      padding: [18, of.room, 0, 0],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        sync: {
          key: of.key,
          scales: ["x", null],
          filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
        },
        points: { show: (_, i) => i >= of.pointed, size: 7 },
      },
      scales: {
        x: { time: false, range: (u) => rangeOfX(u, view) },
        y: {
          distr: log ? 3 : 1,
          range: (_u, low, high) =>
            rangeOfY(metric, log, low, none(high) || none(of.high) ? high : Math.max(high, of.high)),
        },
      },
      axes: axes(metric, view.x, width < 400, log),
      series: [{}, ...of.series],
      bands: of.bands ?? [],
      hooks: {
        draw: [(u) => {
          of.beside(u);
          told.drawn();
        }],
        setCursor: [(u) => told.cursor(u.cursor.idx ?? null)],
        setSelect: [(u) => {
          const { left, width: wide } = u.select;
          if (wide > 4) told.zoom(whole(u.posToVal(left, "x"), u.posToVal(left + wide, "x"), view));
          if (wide) u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
      },
    },
    of.data,
    holder,
  );
  plot.over.addEventListener("dblclick", () => told.zoom(null));
  return plot;
}

/* A line with gaps; a value between two gaps has none, it is drawn as a dot. breaks() are the places before which a
   line is open although no value is missing there. */
export const line = ({ size = 4, breaks = nowhere, ...more }) => ({
  spanGaps: false,
  gaps: opened(breaks),
  ...more,
  points: { show: true, filter: (u, index) => lonely(u.data[index], breaks()), size, ...more.points },
});

const nowhere = () => [];

/* The gaps that uPlot found and those of the breaks, in pixels and from left to right; none ends before the one on its
   left. */
export const opened = (breaks) => (u, _index, _from, _to, found) => {
  const at = (place) => u.valToPos(u.data[0][place], "x", true);
  const gaps = [...found, ...breaks().map((place) => [at(place - 1), at(place)])].sort(([a], [b]) => a - b);
  for (let i = 1; i < gaps.length; i += 1) gaps[i][1] = Math.max(gaps[i][1], gaps[i - 1][1]);
  return gaps;
};

function lonely(values, breaks) {
  const alone = [];
  let place = -1, open = true; // the value before, and whether a gap is on its left
  const end = () => {
    if (place >= 0 && open) alone.push(place);
  };
  values.forEach((value, i) => {
    if (breaks.includes(i)) {
      end();
      place = -1;
      open = true;
    }
    if (value === undefined) return; // another run's place: no gap
    if (value === null) {
      end();
      place = -1;
      open = true;
    } else {
      open = place < 0;
      place = i;
    }
  });
  end();
  return alone;
}

/* Values as they are drawn: smoothed by the exponential moving average, gaps stay gaps; nothing below zero on a
   logarithmic axis. */
export function shaped(values, view, metric) {
  const seen = isLog(view, metric) ? values.map((value) => (value > 0 ? value : null)) : values;
  if (!view.smooth) return seen;
  let last = null;
  return seen.map((
    value,
  ) => (none(value) ? value : (last = last === null ? value : last * view.smooth + value * (1 - view.smooth))));
}

/* A zoom ends at rounds, and holds at least two. */
function whole(min, max, view) {
  if (view.x !== "round") return { min, max };
  const low = Math.max(0, Math.round(min));
  return { min: low, max: Math.max(Math.round(max), low + 1) };
}

function rangeOfX(u, view) {
  if (view.zoom) return [view.zoom.min, view.zoom.max];
  const xs = u.data[0];
  return [view.x === "round" || !xs.length ? 0 : Math.min(0, xs[0]), Math.max(XS[view.x].least, xs.at(-1) ?? 0)];
}

function rangeOfY(metric, log, low, high) {
  if (none(low) || low > high) return [log ? 0.1 : 0, 1];
  if (log) return [low / 1.08, high * 1.08];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 0.1;
  if (metric !== "accuracy") return [low - room, high + room];
  return low < 0.35 || high - low > 0.3
    ? [0, Math.min(1, Math.ceil(high * 20 + 0.1) / 20)]
    : [Math.max(0, low - room), Math.min(1, high + room)];
}
