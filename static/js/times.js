/* Times in the reader's zone, and clocks that run: data-form on a time, data-until, data-since. */

import { clock, countdown, day, duration } from "./numbers.js";

const FORMS = { clock, day };

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime][data-form]")) {
    const moment = new Date(time.dateTime), text = FORMS[time.dataset.form](moment);
    if (time.textContent !== text) time.textContent = text; // what stays as it is need not be drawn again
    if (time.title === "") time.title = moment.toLocaleString();
  }
}

/* The server counts by its own clock: a page says how many seconds are left or gone, and when it said so. */
const offsets = new WeakMap();
function secondsAt(element, value) {
  const known = offsets.get(element);
  if (!known || known.value !== value) offsets.set(element, { value, at: performance.now() });
  return (performance.now() - offsets.get(element).at) / 1000;
}

function tick() {
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = Number(element.dataset.until) - secondsAt(element, element.dataset.until);
    if (element.localName === "progress") element.value = Math.max(0, left);
    else element.textContent = countdown(left);
  }
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = duration(Number(element.dataset.since) + secondsAt(element, element.dataset.since));
  }
}

localise(document);
tick();
setInterval(tick, 1000);
document.addEventListener("htmx:after:swap", () => {
  localise(document);
  tick();
});
