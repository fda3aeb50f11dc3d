/* The runs chosen in the list: in the order of choice, which gives a comparison its colours, and through refreshes. */

const MOST = 8;
const formOf = () => document.querySelector("#picked");
const boxesOf = (form) => [...form.querySelectorAll("input[name=id]")];

let order = formOf()?.dataset.chosen.split(",").filter(Boolean) ?? [];

function words(count) {
  if (count > MOST) return `${count} chosen: ${MOST} runs can be compared, take some away first`;
  return `${count} chosen: ${order.map((id) => `#${id}`).join(", ")}${
    count === 1 ? ". Choose another one to compare" : ""
  }`;
}

function show() {
  const form = formOf();
  if (!form) return;
  const boxes = boxesOf(form), all = form.querySelector("[data-act=choose-all]");
  const there = new Set(boxes.map((box) => box.value));
  order = order.filter((id) => there.has(id));
  for (const box of boxes) {
    box.checked = order.includes(box.value);
    box.closest("tr").classList.toggle("chosen", box.checked);
  }
  all.hidden = false;
  all.checked = order.length === boxes.length;
  all.indeterminate = order.length > 0 && !all.checked;
  form.querySelector("[data-part=bar]").hidden = !order.length;
  form.querySelector("[data-part=words]").textContent = words(order.length);
  form.querySelector("[data-part=compare]").disabled = order.length < 2 || order.length > MOST;
}

/* What the browser kept checked over a way back was chosen before, in an order that nobody knows any more. */
function adopt() {
  const form = formOf();
  if (form) { for (const box of boxesOf(form)) if (box.checked && !order.includes(box.value)) order.push(box.value); }
  show();
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("#picked input[name=id]")) {
    order = order.filter((id) => id !== target.value);
    if (target.checked) order.push(target.value);
  } else if (target.matches("[data-act=choose-all]")) {
    order = target.checked ? [...new Set([...order, ...boxesOf(target.form).map((box) => box.value)])] : [];
  } else return;
  show();
});

document.addEventListener("formdata", ({ target, formData }) => {
  if (target.id !== "picked") return;
  formData.delete("id");
  for (const id of order) formData.append("id", id);
});

document.addEventListener("htmx:after:swap", show);
addEventListener("pageshow", adopt);
adopt();
