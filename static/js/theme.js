/* The theme: light, dark, or that of the system. Applied before the first paint, so this file is loaded in the head and
   is not a module. */

(() => {
  const root = document.documentElement, themes = ["auto", "light", "dark"];
  const load = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const save = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch { /* without storage the theme is kept until the page is closed */ }
  };
  let theme = themes.includes(load()) ? load() : "auto";

  function apply() {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    for (const button of document.querySelectorAll("[data-act=theme]")) {
      button.hidden = false;
      button.dataset.shows = theme;
      button.setAttribute("aria-label", `Theme: ${theme}. Change`);
    }
  }
  const notify = () => dispatchEvent(new CustomEvent("meadow:theme"));
  const change = (chosen) => {
    theme = chosen;
    apply();
    notify();
  };

  apply();
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-act=theme]")) return;
    change(themes[(themes.indexOf(theme) + 1) % themes.length]);
    save(theme);
  });
  /* Paper is light: the theme of the page, and with it the charts, follow for as long as it is printed. */
  addEventListener("beforeprint", () => {
    root.setAttribute("data-theme", "light");
    notify();
  });
  addEventListener("afterprint", () => {
    apply();
    notify();
  });
  addEventListener("storage", (event) => {
    if (event.key === "theme") change(event.newValue || "auto");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", notify);
})();
