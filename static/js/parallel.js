/* Saves the parallel coordinates of an experiment as a PNG image. */

import { fileName, ofPage, savePng } from "./charts/export.js";

/* Draw the lines and texts of the image as the page shows them. */
function draw(svg, context) {
  for (const element of svg.querySelectorAll("path, polyline, text")) {
    const style = getComputedStyle(element);
    context.strokeStyle = style.stroke;
    context.lineWidth = parseFloat(style.strokeWidth);
    if (element.tagName !== "text") {
      context.stroke(new Path2D(element.getAttribute("d") ?? `M${element.getAttribute("points")}`));
      continue;
    }
    const at = [element.textContent, Number(element.getAttribute("x")), Number(element.getAttribute("y"))];
    context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    context.textAlign = style.textAnchor === "middle" ? "center" : "left";
    context.fillStyle = style.fill;
    context.strokeText(...at); // the halo
    context.fillText(...at);
  }
}

function pictureOf(section) {
  const svg = section.querySelector("svg.parallel"), ratio = devicePixelRatio, { width, height } = svg.viewBox.baseVal;
  return {
    lines: [ofPage(section.querySelector("h2").textContent), svg.getAttribute("aria-label")],
    width: width * ratio,
    height: height * ratio,
    draw: (context, left, top) => {
      context.setTransform(ratio, 0, 0, ratio, left, top);
      draw(svg, context);
      context.resetTransform();
    },
  };
}

document.addEventListener("click", ({ target }) => {
  const section = target.closest("[data-act=parallel-png]")?.closest("section");
  if (!section) return;
  const { experiment, metric } = section.dataset;
  savePng([pictureOf(section)], [], fileName(`experiment-${experiment}`, ["parallel-coordinates", metric], "png"));
});
