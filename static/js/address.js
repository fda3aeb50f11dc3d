/* Every view of a run and of a comparison has an address: links and controls change the query, and the page follows
   it. */

/* The token of a flash message is of no use once its page has come: a copied address does not hold it. */
const shown = new URL(location.href);
if (shown.searchParams.has("flash")) {
  shown.searchParams.delete("flash");
  history.replaceState(history.state, "", shown);
}

const pageOf = () => document.querySelector("#run-page, #compare-page");

/* Change some of the query; an empty value is left out. A step of a slider replaces the entry that the first one
   made. */
export function go(changes, { replace = false, hash = "" } = {}) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString(), address = `${location.pathname}${text ? `?${text}` : ""}${hash}`;
  if (`${location.pathname}${location.search}${location.hash}` === address) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  const link = document.querySelector("#link");
  if (link) link.textContent = location.href;
}

/* Ask for the page's part anew, from the address as it stands now. */
export function refresh() {
  document.body.dispatchEvent(new CustomEvent("meadow:asked"));
}

/* A refresh that the stream causes keeps what the reader has asked for. */
document.addEventListener("htmx:config:request", ({ target, detail }) => {
  if (target === pageOf()) detail.ctx.request.action = location.pathname + location.search;
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  if (!link || !pageOf() || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const there = new URL(link.href);
  event.preventDefault();
  history.pushState(null, "", there.pathname + there.search);
  refresh();
});

addEventListener("popstate", () => {
  if (!pageOf()) return;
  dispatchEvent(new CustomEvent("meadow:address"));
  refresh();
});
