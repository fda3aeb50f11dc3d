/* How pages write numbers: the same forms as webapp/formatting.py, for what changes after a page was made. */

const THIN = "\u202f", MINUS = "\u2212", NOTHING = "\u2013";
const BYTES = ["B", "kB", "MB", "GB", "TB", "PB"];
const signed = (text) => text.replace("-", MINUS);
const two = (value) => String(value).padStart(2, "0");
const missing = (value) => value === null || value === undefined || Number.isNaN(value);

export const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
export const percent = (value) => (missing(value) ? NOTHING : `${signed((value * 100).toFixed(1))}${THIN}%`);

export function loss(value) {
  if (missing(value)) return NOTHING;
  return signed(Math.abs(value) < 1000 ? value.toFixed(3) : value.toExponential(2));
}

export const metric = (value, name) => (name === "accuracy" ? percent(value) : loss(value));

export function change(now, before, name) {
  if (missing(now) || missing(before)) return NOTHING;
  const by = name === "accuracy" ? (now - before) * 100 : now - before;
  const size = Math.abs(by).toFixed(name === "accuracy" ? 1 : 3), sign = Number(size) ? (by < 0 ? MINUS : "+") : "";
  return sign + size + (name === "accuracy" ? `${THIN}pt` : "");
}

export function duration(seconds) {
  if (missing(seconds)) return NOTHING;
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))}${THIN}ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)}${THIN}s`;
  const whole = Math.floor(seconds + 0.05);
  if (whole < 3600) return `${Math.floor(whole / 60)}${THIN}min ${two(whole % 60)}${THIN}s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)}${THIN}h ${two(Math.floor((whole % 3600) / 60))}${THIN}min`;
  return `${Math.floor(whole / 86400)}${THIN}d ${two(Math.floor((whole % 86400) / 3600))}${THIN}h`;
}

export function size(amount) {
  if (missing(amount)) return NOTHING;
  let power = 0;
  for (; power + 1 < BYTES.length && amount >= 999.5; power += 1) amount /= 1000;
  return `${Number(amount.toPrecision(3))}${THIN}${BYTES[power]}`;
}

export function countdown(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const head = whole >= 3600
    ? `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))}`
    : String(Math.floor(whole / 60));
  return `${head}:${two(whole % 60)}`;
}

export function clock(moment, now = new Date()) {
  return now.getTime() - moment.getTime() < 86400000
    ? `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`
    : dayAndMonth(moment);
}

export function day(moment, now = new Date()) {
  const midnight = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(moment)) / 86400000);
  if (days === 0) return `${two(moment.getHours())}:${two(moment.getMinutes())} today`;
  if (days === 1) return "yesterday";
  return dayAndMonth(moment) + (moment.getFullYear() === now.getFullYear() ? "" : ` ${moment.getFullYear()}`);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const dayAndMonth = (moment) => `${moment.getDate()} ${MONTHS[moment.getMonth()]}`;
