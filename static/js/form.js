/* The form that starts a run: shows the fields that the present choices need. The server draws the preview. */

/* The values of a select, of radio buttons, or of checkboxes; none where the field is disabled: it is not needed. */
function chosenValues(control) {
  const all = control instanceof RadioNodeList ? [...control].filter(({ checked }) => checked) : [control];
  return all.filter(({ disabled }) => !disabled).map(({ value }) => value);
}

/* A condition such as "network=mlp cnn|kind=evaluation": one of the fields has one of the values. */
function isMet(condition, { elements }) {
  return condition.split("|").some((one) => {
    const [name, values] = one.split("=");
    return elements[name] && chosenValues(elements[name]).some((value) => values.split(" ").includes(value));
  });
}

function showNeededFields(form) {
  for (const part of form.querySelectorAll("[data-only]")) {
    part.hidden = !part.dataset.only.split(";").every((condition) => isMet(condition, form));
    // The browser would refuse to submit a hidden field with a wrong value, and could not show it.
    for (const field of part.querySelectorAll("input, select")) field.disabled = part.hidden;
  }
}

/* Synthetic data goes with the synthetic network only: the other of the two fields follows the one that was changed. */
function pairSynthetic(changed) {
  const { network, dataset } = changed.form.elements;
  if (changed.type === "checkbox" || dataset.value !== "synthetic" || network.value === "synthetic") return;
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
