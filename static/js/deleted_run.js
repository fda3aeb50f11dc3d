/* Replaces the page of a run that is deleted while the page is open by a notice with a link to the list of runs. */

import { restoreFocus } from "./focus.js";

document.body.addEventListener("meadow:run", ({ detail }) => {
  const page = document.querySelector("#run-page"), notice = document.querySelector("#run-deleted");
  if (detail.state !== "deleted" || !page || !notice || Number(notice.dataset.run) !== detail.run_id) return;
  const heading = page.querySelector("h1");
  heading.textContent = notice.dataset.heading;
  notice.content.querySelector("[data-part=heading]").replaceWith(heading);
  document.querySelector(".outcome")?.remove();
  page.replaceWith(notice.content);
  document.title = notice.dataset.title;
  restoreFocus();
});
