/* The rows of clients at work move with the stream, without a request. webapp/pages/wording.py says the same words. */

import { loss } from "./numbers.js";

const DOING = { training: "Training", evaluating: "Evaluating", preparing: "Preparing its data", sending: "Sending" };

function taskWords({ task, batch, batches }) {
  if (task === "asked") return "Asked, has not begun";
  if (task === "sent") return "Sent, waits for the others";
  if (batch === null || task === "sending") return DOING[task];
  return `${DOING[task]}, batch ${batch}${batches ? ` of ${batches}` : ""}`;
}

/* All at once and not at every word: a page with many clients would paint itself again for each. */
const SHOW_MS = 300;
const newest = new Map();
let timer = 0;

document.body.addEventListener("meadow:progress", ({ detail }) => {
  newest.set(detail.client_id, detail);
  timer ||= setTimeout(() => {
    timer = 0;
    newest.forEach(show);
    newest.clear();
  }, SHOW_MS);
});

function show(detail) {
  const row = document.querySelector(`#client-now-${detail.client_id}`);
  if (!row || Number(row.dataset.run) !== detail.run_id) return;
  const words = row.querySelector("[data-part=task]"), bar = row.querySelector("progress");
  words.textContent = taskWords(detail);
  words.classList.toggle("muted", detail.task === "sent");
  if (detail.task === "sent" || detail.task === "sending") {
    bar.max = 1;
    bar.value = 1;
  } else if (detail.batch !== null && detail.batches) {
    bar.max = detail.batches;
    bar.value = detail.batch;
  } else if (detail.task === "asked") {
    bar.max = 1;
    bar.value = 0;
  } else bar.removeAttribute("value");
  if (detail.loss !== null) row.querySelector("[data-part=loss]").textContent = loss(detail.loss);
}
