/* The title of the tab follows a change of the page. The page of a run that is deleted meanwhile becomes a notice. */

import { restoreFocus } from "./focus.js";

document.addEventListener("htmx:after:swap", () => {
  const page = document.querySelector(".page[data-title]"); // not a template of another page
  if (page) document.title = `${page.dataset.title} \u00b7 Meadow`;
});
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
