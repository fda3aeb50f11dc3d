/* What is drawn on a chart beside its lines: names at their ends, marks of events, the best round, places without a
   number. */

import { face, ink } from "./colours.js";

const TOKENS = { failed: "bad", paused: "calm", interrupted: "note", resumed: "note" };

/* Names at the right end of each line; those of lines that end near each other are pushed apart, so that none covers
   another. */
export function drawNames(u, names) {
  const { left, width } = u.bbox, near = 90 * devicePixelRatio, columns = [];
  const placed = names.map((name) => ({ ...name, end: Math.min(u.valToPos(name.x, "x", true), left + width) }));
  for (const name of placed.sort((a, b) => a.end - b.end)) {
    const last = columns.at(-1);
    if (last && name.end - last.at(-1).end < near) last.push(name);
    else columns.push([name]);
  }
  for (const column of columns) drawColumn(u, column);
}

function drawColumn(u, names) {
  const ratio = devicePixelRatio, step = 14 * ratio, { ctx } = u, { top, height } = u.bbox;
  const placed = names.map((name) => ({ ...name, y: u.valToPos(name.value, "y", true) })).sort((a, b) => a.y - b.y);
  for (let i = 1; i < placed.length; i += 1) placed[i].y = Math.max(placed[i].y, placed[i - 1].y + step);
  for (let i = placed.length - 1, floor = top + height; i >= 0 && placed[i].y > floor; i -= 1) {
    placed[i].y = floor;
    floor -= step;
  }
  ctx.save();
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  for (const name of placed) {
    ctx.font = `${name.strong ? 600 : 400} ${12 * ratio}px ${face()}`;
    ctx.fillStyle = ink(name.token);
    ctx.strokeStyle = ink("page"); // a line that ends early has its name among the others
    ctx.lineWidth = 3 * ratio;
    ctx.strokeText(name.text, name.end + 7 * ratio, name.y);
    ctx.fillText(name.text, name.end + 7 * ratio, name.y);
  }
  ctx.restore();
}

/* Dashed verticals with the glyph of what happened between two rounds. */
export function drawEvents(u, marks) {
  const ratio = devicePixelRatio, { ctx } = u, { left, top, width, height } = u.bbox;
  for (const { x: at, kind } of marks) {
    const x = Math.round(u.valToPos(at, "x", true));
    if (x < left || x > left + width) continue;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = ink(TOKENS[kind] ?? "ink-2");
    ctx.lineWidth = ratio;
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.lineWidth = 1.6 * ratio;
    drawGlyph(ctx, kind, x, top - 6 * ratio, 3.2 * ratio);
    ctx.restore();
  }
}

function drawGlyph(ctx, kind, x, y, r) {
  ctx.beginPath();
  if (kind === "failed" || kind === "nan") {
    ctx.moveTo(x - r, y - r);
    ctx.lineTo(x + r, y + r);
    ctx.moveTo(x + r, y - r);
    ctx.lineTo(x - r, y + r);
    ctx.stroke();
  } else if (kind === "paused") {
    for (const side of [-r / 1.6, r / 1.6]) {
      ctx.moveTo(x + side, y - r);
      ctx.lineTo(x + side, y + r);
    }
    ctx.stroke();
  } else {
    ctx.moveTo(x - r, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x - r, y + r);
    ctx.closePath();
    ctx.fill();
  }
}

/* A ring on the best round. */
export function drawBest(u, x, value) {
  const ratio = devicePixelRatio, { ctx } = u;
  ctx.save();
  ctx.strokeStyle = ink("accent");
  ctx.fillStyle = ink("page");
  ctx.lineWidth = 1.5 * ratio;
  ctx.beginPath();
  ctx.arc(u.valToPos(x, "x", true), u.valToPos(value, "y", true), 4.5 * ratio, 0, 7);
  ctx.fill();
  ctx.stroke();
  ctx.restore();
}

/* A cross on the axis where the mean was no number: the line is open there, and not for want of a reply. */
export function drawOdd(u, xs) {
  const ratio = devicePixelRatio, { ctx } = u, { top, height } = u.bbox;
  ctx.save();
  ctx.strokeStyle = ink("bad");
  ctx.lineWidth = 1.6 * ratio;
  for (const x of xs) drawGlyph(ctx, "nan", u.valToPos(x, "x", true), top + height - 6 * ratio, 3.2 * ratio);
  ctx.restore();
}
