/* Keyboard focus. A live update may remove the focused element: the heading of the page gets the focus then, so that
   the next Tab continues from there and not from the top of the window. Escape closes the open question below a button
   and focuses that button. */

let last = null; // the element that had the focus last; null after a click beside it

document.addEventListener("focusin", (event) => {
  last = event.target;
});
document.addEventListener("pointerdown", () => {
  last = null;
});
document.addEventListener("htmx:after:swap", restoreFocus);

export function restoreFocus() {
  if (!last || last.isConnected || document.activeElement !== document.body) return;
  const heading = document.querySelector("main h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

document.addEventListener("keydown", ({ key }) => {
  const question = key === "Escape" && document.querySelector("details.ask-for[open]");
  if (!question) return;
  question.open = false;
  question.querySelector("summary").focus();
});
