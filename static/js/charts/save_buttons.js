/* The buttons that save the charts of a section; the code that saves is loaded when the first of them is pressed. */

const CHARTS = "meadow-chart, meadow-compare, meadow-experiment";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-act=png], [data-act=csv]"), section = button?.closest("[data-charts]");
  const charts = [...(section?.querySelectorAll(CHARTS) ?? [])].filter((chart) => chart.plot);
  if (!charts.length) return;
  event.preventDefault();
  const { save } = await import("./export.js");
  save(charts, button.dataset.act);
});
