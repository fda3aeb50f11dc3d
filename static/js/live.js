/* The page's one event stream. Re-dispatches what it hears as DOM events on body ("meadow:round" and so on, the data as
   detail) and, at most twice a second, "meadow:changed", which refreshes fragments by hx-trigger. Resumes after the
   last id it has seen, closes while the tab is hidden, and says how old the page is while it has no stream. */

const QUIET_MS = 500; // between two "meadow:changed", more where the server is slow to answer
const MOST_QUIET_MS = 5000;
const CHARTS_FIRST_MS = 150; // before "meadow:changed", and up to as much again: viewers do not all ask at once
const SILENT_MS = 40000; // a stream that sent pings and stopped is dead
const TYPES = ["run", "round", "reply", "client", "progress"];
const holder = document.querySelector("#live");

let stream = null, lastId = holder?.dataset.after || "0", heardAt = Date.now(), pings = false;
let attempts = 0, retry = 0, changed = 0, changedAt = 0, took = 0;

/* Whether the stream is lost, and with it perhaps the server. */
export const isLost = () => attempts > 0;

const tell = (name, detail) => document.body.dispatchEvent(new CustomEvent(`meadow:${name}`, { detail }));

function tellChanged() {
  if (changed) return;
  const quiet = changedAt + Math.min(MOST_QUIET_MS, Math.max(QUIET_MS, 5 * took)) - Date.now();
  const wait = Math.max(CHARTS_FIRST_MS * (1 + Math.random()), quiet);
  changed = setTimeout(() => {
    changed = 0;
    changedAt = Date.now();
    tell("changed");
  }, wait);
}

document.addEventListener("htmx:after:swap", () => {
  took = Date.now() - changedAt;
});

function hear(event) {
  heardAt = Date.now();
  if (event.lastEventId) lastId = event.lastEventId;
  tell(event.type, JSON.parse(event.data));
  if (event.type !== "progress") tellChanged();
}

function open() {
  clearTimeout(retry);
  if (stream || document.hidden) return;
  stream = new EventSource(`${holder.dataset.stream}?after=${encodeURIComponent(lastId)}`);
  stream.onopen = () => {
    heardAt = Date.now();
    if (attempts) tellChanged(); // who is online is not stored: ask again after a gap
    attempts = 0;
    show();
  };
  for (const type of TYPES) stream.addEventListener(type, hear);
  stream.addEventListener("ping", () => {
    heardAt = Date.now();
    pings = true;
  });
  stream.addEventListener("reset", () => location.reload());
  stream.onerror = lose;
}

function close() {
  stream?.close();
  stream = null;
}

function lose() {
  close();
  attempts += 1;
  const wait = Math.min(5000, 500 * 2 ** Math.min(attempts - 1, 4));
  retry = setTimeout(open, wait * (0.75 + Math.random() / 2));
  show();
}

function show() {
  const lost = attempts > 0,
    [word, age] = holder.querySelectorAll(":scope > span > span"),
    glyph = holder.querySelector("use");
  const text = lost ? "Reconnecting" : "Live";
  holder.hidden = false;
  if (word.textContent !== text) { // spoken once, not every second
    holder.classList.toggle("is-lost", lost);
    word.textContent = text;
    glyph.setAttribute("href", glyph.getAttribute("href").replace(/#.*/, lost ? "#g-waiting" : "#g-running"));
  }
  age.textContent = lost ? `, data is ${Math.round((Date.now() - heardAt) / 1000)}\u202fs old` : "";
}

if (holder) {
  setInterval(() => {
    if (pings && stream && Date.now() - heardAt > SILENT_MS) lose();
    if (attempts) show();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      attempts = Math.max(attempts, 1);
    } else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      attempts = Math.max(attempts, 1);
      open();
    }
  });
  open();
}
