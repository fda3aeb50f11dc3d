/* Times in the time zone of the reader (time[data-form]), countdowns (data-until) and running times (data-since). */

import { isLost } from "./live.js";
import { clock, countdown, day, duration } from "./numbers.js";

const FORMS = { clock, day };

function localise() {
  for (const time of document.querySelectorAll("time[datetime][data-form]")) {
    const moment = new Date(time.dateTime), text = FORMS[time.dataset.form](moment);
    if (time.textContent !== text) time.textContent = text; // an equal text would be painted again
    if (time.title === "") time.title = moment.toLocaleString();
  }
}

/* The clock of the server may differ from that of the reader: the page holds seconds that are left or that have passed,
   and they count from the moment at which they came. */
const arrivals = new WeakMap(); // element -> its value, and when that came
function secondsSince(element, value) {
  const known = arrivals.get(element);
  if (known?.value === value) return (performance.now() - known.at) / 1000;
  arrivals.set(element, { value, at: performance.now() });
  return 0;
}

function tick() {
  if (isLost()) return; // the run may stand still
  for (const element of document.querySelectorAll("[data-until]")) {
    const { until } = element.dataset, left = Number(until) - secondsSince(element, until);
    if (element.localName === "progress") element.value = Math.max(0, left);
    else element.textContent = countdown(left);
  }
  for (const element of document.querySelectorAll("[data-since]")) {
    const { since } = element.dataset;
    element.textContent = duration(Number(since) + secondsSince(element, since));
  }
}

function update() {
  localise();
  tick();
}

update();
setInterval(tick, 1000);
document.addEventListener("htmx:after:swap", update);
