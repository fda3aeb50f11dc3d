/* Colours live in tokens.css only; a probe turns a token into the colour of the theme in use. */

let probe;
const found = new Map();

export function ink(token) {
  if (!found.has(token)) {
    probe ||= document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
    probe.style.color = `var(--${token})`;
    found.set(token, getComputedStyle(probe).color);
  }
  return found.get(token);
}

export const fade = (colour, alpha) =>
  colour.replace(/rgba?\(([^)]+)\)/, (_, body) => `rgba(${body.split(",").slice(0, 3).join(",")}, ${alpha})`);
export const face = () => getComputedStyle(document.body).fontFamily;

addEventListener("meadow:theme", () => found.clear());
