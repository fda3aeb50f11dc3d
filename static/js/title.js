/* Keeps the title of the tab equal to that of the page when a part of the page has changed. */

document.addEventListener("htmx:after:swap", () => {
  const page = document.querySelector(".page[data-title]"); // not a template of another page
  if (page) document.title = `${page.dataset.title} \u00b7 Meadow`;
});
