/* What is drawn on a chart over its lines: labels at their ends, events, the best round, rounds without a number. */

import { colour, fontFamily } from "./colours.js";

const TOKENS = { failed: "bad", paused: "calm", interrupted: "note", resumed: "note", clients: "note" };

/* Draw a label at the right end of each line: { text, x, value, token, strong }. Labels of lines that end near each
   other are moved apart, so that none covers another. */
export function drawLabels(u, labels) {
  const { left, width } = u.bbox, near = 90 * devicePixelRatio, columns = [];
  const placed = labels.map((label) => ({ ...label, end: Math.min(u.valToPos(label.x, "x", true), left + width) }));
  for (const label of placed.sort((a, b) => a.end - b.end)) {
    const last = columns.at(-1);
    if (last && label.end - last.at(-1).end < near) last.push(label);
    else columns.push([label]);
  }
  for (const column of columns) drawColumn(u, column);
}

function drawColumn(u, labels) {
  const ratio = devicePixelRatio, step = 14 * ratio, { ctx } = u, { top, height } = u.bbox;
  const placed = labels.map((label) => ({ ...label, y: u.valToPos(label.value, "y", true) })).sort((a, b) => a.y - b.y);
  for (let i = 1; i < placed.length; i += 1) placed[i].y = Math.max(placed[i].y, placed[i - 1].y + step);
  for (let i = placed.length - 1, floor = top + height; i >= 0 && placed[i].y > floor; i -= 1) {
    placed[i].y = floor;
    floor -= step;
  }
  ctx.save();
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  for (const label of placed) {
    ctx.font = `${label.strong ? 600 : 400} ${12 * ratio}px ${fontFamily()}`;
    ctx.fillStyle = colour(label.token);
    ctx.strokeStyle = colour("page"); // an outline: the label of a line that ends early lies over other lines
    ctx.lineWidth = 3 * ratio;
    ctx.strokeText(label.text, label.end + 7 * ratio, label.y);
    ctx.fillText(label.text, label.end + 7 * ratio, label.y);
  }
  ctx.restore();
}

/* Draw a dashed vertical line with a glyph for each event between two rounds: { x, kind }. */
export function drawEvents(u, events) {
  const ratio = devicePixelRatio, { ctx } = u, { left, top, width, height } = u.bbox;
  for (const { x: value, kind } of events) {
    const x = Math.round(u.valToPos(value, "x", true));
    if (x < left || x > left + width) continue;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour(TOKENS[kind] ?? "ink-2");
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
  } else if (kind === "clients") {
    ctx.arc(x, y, r, 0, 7);
    ctx.fill();
  } else {
    ctx.moveTo(x - r, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x - r, y + r);
    ctx.closePath();
    ctx.fill();
  }
}

/* Draw a ring around the best round. */
export function drawBest(u, x, value) {
  const ratio = devicePixelRatio, { ctx } = u;
  ctx.save();
  ctx.strokeStyle = colour("accent");
  ctx.fillStyle = colour("page");
  ctx.lineWidth = 1.5 * ratio;
  ctx.beginPath();
  ctx.arc(u.valToPos(x, "x", true), u.valToPos(value, "y", true), 4.5 * ratio, 0, 7);
  ctx.fill();
  ctx.stroke();
  ctx.restore();
}

/* Draw a cross on the x axis where the mean was not a finite number: it tells such a gap from one without a reply. */
export function drawNotFinite(u, xs) {
  const ratio = devicePixelRatio, { ctx } = u, { top, height } = u.bbox;
  ctx.save();
  ctx.strokeStyle = colour("bad");
  ctx.lineWidth = 1.6 * ratio;
  for (const x of xs) drawGlyph(ctx, "nan", u.valToPos(x, "x", true), top + height - 6 * ratio, 3.2 * ratio);
  ctx.restore();
}

/* Draw a dotted horizontal line at the target of a comparison. */
export function drawTarget(u, value) {
  const ratio = devicePixelRatio, { ctx } = u, { left, width } = u.bbox, y = Math.round(u.valToPos(value, "y", true));
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("ink-2");
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([2 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.font = `${11 * ratio}px ${fontFamily()}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText("target", left + 6 * ratio, y - 2 * ratio);
  ctx.restore();
}
