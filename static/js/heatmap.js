/* The heatmap of clients by round: arrow keys or the pointer select a cell, the line below says what it holds, and
   Enter or a click opens the page of its client. */

const FAR = 1000; // more columns than a heatmap has
const STEPS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  Home: [0, -FAR],
  End: [0, FAR],
};
const CELL = "td:not(.soon)";
let selected = null; // row and column of the selected cell, or null

const findMap = () => document.querySelector("[data-part=heatmap]");
const rowsOf = (map) => [...map.querySelectorAll("tbody tr")];
const cellsOf = (row) => [...row.querySelectorAll(CELL)];
const clamp = (index, length) => Math.max(0, Math.min(index, length - 1));

function show(map) {
  const output = document.querySelector("#heatmap-out");
  for (const old of map.querySelectorAll(".at")) old.classList.remove("at");
  if (!selected) {
    output.textContent = output.dataset.says;
    return;
  }
  const rows = rowsOf(map);
  selected.row = clamp(selected.row, rows.length);
  const row = rows[selected.row], cells = cellsOf(row);
  selected.column = clamp(selected.column, cells.length);
  const cell = cells[selected.column], round = Number(output.dataset.first) + selected.column;
  cell.classList.add("at");
  const client = row.querySelector("th").textContent.trim(), value = cell.textContent.trim() || "no value";
  output.textContent = `${client}, round ${round}: ${value}`;
  return cell;
}

const openClient = (row) => row.querySelector("a").click();

document.addEventListener("keydown", (event) => {
  const map = event.target.closest?.("[data-part=heatmap]");
  if (!map || event.target !== map) return;
  if (event.key === "Enter" && selected) {
    openClient(rowsOf(map)[selected.row]);
    return;
  }
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  selected = selected ? { row: selected.row + step[0], column: selected.column + step[1] } : { row: 0, column: FAR };
  show(map)?.scrollIntoView({ block: "nearest", inline: "nearest" });
});

document.addEventListener("pointerover", (event) => {
  const map = findMap();
  if (!map) return;
  const cell = event.target.closest(`#heatmap ${CELL}`), row = cell?.closest("tr[data-client]");
  const isOutside = document.activeElement !== map && !event.target.closest("[data-part=heatmap]");
  if (row) selected = { row: rowsOf(map).indexOf(row), column: cellsOf(row).indexOf(cell) };
  else if (selected && isOutside) selected = null;
  else return;
  show(map);
});

document.addEventListener("click", (event) => {
  const row = event.target.closest(`#heatmap ${CELL}`)?.closest("tr[data-client]");
  if (row) openClient(row);
});
document.addEventListener("focusout", (event) => {
  if (event.target !== findMap()) return;
  selected = null;
  show(event.target);
});
document.addEventListener("htmx:after:swap", () => {
  if (selected && findMap()) show(findMap());
});
