/* The x axes that a chart can have (rounds, active time of the run, time spent in rounds, bytes sent), and the ticks of
   both axes. */

import { duration, size } from "../numbers.js";
import { colour, fontFamily } from "./colours.js";

const THIN = "\u202f";
const MINUS = "\u2212";
const ROUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];
// deno-fmt-ignore
const SECONDS = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400,
  172800, 604800,
];
const STEPS = [1, 2, 2.5, 5, 10];
// deno-fmt-ignore
const LOG_STEPS = [
  [1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9],
];

export const Y_AXIS_WIDTH = 46;
const LINEAR_TICK_SPACE = 34;
const LOG_TICK_SPACE = 20;

/* column: name of the column of a curve; steps: distances between ticks; tick and label write a value beside the axis
   and in a sentence; least: the shortest axis. */
export const X_AXES = {
  round: { column: "rounds", steps: ROUNDS, tick: String, label: (value) => `round ${value}`, least: 1 },
  clock: {
    column: "seconds",
    steps: SECONDS,
    tick: timeTick,
    label: (value) => `after ${duration(value)}`,
    least: 0.01,
  },
  time: { column: "work", steps: SECONDS, tick: timeTick, label: (value) => `after ${duration(value)}`, least: 0.01 },
  bytes: { column: "bytes", steps: undefined, tick: size, label: (value) => `traffic ${size(value)}`, least: 1 },
};

/* Write seconds in the unit of the step between two ticks. */
export function timeTick(seconds, step) {
  if (seconds === 0) return "0";
  if (step < 60) return `${Number(seconds.toFixed(2))}${THIN}s`;
  if (step < 3600) return `${Math.round(seconds / 60)}${THIN}min`;
  return step < 86400 ? `${Math.round(seconds / 3600)}${THIN}h` : `${Math.round(seconds / 86400)}${THIN}d`;
}

/* The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below a positive number. */
function roundUp(value) {
  const exponent = Math.floor(Math.log10(Math.max(value, Number.MIN_VALUE)));
  const steps = STEPS.map((step) => Number(`${step}e${exponent}`));
  return steps.find((step) => step >= value && step < Infinity) ?? Number.MAX_VALUE;
}

/* Ticks of a linear axis: at most `most` steps between two finite numbers. Their difference may be infinite. */
export function linearTicks(low, high, most) {
  const step = roundUp(high / most - low / most), first = Math.ceil(low / step);
  const count = Math.max(0, Math.floor(high / step) - first + 1);
  const ticks = Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(15)));
  return [...new Set(ticks)].filter((tick) => tick >= low && tick <= high); // equal where a step is below the precision
}

/* Ticks of a logarithmic axis between two positive numbers: some figures of each power of ten, more figures where the
   axis spans fewer powers, and only some of the powers where there are more than `most`. */
export function logTicks(low, high, most) {
  const first = Math.floor(Math.log10(low)), last = Math.floor(Math.log10(high));
  const stride = Math.ceil((last - first + 1) / most);
  for (const figures of LOG_STEPS) {
    const ticks = [];
    for (let power = Math.ceil(first / stride) * stride; power <= last; power += stride) {
      ticks.push(...figures.map((figure) => Number(`${figure}e${power}`)));
    }
    const visible = [...new Set(ticks)].filter((tick) => tick >= low && tick <= high);
    if (visible.length >= 3 || stride > 1) return visible;
  }
  return [...new Set([low, high].map((value) => Number(value.toPrecision(2))))];
}

/* A function that writes the ticks of a y axis, with as many digits as they need to differ. */
export function tickFormat(metric, ticks) {
  const largest = Math.max(0, ...ticks.map(Math.abs));
  const digits = (most, isExact) => {
    for (let n = 0; n < most; n += 1) if (ticks.every((tick) => isExact(tick, n))) return n;
    return most;
  };
  const isDecimal = (value, n) => Math.abs(value * 10 ** n - Math.round(value * 10 ** n)) < 1e-6;
  const signed = (text) => text.replace(/^-/, MINUS);
  if (metric === "accuracy" && largest <= 100) {
    const n = digits(3, (tick, n) => isDecimal(tick * 100, n));
    return (tick) => `${signed((tick * 100).toFixed(n))}${THIN}%`;
  }
  if (largest >= 10000 || largest < 0.001) {
    const n = digits(6, (tick, n) => Number(tick.toExponential(n)) === tick);
    return (tick) => (tick === 0 ? "0" : signed(tick.toExponential(n).replace("e+", "e").replace("e-", `e${MINUS}`)));
  }
  const n = Math.max(digits(6, isDecimal), largest < 10 ? 1 : 0);
  return (tick) => signed(tick.toFixed(n));
}

const fontOf = (narrow) => `${narrow ? 11 : 12}px ${fontFamily()}`;

export function xAxis(x, narrow) {
  const { steps, tick } = X_AXES[x];
  return {
    stroke: () => colour("ink-2"),
    font: fontOf(narrow),
    size: 24,
    gap: 4,
    space: 52,
    incrs: steps,
    grid: { show: false },
    ticks: { show: true, size: 4, width: 1, stroke: () => colour("line-2") },
    values: (_u, ticks, _axis, _space, step) => ticks.map((value) => (value === null ? "" : tick(value, step))),
  };
}

/* Draw the y axis with its grid. uPlot would do it, but finds no ticks for numbers of more than 17 digits, nor where
   the difference of both ends is infinite. */
export function drawYAxis(u, metric, log, narrow) {
  const ratio = devicePixelRatio, { ctx } = u, { left, width, height } = u.bbox, { min, max } = u.scales.y;
  const room = height / ratio / (log ? LOG_TICK_SPACE : LINEAR_TICK_SPACE);
  const ticks = (log ? logTicks : linearTicks)(min, max, Math.max(1, Math.floor(room)));
  const write = tickFormat(metric, ticks);
  ctx.save();
  ctx.font = fontOf(narrow).replace(/^\d+/, (pixels) => String(Number(pixels) * ratio));
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const tick of ticks) {
    const y = Math.round(u.valToPos(tick, "y", true));
    ctx.fillStyle = colour("line");
    ctx.fillRect(left, y, width, ratio);
    ctx.fillStyle = colour("ink-2");
    ctx.fillText(write(tick), left - 6 * ratio, y);
  }
  ctx.restore();
}
