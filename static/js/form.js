/* The form that starts a run: fields that only some choices need come and go. The server draws the sum beside it. */

function follow(form) {
  for (const part of form.querySelectorAll("[data-only]")) {
    const [name, values] = part.dataset.only.split("=");
    part.hidden = !values.split(" ").includes(form.elements[name].value);
  }
}

/* Only the synthetic network takes synthetic data: whichever was chosen last wins. */
function pair(changed) {
  const { network, dataset } = changed.form.elements;
  if (dataset.value !== "synthetic" || network.value === "synthetic") return;
  if (changed === dataset) network.value = "synthetic";
  else dataset.value = "digits";
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-form=start]");
  if (!form) return;
  if (event.target.name === "network" || event.target.name === "dataset") pair(event.target);
  follow(form);
});

const all = () => document.querySelectorAll("form[data-form=start]").forEach(follow);
all();
document.addEventListener("htmx:after:swap", all);
