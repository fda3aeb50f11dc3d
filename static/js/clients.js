/* The rows of clients that have a task: their progress comes with the event stream, without a request.
   webapp/pages/wording.py has the same texts. */

import { loss } from "./numbers.js";

const DOING = { training: "Training", evaluating: "Evaluating", preparing: "Preparing data", sending: "Sending" };

function taskText({ task, phase, batch, batches }) {
  if (task === "asked") return "Task sent";
  if (task === "sent") return phase === "prepare" ? "Ready" : "Done, waiting for others";
  if (batch === null || task === "sending") return DOING[task];
  return `${DOING[task]}, batch ${batch}${batches ? ` of ${batches}` : ""}`;
}

/* Rows are changed together: one change for each message would make the browser paint a page with many clients anew
   each time. */
const SHOW_MS = 300;
const latest = new Map(); // id of a client -> its newest progress
let timer = 0;

document.body.addEventListener("meadow:progress", ({ detail }) => {
  latest.set(detail.client_id, detail);
  timer ||= setTimeout(() => {
    timer = 0;
    latest.forEach(show);
    latest.clear();
  }, SHOW_MS);
});

/* The value and maximum of a progress bar; null while the share of the work that is done is unknown. */
function barOf({ task, phase, batch, batches }) {
  if (phase === "prepare" && task === "sent") return [0, 1];
  if (task === "sent" || task === "sending") return [1, 1];
  if (batch !== null && batches) return [batch, batches];
  return task === "asked" ? [0, 1] : null;
}

function show(progress) {
  const row = document.querySelector(`#client-now-${progress.client_id}`);
  if (!row || Number(row.dataset.run) !== progress.run_id) return;
  const text = row.querySelector("[data-part=task]"), bar = row.querySelector("progress"), values = barOf(progress);
  text.textContent = taskText(progress);
  text.classList.toggle("muted", progress.task === "sent");
  if (values) [bar.value, bar.max] = values;
  else bar.removeAttribute("value");
  if (progress.loss !== null) row.querySelector("[data-part=loss]").textContent = loss(progress.loss);
}
