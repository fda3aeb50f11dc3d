/* Draws the description of the API on /docs. */

/* Swagger UI puts its head outside every landmark, and the headings of its groups start too many levels down. */
function repairLandmarks() {
  const head = document.querySelector(".information-container");
  head.setAttribute("role", "region");
  head.setAttribute("aria-label", "What this API is");
  for (const group of document.querySelectorAll(".opblock-tag, .models h4")) group.setAttribute("aria-level", "2");
}

SwaggerUIBundle({
  dom_id: "#docs",
  url: document.querySelector("#docs").dataset.description,
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  onComplete: repairLandmarks,
});
