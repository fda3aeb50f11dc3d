/* Keeps a form from being submitted while the server cannot be reached: the browser would show its own error page and
   lose what is typed. While the event stream is lost, the page first checks that the server answers; without an answer
   the page stays. */

import { NO_ANSWER, showMessage } from "./flash.js";
import { isLost } from "./live.js";
import { atRoot } from "./root.js";

const ANSWER_MS = 4000;
const checking = new WeakSet(); // forms for which the server is being asked
const allowed = new WeakSet(); // forms whose next submission is let through

const serverAnswers = () =>
  fetch(atRoot("/healthz"), { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) }).then(
    ({ ok }) => ok,
    () => false,
  );

async function submitIfServerAnswers(form, submitter) {
  checking.add(form);
  const answered = await serverAnswers();
  checking.delete(form);
  if (!answered) showMessage(NO_ANSWER);
  else if (form.isConnected && (!submitter || submitter.form === form)) {
    allowed.add(form);
    form.requestSubmit(submitter);
  }
}

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (allowed.delete(form) || event.defaultPrevented || !isLost()) return;
  event.preventDefault();
  if (!checking.has(form)) submitIfServerAnswers(form, submitter);
});
