/* A live update may take away what has the focus. The page's heading gets it then: the next Tab goes on from there. */

let last = null;

document.addEventListener("focusin", (event) => { last = event.target; });
document.addEventListener("pointerdown", () => { last = null; });
document.addEventListener("htmx:after:swap", () => {
  if (!last || last.isConnected || document.activeElement !== document.body) return;
  const heading = document.querySelector("main h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
});
