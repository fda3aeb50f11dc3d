/* A form that is sent while the server is away would lead to the browser's own error page: the server is asked first
   then, and where it does not answer the page stays, with all that is typed in it. */

import { isLost } from "./live.js";
import { say, UNANSWERED } from "./said.js";

const ANSWER_MS = 4000;
const asking = new WeakSet(), cleared = new WeakSet();

const answers = () =>
  fetch("/healthz", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) }).then(
    ({ ok }) => ok,
    () => false,
  );

async function ask(form, submitter) {
  asking.add(form);
  const answered = await answers();
  asking.delete(form);
  if (!answered) say(UNANSWERED);
  else if (form.isConnected && (!submitter || submitter.form === form)) {
    cleared.add(form);
    form.requestSubmit(submitter);
  }
}

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  if (cleared.delete(form) || event.defaultPrevented || !isLost()) return;
  event.preventDefault();
  if (!asking.has(form)) ask(form, submitter);
});
