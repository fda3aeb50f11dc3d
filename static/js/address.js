/* The address of a list, of a run and of a comparison. Each view has an address of its own: links and controls
   change the query, and the page is refreshed from it. */

/* The token of a flash message is of no use once its page is loaded: it is removed, so that copies of the
   address do not have it. */
const loaded = new URL(location.href);
if (loaded.searchParams.has("flash")) {
  loaded.searchParams.delete("flash");
  history.replaceState(history.state, "", loaded);
}

const findPage = () => document.querySelector("#run-page, #compare-page, #experiment-page, #runs-list, #clients-list");

/* Change some fields of the query; an empty value removes a field. With `replace`, no entry is added to the history. */
export function updateQuery(changes, { replace = false } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString(), address = `${location.pathname}${text && `?${text}`}`;
  if (`${location.pathname}${location.search}${location.hash}` === address) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  const link = document.querySelector("#link");
  if (link) link.textContent = location.href;
}

/* Fetch the content of the page again, from its present address. */
export function refreshPage() {
  document.body.dispatchEvent(new CustomEvent("meadow:refresh"));
}

/* A refresh that the event stream causes asks for the present address as well, so that it keeps the view. */
document.addEventListener("htmx:config:request", ({ target, detail }) => {
  if (target === findPage()) detail.ctx.request.action = location.pathname + location.search;
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  if (!link || !findPage() || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const { pathname, search } = new URL(link.href);
  event.preventDefault();
  history.pushState(null, "", pathname + search);
  refreshPage();
});

/* The search for clients follows what is typed. */
let typing = 0;
document.addEventListener("input", ({ target }) => {
  if (target.name !== "q" || !findPage()) return;
  clearTimeout(typing);
  typing = setTimeout(() => {
    const replace = new URLSearchParams(location.search).has("q");
    updateQuery({ q: target.value.trim(), chips: "", clients: "", heatmap: "", timeline: "" }, { replace });
    refreshPage();
  }, 300);
});

addEventListener("popstate", () => {
  if (!findPage()) return;
  dispatchEvent(new CustomEvent("meadow:address"));
  refreshPage();
});

/* The filters of a list; data-filters is the usual order. A choice adds an entry to the history; all letters of one
   search share an entry. */
const TYPING_MS = 300;
let timer = 0, isTyping = false;

function applyFilters(form, typed) {
  clearTimeout(timer);
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value && !(name === "sort" && value === form.dataset.filters)) given.append(name, String(value));
  }
  const query = given.toString(), address = `${location.pathname}${query && `?${query}`}`;
  if (address === `${location.pathname}${location.search}`) return;
  history[typed && isTyping ? "replaceState" : "pushState"](null, "", address);
  isTyping = typed;
  refreshPage();
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest("form[data-filters]"), typed = target.type === "search";
  if (!form) return;
  clearTimeout(timer);
  timer = setTimeout(() => applyFilters(form, typed), typed ? TYPING_MS : 0);
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-filters]")) return;
  event.preventDefault();
  applyFilters(event.target, true);
});
document.addEventListener("focusout", ({ target }) => {
  if (target.matches("form[data-filters] [type=search]")) isTyping = false;
});
addEventListener("popstate", () => {
  isTyping = false;
});
