/* The event stream of a page. Dispatches each event of the server on body, as "meadow:round" and so on with its data as
   `detail`, and then "meadow:changed", which refreshes the fragments (hx-trigger). Resumes after the last event that
   came, closes while the tab is hidden, and shows how old the page is while there is no stream. */

import { showMessage } from "./flash.js";
import { atRoot } from "./root.js";
import { hasUnsentInput, SIGNED_OUT } from "./unsent.js";

const CHANGED_MS = 500; // the least time between two "meadow:changed"; more where the server answers slowly
const MAX_CHANGED_MS = 5000;
const CHARTS_FIRST_MS = 150; // before "meadow:changed", up to twice that at random: viewers do not ask at once
const SILENT_MS = 40000; // a stream that sent pings and then nothing for so long is broken
const CONNECT_MS = 10000; // a stream that has not opened by then is lost
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5000;
const TYPES = ["run", "round", "reply", "client", "experiment", "progress", "server_evaluation"];
const holder = document.querySelector("#live");

let stream = null;
let lastId = holder?.dataset.after || "0";
let lastEventAt = Date.now();
let openedAt = 0;
let hasPings = false;
let attempts = 0; // failed connections since the last one that worked
let retryTimer = 0;
let changedTimer = 0;
let changedAt = 0;
let refreshMs = 0; // from "meadow:changed" to the fragment that came

/* Whether the stream is lost, and with it perhaps the server. */
export const isLost = () => attempts > 0;

const dispatch = (name, detail) => document.body.dispatchEvent(new CustomEvent(`meadow:${name}`, { detail }));

function scheduleChanged() {
  if (changedTimer) return;
  const pause = Math.min(MAX_CHANGED_MS, Math.max(CHANGED_MS, 5 * refreshMs));
  const wait = Math.max(CHARTS_FIRST_MS * (1 + Math.random()), changedAt + pause - Date.now());
  changedTimer = setTimeout(() => {
    changedTimer = 0;
    changedAt = Date.now();
    dispatch("changed");
  }, wait);
}

document.addEventListener("htmx:after:swap", () => {
  refreshMs = Date.now() - changedAt;
});

function receive(event) {
  lastEventAt = Date.now();
  if (event.lastEventId) lastId = event.lastEventId;
  dispatch(event.type, JSON.parse(event.data));
  if (event.type !== "progress") scheduleChanged();
}

function open() {
  clearTimeout(retryTimer);
  if (stream || document.hidden) return;
  openedAt = Date.now();
  stream = new EventSource(`${holder.dataset.stream}?after=${encodeURIComponent(lastId)}`);
  stream.onopen = () => {
    lastEventAt = Date.now();
    if (attempts) scheduleChanged(); // the stream does not repeat which clients came and went while it was lost
    attempts = 0;
    show();
  };
  for (const type of TYPES) stream.addEventListener(type, receive);
  stream.addEventListener("ping", () => {
    lastEventAt = Date.now();
    hasPings = true;
  });
  stream.addEventListener("reset", reset);
  stream.onerror = reconnect;
}

/* More happened at once than a stream holds, as in a round of a thousand clients: go on after it and read the state. */
function reset(event) {
  lastId = event.lastEventId;
  close();
  open();
  dispatch("reset");
  scheduleChanged();
}

function close() {
  stream?.close();
  stream = null;
}

/* Open the stream again after a delay that doubles with each failure and varies, so that viewers do not
   come at once. */
function reconnect() {
  close();
  attempts += 1;
  const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 4));
  retryTimer = setTimeout(open, wait * (0.75 + Math.random() / 2));
  show();
  leaveIfSignedOut();
}

/* A stream does not tell why it failed. Loaded again, the page leads to the login and back. */
async function leaveIfSignedOut() {
  const answer = await fetch(atRoot("/api/me")).catch(() => null);
  if (answer?.status !== 401) return;
  if (hasUnsentInput()) showMessage(SIGNED_OUT);
  else location.reload();
}

function show() {
  const [word, age] = holder.querySelectorAll(":scope > span > span"), glyph = holder.querySelector("use");
  const text = isLost() ? "Reconnecting" : "Live";
  holder.hidden = false;
  if (word.textContent !== text) { // a screen reader speaks each change of the word, so it is not written every second
    holder.classList.toggle("is-lost", isLost());
    word.textContent = text;
    glyph.setAttribute("href", glyph.getAttribute("href").replace(/#.*/, isLost() ? "#g-waiting" : "#g-running"));
  }
  const seconds = Math.round((Date.now() - lastEventAt) / 1000);
  age.textContent = isLost() ? `, data is ${seconds}\u202fs old` : "";
}

/* A page that was out of sight counts as one that lost its stream: it catches up as soon as it has one again. */
function suspend() {
  close();
  attempts = Math.max(attempts, 1);
}

if (holder) {
  setInterval(() => {
    const isConnecting = stream?.readyState === EventSource.CONNECTING;
    const quiet = Date.now() - Math.max(lastEventAt, openedAt);
    if (stream && (isConnecting ? quiet > CONNECT_MS : hasPings && quiet > SILENT_MS)) reconnect();
    if (isLost()) show();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) suspend();
    else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    suspend();
    open();
  });
  open();
}
