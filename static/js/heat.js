/* The map of clients by round: arrow keys or the pointer choose a cell, the line below speaks it, Enter and
   a click open the client. */

const roomOf = () => document.querySelector("[data-part=heat]");
let at = null; // row and column of the chosen cell; null while nobody is there

const rowsOf = (room) => [...room.querySelectorAll("tbody tr")];
const cellsOf = (row) => [...row.querySelectorAll("td:not(.soon)")];

function show(room) {
  const out = document.querySelector("#heat-out");
  for (const old of room.querySelectorAll(".at")) old.classList.remove("at");
  if (!at) {
    out.textContent = out.dataset.says;
    return;
  }
  const rows = rowsOf(room);
  at.row = Math.max(0, Math.min(at.row, rows.length - 1));
  const row = rows[at.row], cells = cellsOf(row);
  at.column = Math.max(0, Math.min(at.column, cells.length - 1));
  const cell = cells[at.column];
  cell.classList.add("at");
  out.textContent = `${row.querySelector("th").textContent.trim()}, round ${Number(out.dataset.first) + at.column}: ${
    cell.textContent.trim() || "no value"
  }`;
  return cell;
}

const STEPS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  Home: [0, -1000],
  End: [0, 1000],
};
const openClient = (row) => {
  location.href = `/clients/${row.dataset.client}`;
};

document.addEventListener("keydown", (event) => {
  const room = event.target.closest?.("[data-part=heat]");
  if (!room || event.target !== room) return;
  if (event.key === "Enter" && at) {
    openClient(rowsOf(room)[at.row]);
    return;
  }
  const step = STEPS[event.key];
  if (!step) return;
  event.preventDefault();
  at = at ? { row: at.row + step[0], column: at.column + step[1] } : { row: 0, column: 1000 };
  show(room)?.scrollIntoView({ block: "nearest", inline: "nearest" });
});

document.addEventListener("pointerover", (event) => {
  const room = roomOf();
  if (!room) return;
  const cell = event.target.closest("#heat td:not(.soon)"), row = cell?.closest("tr[data-client]");
  if (row) at = { row: rowsOf(room).indexOf(row), column: cellsOf(row).indexOf(cell) };
  else if (at && document.activeElement !== room && !event.target.closest("[data-part=heat]")) at = null;
  else return;
  show(room);
});

document.addEventListener("click", (event) => {
  const row = event.target.closest("#heat td:not(.soon)")?.closest("tr[data-client]");
  if (row) openClient(row);
});
document.addEventListener("focusout", (event) => {
  if (event.target === roomOf()) {
    at = null;
    show(event.target);
  }
});
document.addEventListener("htmx:after:swap", () => {
  if (at && roomOf()) show(roomOf());
});
