/* The theme: applied before the first paint, so this file is loaded in the head and is no module. */

(() => {
  const root = document.documentElement, themes = ["auto", "light", "dark"];
  const read = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const write = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch { /* a private window keeps it until it is closed */ }
  };
  let theme = themes.includes(read()) ? read() : "auto";

  function apply() {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    for (const button of document.querySelectorAll("[data-act=theme]")) {
      button.hidden = false;
      button.dataset.shows = theme;
      button.setAttribute("aria-label", `Theme: ${theme}. Change`);
    }
  }
  const tell = () => dispatchEvent(new CustomEvent("meadow:theme"));

  apply();
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-act=theme]")) return;
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    write(theme);
    apply();
    tell();
  });
  addEventListener("storage", (event) => {
    if (event.key === "theme") {
      theme = event.newValue || "auto";
      apply();
      tell();
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
})();
