/* Draws the description of the API on /docs. */

/* Swagger UI leaves its head outside every landmark and begins its groups levels too deep. */
function mend() {
  const head = document.querySelector(".information-container");
  head.setAttribute("role", "region");
  head.setAttribute("aria-label", "What this API is");
  for (const group of document.querySelectorAll(".opblock-tag, .models h4")) group.setAttribute("aria-level", "2");
}

/* global SwaggerUIBundle */
SwaggerUIBundle({
  dom_id: "#docs",
  url: document.querySelector("#docs").dataset.description,
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  onComplete: mend,
});
