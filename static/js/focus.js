/* Where the focus goes. A live update may take away what has it: the page's heading gets it then, the next Tab goes on
   from there. Escape closes the question that is open below a button, and leads back to the button. */

let last = null;

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
