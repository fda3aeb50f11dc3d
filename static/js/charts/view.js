/* How a reader wants to see the charts: x axis, scale, smoothing, zoom, lines of clients. The controls hold it, and the
   query of the address, so that a link shows the same. */

import { refreshPage, updateQuery } from "../address.js";
import { showMessage } from "../flash.js";

const MAX_LINES = 8;
/* Controls that need a new page; the charts follow all others alone. */
const SERVER_SIDE = ["metric", "phase", "target", "group"];
const ofToolbar = (section) => section.querySelector("[data-part=toolbar]");
const lineBoxes = (section) => [...section.querySelectorAll("input[name=line]")];
const shownBoxes = (section) => lineBoxes(section).filter((box) => box.checked).slice(0, MAX_LINES);

/* The colour slot of each line: the slot of its client, or a free one where an earlier line has that slot. */
function assignSlots(boxes) {
  const owners = new Map();
  for (const box of boxes) if (!owners.has(box.dataset.slot)) owners.set(box.dataset.slot, box);
  const free = Array.from({ length: MAX_LINES }, (_, i) => String(i + 1)).filter((slot) => !owners.has(slot));
  return boxes.map((box) => (owners.get(box.dataset.slot) === box ? box.dataset.slot : free.shift()));
}

/* Give the swatch of each client the colour of its line. */
function colourSwatches(section) {
  const shown = shownBoxes(section), slots = assignSlots(shown);
  for (const box of lineBoxes(section)) {
    const slot = slots[shown.indexOf(box)] ?? box.dataset.slot;
    box.parentElement.querySelector(".swatch").setAttribute("class", `swatch k${slot}`);
  }
}

/* The range { min, max } of a zoom in a query, or null. */
export function readZoom(query) {
  const [min, max] = ["from", "to"].map((name) => query.has(name) ? Number(query.get(name)) : NaN);
  return Number.isFinite(min) && Number.isFinite(max) && max > min ? { min, max } : null;
}

/* x: name of the x axis; log, band: booleans; smooth: from 0 to 1; zoom: { min, max } or null; lines: { id, name, slot
   }. */
export function readView(section) {
  const form = ofToolbar(section), value = (name) => form?.querySelector(`[name=${name}]:checked`)?.value;
  const lines = shownBoxes(section), slots = assignSlots(lines);
  return {
    x: value("x") ?? "round",
    log: form?.querySelector("[name=scale]").checked ?? false,
    band: form?.querySelector("[name=band]")?.checked ?? true,
    smooth: Number(form?.querySelector("[name=smooth]").value ?? 0) / 100,
    zoom: form ? readZoom(new URLSearchParams(location.search)) : null,
    lines: lines.map((box, i) => ({ id: Number(box.value), name: box.dataset.name, slot: Number(slots[i]) })),
  };
}

/* Write a zoom to the address; null is the whole run. */
export function keepZoom(section, zoom) {
  if (!ofToolbar(section)) return;
  updateQuery({ from: zoom ? short(zoom.min) : "", to: zoom ? short(zoom.max) : "" });
}
const short = (value) => String(Number(value.toPrecision(6)));

/* Write the controls to the address, without those that have their default. */
function keepControls(section, more = {}, { replace = false } = {}) {
  const view = readView(section);
  const byDefault = lineBoxes(section).filter((box) => box.dataset.default === "1").map((box) => box.value).join("-");
  const lines = view.lines.map(({ id }) => id).join("-");
  updateQuery({
    x: view.x === "round" ? "" : view.x,
    scale: view.log ? "log" : "",
    band: view.band ? "" : "0",
    smooth: view.smooth ? Math.round(view.smooth * 100) : "",
    lines: lines === byDefault ? "" : lines || "none",
    ...more,
  }, { replace });
}

