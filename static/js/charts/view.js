/* What a reader chose to see: read from the controls of the charts' section, so that a reload keeps what the browser keeps. */

import { say } from "../said.js";

const MOST_LINES = 8;

export function readView(section) {
  const lines = [...section.querySelectorAll("input[name=line]:checked")].slice(0, MOST_LINES);
  return {
    band: section.querySelector("input[name=band]")?.checked ?? true,
    lines: lines.map((box) => ({ id: Number(box.value), name: box.dataset.name, slot: Number(box.dataset.slot) })),
  };
}

/* A refresh of the page may bring clients that were not there before: their lines are drawn as well. */
const shown = new WeakMap();
function notice() {
  for (const section of document.querySelectorAll("[data-charts]")) {
    const lines = readView(section).lines.map(({ id }) => id).join();
    if ((shown.get(section) ?? "") !== lines) section.dispatchEvent(new CustomEvent("meadow:view"));
    shown.set(section, lines);
  }
}
notice();
document.addEventListener("htmx:after:swap", notice);

document.addEventListener("change", (event) => {
  const box = event.target, section = box.closest("[data-charts]");
  if (!section || !box.matches("input[name=line], input[name=band]")) return;
  if (box.name === "line" && box.checked && section.querySelectorAll("input[name=line]:checked").length > MOST_LINES) {
    box.checked = false;
    say(`${MOST_LINES} lines are shown; take one away first.`);
    return;
  }
  section.dispatchEvent(new CustomEvent("meadow:view"));
});
