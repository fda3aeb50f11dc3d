/* What the charts are drawn against: rounds, the wall clock, the time of the rounds alone, bytes sent; and how
   their axes are written. */

import { duration, size } from "../numbers.js";
import { face, ink } from "./colours.js";

const THIN = "\u202f";
const ROUNDS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];
// deno-fmt-ignore
const SECONDS = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400,
  172800, 604800,
];
// deno-fmt-ignore
const FIGURES = [
  [1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9],
];

export const XS = {
  round: { column: "rounds", steps: ROUNDS, tick: String, words: (value) => `round ${value}`, least: 1 },
  clock: { column: "seconds", steps: SECONDS, tick: clockTick, words: (value) => `${duration(value)} in`, least: 0.01 },
  time: { column: "work", steps: SECONDS, tick: clockTick, words: (value) => `after ${duration(value)}`, least: 0.01 },
  bytes: { column: "bytes", steps: undefined, tick: size, words: (value) => `${size(value)} sent`, least: 1 },
};

function clockTick(seconds, step) {
  if (seconds === 0) return "0";
  if (step < 60) return `${Number(seconds.toFixed(2))}${THIN}s`;
  if (step < 3600) return `${Math.round(seconds / 60)}${THIN}min`;
  return step < 86400 ? `${Math.round(seconds / 3600)}${THIN}h` : `${Math.round(seconds / 86400)}${THIN}d`;
}

function valueTick(metric, splits) {
  if (metric === "accuracy") {
    const digits = splits.some((value) => Math.abs(value * 100 - Math.round(value * 100)) > 1e-6) ? 1 : 0;
    return (value) => `${(value * 100).toFixed(digits)}${THIN}%`;
  }
  const most = Math.max(...splits.map(Math.abs));
  if (most >= 10000 || most < 0.001) {
    return (value) => (value === 0 ? "0" : value.toExponential(1).replace("-", "\u2212").replace("e+", "e"));
  }
  const digits =
    [0, 1, 2, 3, 4].find((n) =>
      splits.every((value) => Math.abs(value * 10 ** n - Math.round(value * 10 ** n)) < 1e-6)
    ) ?? 4;
  return (value) => value.toFixed(Math.max(digits, most < 10 ? 1 : 0)).replace("-", "\u2212");
}

/* Ticks of a logarithmic axis: some figures of each power of ten, more of them the less it spans. */
function powers(low, high) {
  for (const figures of FIGURES) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
      ticks.push(...figures.map((figure) => Number((figure * 10 ** power).toPrecision(3))));
    }
    const seen = ticks.filter((tick) => tick >= low && tick <= high);
    if (seen.length >= 3) return seen;
  }
  return [low, high].map((value) => Number(value.toPrecision(2)));
}

export function axes(metric, x, narrow, log = false) {
  const font = `${narrow ? 11 : 12}px ${face()}`, stroke = () => ink("ink-2"), { steps, tick } = XS[x];
  const written = (values, write) => values.map((value) => (value === null ? "" : write(value)));
  return [
    {
      stroke,
      font,
      size: 24,
      gap: 4,
      space: 52,
      incrs: steps,
      grid: { show: false },
      ticks: { show: true, size: 4, width: 1, stroke: () => ink("line-2") },
      values: (_u, splits, _axis, _space, step) => written(splits, (value) => tick(value, step)),
    },
    {
      stroke,
      font,
      size: 46,
      gap: 6,
      space: 34,
      grid: { stroke: () => ink("line"), width: 1 },
      ticks: { show: false },
      ...(log ? { splits: (_u, _axis, low, high) => powers(low, high), filter: (_u, splits) => splits } : {}),
      values: (_u, splits) => written(splits, valueTick(metric, splits.filter((value) => value !== null))),
    },
  ];
}
