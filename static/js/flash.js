/* Short messages at the bottom of the window, and the buttons that copy a command. The message of an action that led to
   a new page is in that page instead. */

export const NO_ANSWER = "The server did not answer. The page keeps what you entered. Retry later.";
const MESSAGE_MS = 4000;
const COPIED_MS = 2500;
let timer = 0;

export function showMessage(text) {
  const element = document.querySelector("#message");
  element.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => {
    element.textContent = "";
  }, MESSAGE_MS);
}

async function copy(button) {
  const source = document.querySelector(button.dataset.from), label = button.querySelector("b");
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
  } catch { // no permission, or no secure context: the text is selected, so that one key copies it
    getSelection().selectAllChildren(source);
    showMessage("Press Ctrl+C to copy.");
    return;
  }
  button.classList.add("done");
  label.textContent = "Copied";
  showMessage(button.dataset.says ?? "Copied. Paste it in a terminal on the client's machine.");
  setTimeout(() => {
    button.classList.remove("done");
    label.textContent = "Copy";
  }, COPIED_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act=copy]");
  if (button) copy(button);
});
document.addEventListener("htmx:error", () => showMessage(NO_ANSWER));
