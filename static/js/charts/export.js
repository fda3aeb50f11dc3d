/* What is seen on the charts as a file: a picture, or the values of the rounds in the window. */

import { ink, face } from "./colours.js";

const chartsOf = (section) => [...section.querySelectorAll("meadow-chart")].filter((chart) => chart.plot);

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const nameOf = (charts, ending) => `run-${charts[0].run}-${charts.map(({ metric }) => metric.replace(/[^\w.-]+/g, "_")).join("-")}.${ending}`;

function picture(section) {
  const charts = chartsOf(section), ratio = devicePixelRatio, head = 34 * ratio, room = 16 * ratio;
  const canvases = charts.map(({ plot }) => plot.ctx.canvas), sheet = document.createElement("canvas"), pen = sheet.getContext("2d");
  sheet.width = Math.max(...canvases.map(({ width }) => width)) + 2 * room;
  sheet.height = canvases.reduce((sum, { height }) => sum + height + head + room, room);
  pen.fillStyle = ink("page");
  pen.fillRect(0, 0, sheet.width, sheet.height);
  let top = room;
  charts.forEach((chart, i) => {
    const title = [...chart.querySelector("h2").children].map((part) => part.textContent.trim()).filter(Boolean).join("   ");
    pen.fillStyle = ink("ink");
    pen.font = `600 ${14 * ratio}px ${face()}`;
    pen.fillText(`${document.title.split(" \u00b7 ")[0]}: ${title}`, room, top + 18 * ratio);
    pen.drawImage(canvases[i], room, top + head);
    top += head + canvases[i].height + room;
  });
  sheet.toBlob((blob) => save(blob, nameOf(charts, "png")));
}

/* A cell that no spreadsheet takes for a formula, quoted where a comma or a quote stands in it. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function values(section) {
  const charts = chartsOf(section), lines = charts[0].view.lines;
  const rows = [["metric", "round", "seconds", "bytes", "mean", "least", "low_10", "high_10", "most", ...lines.map(({ name }) => name)]];
  for (const { curve, plot } of charts) {
    const [xs] = plot.data, { min, max } = plot.scales.x;
    curve.rounds.forEach((round, i) => {
      if (xs[i] < min || xs[i] > max) return;
      const mean = curve.odd.has(round) ? { nan: "NaN" }[curve.odd.get(round)] ?? curve.odd.get(round) : curve.mean[i];
      rows.push([curve.metric, round, curve.seconds[i], curve.bytes[i], mean, curve.least[i], curve.low[i], curve.high[i], curve.most[i], ...lines.map(({ id }) => curve.clients[id]?.[i])]);
    });
  }
  save(new Blob([rows.map((row) => row.map(cell).join(",")).join("\r\n"), "\r\n"], { type: "text/csv" }), nameOf(charts, "csv"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act=png], [data-act=csv]"), section = button?.closest("[data-charts]");
  if (!section || !chartsOf(section).length) return;
  event.preventDefault();
  if (button.dataset.act === "png") picture(section); else values(section);
});
