/* The line that says what an action did: after copying, and whenever a script has something to tell. */

export const UNANSWERED = "The server did not answer. The page keeps what it had.";
let timer = 0;

export function say(text) {
  const line = document.querySelector("#said");
  line.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => {
    line.textContent = "";
  }, 4000);
}

async function copy(button) {
  const source = document.querySelector(button.dataset.from), word = button.querySelector("b");
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
  } catch { // no permission, or no secure context: select it, so that one key copies it
    getSelection().selectAllChildren(source);
    say("Press Ctrl+C to copy the command.");
    return;
  }
  button.classList.add("done");
  word.textContent = "Copied";
  say(button.dataset.says ?? "Copied. Paste it in a terminal on the client's machine.");
  setTimeout(() => {
    button.classList.remove("done");
    word.textContent = "Copy";
  }, 2500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act=copy]");
  if (button) copy(button);
});
document.addEventListener("htmx:error", () => say(UNANSWERED));
