/* The form that starts a run: shows the fields that the present choices need. The server draws the preview. */

function showNeededFields(form) {
  for (const part of form.querySelectorAll("[data-only]")) {
    const [name, values] = part.dataset.only.split("=");
    const other = form.elements[name];
    part.hidden = other.disabled || !values.split(" ").includes(other.value); // disabled: the other is not needed
    // The browser would refuse to submit a hidden field with a wrong value, and could not show it.
    for (const field of part.querySelectorAll("input, select")) field.disabled = part.hidden;
  }
}

/* Synthetic data goes with the synthetic network only: the other of the two fields follows the one that was changed. */
function pairSynthetic(changed) {
  const { network, dataset } = changed.form.elements;
  if (dataset.value !== "synthetic" || network.value === "synthetic") return;
  if (changed === dataset) network.value = "synthetic";
  else dataset.value = "digits";
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-form=start]");
  if (!form) return;
  if (event.target.name === "network" || event.target.name === "dataset") pairSynthetic(event.target);
  showNeededFields(form);
});

const updateForms = () => document.querySelectorAll("form[data-form=start]").forEach(showNeededFields);
updateForms();
document.addEventListener("htmx:after:swap", updateForms);
