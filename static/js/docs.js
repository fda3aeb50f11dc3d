/* Draws the description of the API on /docs. */

/* global SwaggerUIBundle */
SwaggerUIBundle({
  dom_id: "#docs",
  url: document.querySelector("#docs").dataset.description,
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
