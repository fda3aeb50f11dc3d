/* Keeps what is typed in a form from being lost. The browser would leave the page for its own error page where the
   server cannot be reached, and for a refusal where the person is signed out or has a lower role by now. So the page
   first asks the server while the event stream is lost, and for each form in which something was typed. */

import { NO_ANSWER, showMessage } from "./flash.js";
import { isLost } from "./live.js";
import { atRoot } from "./root.js";
import { hasUnsentInput, SIGNED_OUT } from "./unsent.js";

const ANSWER_MS = 4000;
const ROLES = ["viewer", "operator", "admin"];
const checking = new WeakSet(); // forms for which the server is being asked
const allowed = new WeakSet(); // forms whose next submission is let through

/* Why a form is not sent now; empty where it may be. */
async function findObstacle() {
  const answer = await fetch(atRoot("/api/me"), { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) })
    .catch(() => null);
  if (answer?.status === 401) return SIGNED_OUT;
  if (!answer?.ok) return NO_ANSWER;
  const { name, role } = await answer.json(), { person, role: before } = document.body.dataset;
  if (name === person && ROLES.indexOf(role) >= ROLES.indexOf(before)) return "";
  return `You are ${name} with the role ${role} now. The form was not sent. The page keeps what you entered.`;
}

async function submitIfAllowed(form, submitter) {
  checking.add(form);
  const obstacle = await findObstacle();
  checking.delete(form);
  if (obstacle) showMessage(obstacle);
  else if (form.isConnected && (!submitter || submitter.form === form)) {
    allowed.add(form);
    form.requestSubmit(submitter);
  }
}

document.addEventListener("submit", (event) => {
  const { target: form, submitter } = event;
  const isAsked = isLost() || (form.method === "post" && document.body.dataset.person && hasUnsentInput(form));
  if (allowed.delete(form) || event.defaultPrevented || !isAsked) return;
  event.preventDefault();
  if (!checking.has(form)) submitIfAllowed(form, submitter);
});

/* A part of the page that refreshes itself would lead to the login, or be replaced by a refusal. */
document.addEventListener("htmx:before:response", (event) => {
  const { status } = event.detail.ctx.response;
  if ((status !== 401 && status !== 403) || !hasUnsentInput()) return;
  event.preventDefault();
  if (status === 401) showMessage(SIGNED_OUT);
});
