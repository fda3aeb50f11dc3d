/* The tab's title follows the page when a part of it has changed. */

document.addEventListener("htmx:after:swap", () => {
  const page = document.querySelector("[data-title]");
  if (page) document.title = `${page.dataset.title} \u00b7 Meadow`;
});
