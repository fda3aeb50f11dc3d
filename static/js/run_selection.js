/* The runs selected in the list of runs. Keeps the order of selection, which gives a comparison its colours, and keeps
   the selection when the list is refreshed. */

const MAX_COMPARED = 8;
const findForm = () => document.querySelector("#run-selection");
const checkboxes = (form) => [...form.querySelectorAll("input[name=id]")];

let order = findForm()?.dataset.selected.split(",").filter(Boolean) ?? [];

function summary(count) {
  if (count > MAX_COMPARED) {
    return `${count} selected: at most ${MAX_COMPARED} runs can be compared, deselect some first`;
  }
  const names = order.map((id) => `#${id}`).join(", ");
  return `${count} selected: ${names}${count === 1 ? ". Select another run to compare" : ""}`;
}

function show() {
  const form = findForm();
  if (!form) return;
  const boxes = checkboxes(form), selectAll = form.querySelector("[data-act=select-all]");
  const listed = new Set(boxes.map((box) => box.value));
  order = order.filter((id) => listed.has(id));
  for (const box of boxes) box.checked = order.includes(box.value);
  selectAll.hidden = false;
  selectAll.checked = order.length === boxes.length;
  selectAll.indeterminate = order.length > 0 && !selectAll.checked;
  form.querySelector("[data-part=bar]").hidden = !order.length;
  form.querySelector("[data-part=words]").textContent = summary(order.length);
  form.querySelector("[data-part=compare]").disabled = order.length < 2 || order.length > MAX_COMPARED;
}

/* After a return to the page the browser restores the checkboxes but not this script: runs that are still checked are
   appended in the order of the list, because the order of their selection is lost. */
function adoptChecked() {
  const form = findForm();
  if (form) {
    for (const box of checkboxes(form)) if (box.checked && !order.includes(box.value)) order.push(box.value);
  }
  show();
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("#run-selection input[name=id]")) {
    order = order.filter((id) => id !== target.value);
    if (target.checked) order.push(target.value);
  } else if (target.matches("[data-act=select-all]")) {
    order = target.checked ? [...new Set([...order, ...checkboxes(target.form).map((box) => box.value)])] : [];
  } else return;
  show();
});

document.addEventListener("formdata", ({ target, formData }) => {
  if (target.id !== "run-selection") return;
  formData.delete("id");
  for (const id of order) formData.append("id", id);
});

document.addEventListener("htmx:after:swap", show);
addEventListener("pageshow", adoptChecked);
adoptChecked();
