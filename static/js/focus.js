/* Keyboard focus. A live update may replace the focused element: the one in its place gets the focus, or else the
   heading of the page, so that the next Tab continues from there and not from the top of the window. Escape
   closes the open question below a button and focuses that button. */

let last = null; // the element that had the focus last; null after a click beside it

document.addEventListener("focusin", (event) => {
  last = event.target;
});
document.addEventListener("pointerdown", () => {
  last = null;
});
document.addEventListener("htmx:after:swap", restoreFocus);

/* The element that has taken the place of one that was removed: of the same id, the same name and value, or text. */
function successor({ id, localName, name, type, value, textContent }) {
  if (id) return document.getElementById(id);
  const same = [...document.querySelectorAll(`main ${localName}`)];
  if (name) return same.find((one) => one.name === name && (type !== "radio" || one.value === value));
  return same.find((one) => one.textContent.trim() === textContent.trim());
}

export function restoreFocus() {
  if (!last || document.activeElement !== document.body) return;
  const next = last.isConnected ? last : successor(last);
  next?.focus({ preventScroll: true });
  if (document.activeElement !== document.body) return;
  const heading = document.querySelector("main h1"); // no successor, or none that takes the focus
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

document.addEventListener("keydown", ({ key }) => {
  const question = key === "Escape" && document.querySelector("details.ask-for[open]");
  if (!question) return;
  question.open = false;
  question.querySelector("summary").focus();
});
