/* What a reader chose to see of the charts: the controls hold it, the address keeps it. */

import { go, refresh } from "../address.js";
import { showMessage } from "../flash.js";

const MOST_LINES = 8;
const ASKED = ["metric", "phase", "target"]; // what the server answers; all else the charts do themselves
const boxesOf = (section) => [...section.querySelectorAll("input[name=line]")];
const shownOf = (section) => boxesOf(section).filter((box) => box.checked).slice(0, MOST_LINES);

/* The colours of the lines that are shown: each its client's own, or one that is free where an earlier line has
   that. */
function slotsOf(boxes) {
  const own = new Map();
  for (const box of boxes) if (!own.has(box.dataset.slot)) own.set(box.dataset.slot, box);
  const free = Array.from({ length: MOST_LINES }, (_, i) => String(i + 1)).filter((slot) => !own.has(slot));
  return boxes.map((box) => (own.get(box.dataset.slot) === box ? box.dataset.slot : free.shift()));
}

/* A chip has the colour of its line. */
function paint(section) {
  const shown = shownOf(section), slots = slotsOf(shown);
  for (const box of boxesOf(section)) {
    box.parentElement.querySelector(".swatch").setAttribute(
      "class",
      `swatch k${slots[shown.indexOf(box)] ?? box.dataset.slot}`,
    );
  }
}

export function readView(section) {
  const form = section.querySelector("[data-part=toolbar]"),
    value = (name) => form?.querySelector(`[name=${name}]:checked`)?.value;
  const lines = shownOf(section), slots = slotsOf(lines);
  const query = new URLSearchParams(form ? location.search : ""), from = query.get("from"), to = query.get("to");
  return {
    x: value("x") ?? "round",
    log: form?.querySelector("[name=scale]").checked ?? false,
    band: form?.querySelector("[name=band]")?.checked ?? true,
    smooth: Number(form?.querySelector("[name=smooth]").value ?? 0) / 100,
    zoom: from !== null && to !== null && Number(to) > Number(from) ? { min: Number(from), max: Number(to) } : null,
    lines: lines.map((box, i) => ({ id: Number(box.value), name: box.dataset.name, slot: Number(slots[i]) })),
  };
}

/* Say a zoom in the address; null is the whole run. */
export function keepZoom(section, zoom) {
  if (section.querySelector("[data-part=toolbar]")) {
    go({ from: zoom ? short(zoom.min) : "", to: zoom ? short(zoom.max) : "" });
  }
}
const short = (value) => String(Number(value.toPrecision(6)));

function keep(section, more = {}, { replace = false } = {}) {
  const view = readView(section), boxes = boxesOf(section);
  const byDefault = boxes.filter((box) => box.dataset.default === "1").map((box) => box.value).join("-");
  const lines = view.lines.map(({ id }) => id).join("-");
  go({
    x: view.x === "round" ? "" : view.x,
    scale: view.log ? "log" : "",
    band: view.band ? "" : "0",
    smooth: view.smooth ? Math.round(view.smooth * 100) : "",
    lines: lines === byDefault ? "" : lines || "none",
    ...more,
  }, { replace });
}

/* Put the controls as an address says: after back and forward. */
function follow(section) {
  const form = section.querySelector("[data-part=toolbar]"), query = new URLSearchParams(location.search);
  if (!form) return;
  const asked = query.get("lines"), chosen = asked === "none" ? [] : asked?.split("-");
  for (const box of boxesOf(section)) box.checked = chosen ? chosen.includes(box.value) : box.dataset.default === "1";
  for (const radio of form.querySelectorAll("[name=x]")) radio.checked = radio.value === (query.get("x") ?? "round");
  form.querySelector("[name=scale]").checked = query.get("scale") === "log";
  for (const box of form.querySelectorAll("[name=band]")) box.checked = query.get("band") !== "0";
  form.querySelector("[name=smooth]").value = query.get("smooth") ?? 0;
  for (const field of form.querySelectorAll("[name=target]")) field.value = query.get("target") ?? "";
  changed(section);
}

function changed(section) {
  const out = section.querySelector("#smooth-out"), view = readView(section);
  if (out) out.value = view.smooth.toFixed(2);
  offerWhole(section, view.zoom);
  paint(section);
  section.dispatchEvent(new CustomEvent("meadow:view"));
}

/* The way out of a zoom, for those who have no second click. */
function offerWhole(section, zoom) {
  const button = section.querySelector("[data-act=whole]");
  if (button) button.hidden = !zoom;
}
document.addEventListener("meadow:zoom", ({ target, detail }) => offerWhole(target, detail), true);
document.addEventListener("click", ({ target }) => {
  const section = target.closest("[data-act=whole]")?.closest("[data-charts]");
  if (!section) return;
  keepZoom(section, null);
  section.dispatchEvent(new CustomEvent("meadow:zoom", { detail: null }));
});

const sections = () => document.querySelectorAll("[data-charts]");
addEventListener("meadow:address", () => {
  for (const section of sections()) follow(section);
});

/* A refresh of the page may bring clients that were not there before, or the charts of another metric. */
const shown = new WeakMap();
function notice() {
  for (const section of sections()) {
    for (const hidden of section.querySelectorAll("[data-part=toolbar] [hidden][data-act]")) hidden.hidden = false;
    const view = readView(section), lines = view.lines.map(({ id }) => id).join();
    offerWhole(section, view.zoom);
    paint(section);
    if ((shown.get(section) ?? "") !== lines) section.dispatchEvent(new CustomEvent("meadow:view"));
    shown.set(section, lines);
  }
}
notice();
document.addEventListener("htmx:after:swap", notice);

document.addEventListener("change", ({ target }) => {
  const section = target.closest("[data-charts]");
  if (!section || !target.closest("[data-part=toolbar]")) return;
  if (ASKED.includes(target.name)) {
    go({
      [target.name]: target.value === "evaluate" ? "" : target.value,
      ...(target.name === "phase" ? { metric: "" } : {}),
      ...(target.name === "target" ? {} : { target: "" }),
    });
    refresh();
    return;
  }
  if (
    target.name === "line" && target.checked && section.querySelectorAll("input[name=line]:checked").length > MOST_LINES
  ) {
    target.checked = false;
    showMessage(`${MOST_LINES} lines are shown; take one away first.`);
    return;
  }
  if (target.name !== "smooth") keep(section, target.name === "x" ? { from: "", to: "" } : {}); // rounds are no seconds
  changed(section);
});

let sliding = false;
document.addEventListener("input", ({ target }) => {
  const section = target.closest("[data-charts]");
  if (!section || target.name !== "smooth") return;
  keep(section, {}, { replace: sliding });
  sliding = true;
  changed(section);
});
document.addEventListener("change", ({ target }) => {
  if (target.name === "smooth") sliding = false;
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-part=toolbar]")) event.preventDefault();
});
