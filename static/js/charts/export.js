/* Saves charts as a file: a PNG image, or the values of the visible rounds as CSV. Other pictures are saved as PNG by
   `savePng` as well. */

import { colour, fontFamily } from "./colours.js";

function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export const fileName = (owner, names, ending) =>
  `${owner}-${names.map((name) => name.replace(/[^\w.-]+/g, "_")).join("-")}.${ending}`;
const fileNameOf = (charts, ending) => fileName(charts[0].fileName, charts.map(({ metric }) => metric), ending);

/* Lay out the entries of a legend from left to right, on as many lines as they need, and draw them if `draw` is true;
   return the height of all lines. */
function layOutLegend(context, legend, left, top, width, step, draw) {
  let x = left, y = top;
  for (const { text, token } of legend) {
    const textWidth = context.measureText(text).width;
    if (x > left && x + textWidth > left + width) {
      x = left;
      y += step;
    }
    context.fillStyle = colour(token);
    if (draw) context.fillText(text, x, y);
    x += textWidth + step;
  }
  return legend.length ? y + step - top : 0;
}

/* The name of the page, which stands in an image before a title that does not say what it is of. */
export const ofPage = (title) => `${document.title.split(" \u00b7 ").at(-2)}: ${title}`;

/* The title of a chart in an image, without the line below it, which says what the values are over. Charts of one run
   have no legend that names the run. */
function titleOf(chart) {
  const parts = [...chart.querySelectorAll("h2 > :not([data-part=basis])")].map((part) => part.textContent.trim());
  const title = parts.filter(Boolean).join("   ");
  return chart.legend.length ? title : ofPage(title);
}

/* Save pictures, one below the other, as one PNG image: of each the `lines` of its head, the first of them its title,
   and what `draw(context, left, top)` draws, `width` times `height` pixels of the screen. */
export function savePng(pictures, legend, name) {
  const ratio = devicePixelRatio, titleHeight = 62 * ratio, margin = 16 * ratio, font = `600 ${14 * ratio}px`;
  const sheet = document.createElement("canvas"), context = sheet.getContext("2d");
  const width = Math.max(...pictures.map((picture) => picture.width));
  context.font = `${font} ${fontFamily()}`;
  const legendHeight = layOutLegend(context, legend, 0, 0, width, 1.25 * margin, false);
  sheet.width = width + 2 * margin;
  sheet.height = pictures.reduce((sum, { height }) => sum + height + titleHeight + margin, margin + legendHeight);
  context.font = `${font} ${fontFamily()}`; // a new size resets the canvas
  context.fillStyle = colour("page");
  context.fillRect(0, 0, sheet.width, sheet.height);
  layOutLegend(context, legend, margin, margin + 14 * ratio, width, 1.25 * margin, true);
  let top = margin + legendHeight;
  for (const { lines, height, draw } of pictures) {
    context.fillStyle = colour("ink");
    lines.forEach((line, i) => {
      context.font = `${i ? 400 : 600} ${(i ? 12 : 14) * ratio}px ${fontFamily()}`;
      context.fillText(line, margin, top + (18 + 17 * i) * ratio, width);
    });
    draw(context, margin, top + titleHeight);
    top += titleHeight + height + margin;
  }
  sheet.toBlob((blob) => download(blob, name));
}

function pictureOf(chart) {
  const { canvas } = chart.plot.ctx, basis = chart.querySelector("[data-part=basis]").textContent.trim();
  return {
    lines: [titleOf(chart), ...basis.split("; ")],
    width: canvas.width,
    height: canvas.height,
    draw: (context, left, top) => context.drawImage(canvas, left, top),
  };
}

/* One cell of a CSV file. Text that a spreadsheet would take for a formula begins with an apostrophe; commas, quotes
   and line breaks are quoted. Names of runs and clients are chosen by people and clients, so any text may come. */
export function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csv = (rows) => rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");

/* The byte order mark at the start tells Excel that the file is UTF-8. */
function saveCsv(charts) {
  const rows = [charts[0].header, ...charts.flatMap((chart) => chart.rows)];
  download(new Blob(["\ufeff", csv(rows)], { type: "text/csv" }), fileNameOf(charts, "csv"));
}

/* Save charts as "png" or "csv". */
export function save(charts, kind) {
  if (kind === "png") savePng(charts.map(pictureOf), charts[0].legend, fileNameOf(charts, "png"));
  else saveCsv(charts);
}