/* Set the controls from the address, after the browser went back or forward. */
function restoreControls(section) {
  const form = ofToolbar(section), query = new URLSearchParams(location.search);
  if (!form) return;
  const lines = query.get("lines"), chosen = lines === "none" ? [] : lines?.split("-");
  for (const box of lineBoxes(section)) {
    box.checked = chosen ? chosen.includes(box.value) : box.dataset.default === "1";
  }
  for (const radio of form.querySelectorAll("[name=x]")) radio.checked = radio.value === (query.get("x") ?? "round");
  form.querySelector("[name=scale]").checked = query.get("scale") === "log";
  for (const box of form.querySelectorAll("[name=band]")) box.checked = query.get("band") !== "0";
  form.querySelector("[name=smooth]").value = query.get("smooth") ?? 0;
  for (const field of section.querySelectorAll("[name=q]")) field.value = query.get("q") ?? "";
  for (const field of form.querySelectorAll("[name=target]")) field.value = query.get("target") ?? "";
  for (const field of form.querySelectorAll("[name=group]")) field.value = query.get("group") ?? "";
  for (const field of form.querySelectorAll("#run-page [name=metric]")) field.value = query.get("metric") ?? "";
  applyView(section);
}

function applyView(section) {
  const output = section.querySelector("#smooth-out"), view = readView(section);
  if (output) output.value = view.smooth.toFixed(2);
  offerZoomOut(section, view.zoom);
  colourSwatches(section);
  section.dispatchEvent(new CustomEvent("meadow:view"));
}

/* Show the button that ends a zoom, for readers who cannot double-click. */
function offerZoomOut(section, zoom) {
  const button = section.querySelector("[data-act=whole]");
  if (button) button.hidden = !zoom;
}
document.addEventListener("meadow:zoom", ({ target, detail }) => offerZoomOut(target, detail), true);
document.addEventListener("click", ({ target }) => {
  const section = target.closest("[data-act=whole]")?.closest("[data-charts]");
  if (!section) return;
  keepZoom(section, null);
  section.dispatchEvent(new CustomEvent("meadow:zoom", { detail: null }));
});

const allSections = () => document.querySelectorAll("[data-charts]");
addEventListener("meadow:address", () => {
  for (const section of allSections()) restoreControls(section);
});

/* A refresh of the page may bring clients that joined since, or the charts of another metric. */
const shownLines = new WeakMap();
function adoptSections() {
  for (const section of allSections()) {
    for (const hidden of section.querySelectorAll("[hidden][data-act]")) hidden.hidden = false;
    const view = readView(section), lines = view.lines.map(({ id }) => id).join();
    offerZoomOut(section, view.zoom);
    colourSwatches(section);
    if ((shownLines.get(section) ?? "") !== lines) section.dispatchEvent(new CustomEvent("meadow:view"));
    shownLines.set(section, lines);
  }
}
adoptSections();
document.addEventListener("htmx:after:swap", adoptSections);

document.addEventListener("change", ({ target }) => {
  const section = target.closest("[data-charts]");
  if (!section || !target.closest("[data-part=toolbar], [data-part=lines] fieldset")) return;
  if (SERVER_SIDE.includes(target.name)) {
    updateQuery({
      [target.name]: target.value === "evaluate" ? "" : target.value,
      ...(target.name === "phase" ? { metric: "" } : {}),
      ...(target.name === "metric" || target.name === "phase" ? { target: "" } : {}),
    });
    refreshPage();
    return;
  }
  const checked = section.querySelectorAll("input[name=line]:checked").length;
  if (target.name === "line" && target.checked && checked > MAX_LINES) {
    target.checked = false;
    showMessage(`At most ${MAX_LINES} clients can be shown as lines; deselect one first.`);
    return;
  }
  // A zoom ends with its x axis: its ends are rounds on one axis and seconds or bytes on another.
  if (target.name !== "smooth") keepControls(section, target.name === "x" ? { from: "", to: "" } : {});
  applyView(section);
});

/* One move of the slider is one entry of the history: its first step adds the entry, and the next steps replace it. */
let isSliding = false;
document.addEventListener("input", ({ target }) => {
  const section = target.closest("[data-charts]");
  if (!section || target.name !== "smooth") return;
  keepControls(section, {}, { replace: isSliding });
  isSliding = true;
  applyView(section);
});
document.addEventListener("change", ({ target }) => {
  if (target.name === "smooth") isSliding = false;
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-part=toolbar], [data-part=find]")) event.preventDefault();
});
