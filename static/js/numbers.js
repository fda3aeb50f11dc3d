/* How pages write numbers, times and sizes: the forms of webapp/formatting.py, for what a script changes. */

const THIN = "\u202f", MINUS = "\u2212", NOTHING = "\u2013";
const BYTES = ["B", "kB", "MB", "GB", "TB", "PB"];
const DAY_MS = 86400000;
const signed = (text) => text.replace("-", MINUS);
const twoDigits = (value) => String(value).padStart(2, "0");
const isMissing = (value) => value === null || value === undefined;
const notFinite = (value) => (Number.isNaN(value) ? "NaN" : `${value < 0 ? MINUS : ""}infinite`);

export const count = (value) =>
  isMissing(value) ? NOTHING : signed(String(Math.round(value))).replace(/\B(?=(\d{3})+$)/g, ",");

export function percent(value) {
  if (isMissing(value)) return NOTHING;
  return Number.isFinite(value) ? `${signed((value * 100).toFixed(1))}${THIN}%` : notFinite(value);
}

export function loss(value) {
  if (isMissing(value)) return NOTHING;
  if (!Number.isFinite(value)) return notFinite(value);
  return signed(Math.abs(value) < 1000 ? value.toFixed(3) : value.toExponential(2));
}

const ACCURACIES = ["accuracy", "accuracy_std", "accuracy_worst_10"];
export const metric = (value, name) => (ACCURACIES.includes(name) ? percent(value) : loss(value));

export function change(now, before, name) {
  if (isMissing(now) || isMissing(before) || !Number.isFinite(now - before)) return NOTHING;
  const inPoints = ACCURACIES.includes(name), difference = inPoints ? (now - before) * 100 : now - before;
  const size = Math.abs(difference).toFixed(inPoints ? 1 : 3);
  const sign = Number(size) ? (difference < 0 ? MINUS : "+") : "";
  return sign + size + (inPoints ? `${THIN}pt` : "");
}

export function duration(seconds) {
  if (isMissing(seconds) || !Number.isFinite(seconds)) return NOTHING;
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))}${THIN}ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)}${THIN}s`;
  const whole = Math.floor(seconds + 0.05), minutes = Math.floor(whole / 60), hours = Math.floor(whole / 3600);
  if (whole < 3600) return `${minutes}${THIN}min ${twoDigits(whole % 60)}${THIN}s`;
  if (hours < 48) return `${hours}${THIN}h ${twoDigits(minutes % 60)}${THIN}min`;
  return `${Math.floor(hours / 24)}${THIN}d ${twoDigits(hours % 24)}${THIN}h`;
}

export function size(amount) {
  if (isMissing(amount)) return NOTHING;
  let power = 0;
  for (; power + 1 < BYTES.length && amount >= 999.5; power += 1) amount /= 1000;
  return `${Number(amount.toPrecision(3))}${THIN}${BYTES[power]}`;
}

export function countdown(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), minutes = Math.floor(whole / 60), hours = Math.floor(whole / 3600);
  const head = hours ? `${hours}:${twoDigits(minutes % 60)}` : String(minutes);
  return `${head}:${twoDigits(whole % 60)}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const dayAndMonth = (moment) => `${moment.getDate()} ${MONTHS[moment.getMonth()]}`;
const hoursAndMinutes = (moment) => `${twoDigits(moment.getHours())}:${twoDigits(moment.getMinutes())}`;

export function clock(moment, now = new Date()) {
  if (now.getTime() - moment.getTime() >= DAY_MS) return dayAndMonth(moment);
  return `${hoursAndMinutes(moment)}:${twoDigits(moment.getSeconds())}`;
}

export function day(moment, now = new Date()) {
  const midnight = (time) => new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(moment)) / DAY_MS);
  if (days === 0) return `${hoursAndMinutes(moment)} today`;
  if (days === 1) return "yesterday";
  return dayAndMonth(moment) + (moment.getFullYear() === now.getFullYear() ? "" : ` ${moment.getFullYear()}`);
}
