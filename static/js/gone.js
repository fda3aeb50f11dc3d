/* A run that is deleted while its page is open: the page says so below its heading, and leads to the list. */

import { comeBack } from "./focus.js";

document.body.addEventListener("meadow:run", ({ detail }) => {
  const page = document.querySelector("#run-page"), words = document.querySelector("#run-deleted");
  if (detail.state !== "deleted" || !page || !words || Number(words.dataset.run) !== detail.run_id) return;
  const heading = page.querySelector("h1");
  heading.textContent = words.dataset.heading;
  words.content.querySelector("[data-part=heading]").replaceWith(heading);
  document.querySelector(".outcome")?.remove();
  page.replaceWith(words.content);
  document.title = words.dataset.title;
  comeBack();
});
