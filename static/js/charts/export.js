/* What is seen on the charts as a file: a picture, or the values of the rounds in the window. */

import { face, ink } from "./colours.js";

const chartsOf = (section) =>
  [...section.querySelectorAll("meadow-chart, meadow-compare")].filter((chart) => chart.plot);

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const nameOf = (charts, ending) =>
  `${charts[0].fileName}-${charts.map(({ metric }) => metric.replace(/[^\w.-]+/g, "_")).join("-")}.${ending}`;

/* Place words one after the other, on as many lines as they need; returns the height of them all. */
function write(pen, words, left, top, width, step, draw) {
  let x = left, y = top;
  for (const { text, token } of words) {
    const wide = pen.measureText(text).width;
    if (x > left && x + wide > left + width) {
      x = left;
      y += step;
    }
    pen.fillStyle = ink(token);
    if (draw) pen.fillText(text, x, y);
    x += wide + step;
  }
  return words.length ? y + step - top : 0;
}

function picture(section) {
  const charts = chartsOf(section),
    ratio = devicePixelRatio,
    head = 34 * ratio,
    room = 16 * ratio,
    { legend } = charts[0];
  const canvases = charts.map(({ plot }) => plot.ctx.canvas),
    sheet = document.createElement("canvas"),
    pen = sheet.getContext("2d");
  const width = Math.max(...canvases.map((canvas) => canvas.width)), font = `600 ${14 * ratio}px ${face()}`;
  pen.font = font;
  const names = write(pen, legend, 0, 0, width, 1.25 * room, false);
  sheet.width = width + 2 * room;
  sheet.height = canvases.reduce((sum, { height }) => sum + height + head + room, room + names);
  pen.font = font; // a new size forgets it
  pen.fillStyle = ink("page");
  pen.fillRect(0, 0, sheet.width, sheet.height);
  write(pen, legend, room, room + 14 * ratio, width, 1.25 * room, true);
  let top = room + names;
  charts.forEach((chart, i) => {
    const title = [...chart.querySelector("h2").children].map((part) => part.textContent.trim()).filter(Boolean).join(
      "   ",
    );
    pen.fillStyle = ink("ink");
    pen.fillText(legend.length ? title : `${document.title.split(" \u00b7 ")[0]}: ${title}`, room, top + 18 * ratio);
    pen.drawImage(canvases[i], room, top + head);
    top += head + canvases[i].height + room;
  });
  sheet.toBlob((blob) => save(blob, nameOf(charts, "png")));
}

/* A cell that no spreadsheet takes for a formula, quoted where a comma or a quote stands in it. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = value === "nan" ? "NaN" : value, safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function table(section) {
  const charts = chartsOf(section), rows = [charts[0].heads, ...charts.flatMap((chart) => chart.values)];
  save(
    new Blob([rows.map((row) => row.map(cell).join(",")).join("\r\n"), "\r\n"], { type: "text/csv" }),
    nameOf(charts, "csv"),
  );
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act=png], [data-act=csv]"), section = button?.closest("[data-charts]");
  if (!section || !chartsOf(section).length) return;
  event.preventDefault();
  if (button.dataset.act === "png") picture(section);
  else table(section);
});
