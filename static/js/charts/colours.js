/* Colours and the font of the page for a canvas. tokens.css alone defines colours; a hidden element turns the name of a
   token into the colour of the theme in use. */

let probe;
const resolved = new Map();

export function colour(token) {
  if (!resolved.has(token)) {
    probe ||= document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
    probe.style.color = `var(--${token})`;
    resolved.set(token, getComputedStyle(probe).color);
  }
  return resolved.get(token);
}

export const withAlpha = (rgb, alpha) =>
  rgb.replace(/rgba?\(([^)]+)\)/, (_, body) => `rgba(${body.split(",").slice(0, 3).join(",")}, ${alpha})`);
export const fontFamily = () => getComputedStyle(document.body).fontFamily;

addEventListener("meadow:theme", () => resolved.clear());
