/* The curves of a run in one phase: for each metric, columns with a value for each round. Fetched once for all charts
   of a page, then extended by the rounds that are committed. The server sends only some rounds of a long run (its
   overview); where a reader zooms in, the other rounds of that range are fetched and put into the overview. */

import { atRoot } from "../root.js";

const COLUMNS = [
  "rounds",
  "seconds",
  "work",
  "bytes",
  "mean",
  "least",
  "low",
  "high",
  "most",
  "reported_by",
  "samples",
];
const NOT_FINITE = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const instances = new Map();

export class Curves {
  static of(run, phase) {
    const key = `${run} ${phase}`;
    if (!instances.has(key)) instances.set(key, new Curves(run, phase));
    return instances.get(key);
  }

  constructor(run, phase) {
    this.run = run;
    this.phase = phase;
    this.lastRound = -1; // what was fetched so far
    this.overviews = new Map(); // metric -> curve with the rounds that the server chose, and all later ones
    this.curves = new Map(); // metric -> curve that is drawn: the overview, or one with more rounds of the detail
    this.isThinned = false; // the overviews have only some rounds of the series
    this.clients = []; // ids of clients whose own values are fetched
    this.listeners = new Map(); // listener -> its metric
    this.timer = 0; // of a reload that is due
    this.isFetching = false;
    this.isOutdated = false; // a round was committed during the request
    this.needsReload = false; // the next request asks for all rounds, not for those after the last one
    this.hasFailed = false;
    this.range = ""; // the visible range for which the detail was determined
    this.detail = null; // first and last round of a range that is fetched in full
    document.body.addEventListener("meadow:round", ({ detail }) => {
      if (detail.run_id === run && detail.committed) this.refresh();
    });
    document.body.addEventListener("meadow:server_evaluation", ({ detail }) => {
      if (detail.run_id === run) this.addServerValues(detail);
    });
    document.body.addEventListener("meadow:reset", () => {
      const isMeasured = [...this.curves.values()].some(({ server }) => Object.keys(server).length);
      if (isMeasured) this.reload(); // values of earlier rounds may have come
      else this.refresh();
    });
    document.body.addEventListener("meadow:changed", () => {
      if (this.hasFailed) this.refresh();
    });
  }

  /* Call listener(curve, first) now and whenever the curve changes from index `first` on; return a function that ends
     it. */
  subscribe(metric, listener) {
    this.listeners.set(listener, metric);
    if (this.curves.has(metric)) queueMicrotask(() => listener(this.curves.get(metric), 0));
    else this.reload();
    return () => this.listeners.delete(listener);
  }

  /* Fetch the values of these clients as well. */
  includeClients(ids) {
    if (ids.every((id) => this.clients.includes(id))) return;
    this.clients = ids;
    this.reload();
  }

  /* Fetch all rounds between two values of a column where the overview has only some of them; null: the overview is
     enough. */
  showRange(column, range) {
    const key = range ? `${column} ${range.min} ${range.max}` : "";
    if (key === this.range || !this.overviews.size) return;
    this.range = key;
    const before = this.detail, [overview] = this.overviews.values();
    this.detail = range && this.isThinned ? missingRounds(overview, column, range) : null;
    if (this.detail) this.fetchDetail();
    else if (before) { for (const [metric, curve] of this.overviews) this.publish(metric, curve); }
  }

  async fetchDetail() {
    const { detail } = this;
    try {
      const { items } = await this.request({ after: detail.first - 1, last: detail.last });
      if (detail !== this.detail) return; // the reader has moved on
      for (const item of items) {
        const overview = this.overviews.get(item.metric);
        if (overview) this.publish(item.metric, withDetail(overview, fromResponse(item)));
      }
    } catch {
      this.hasFailed = this.needsReload = true;
    }
  }

  /* Fetch all rounds, with one request for all charts of the page. */
  reload() {
    this.needsReload = true;
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.refresh();
    });
  }

  async request(rounds) {
    const query = new URLSearchParams({ phase: this.phase, ...rounds });
    for (const metric of new Set(this.listeners.values())) query.append("metric", metric);
    for (const id of this.clients) query.append("clients", id);
    const response = await fetch(atRoot(`/api/runs/${this.run}/series?${query}`));
    if (!response.ok) throw new Error(`${response.status}`);
    return response.json();
  }

  /* Fetch what is new. Rounds that are committed during a request cost one more request, not one each. */
  async refresh() {
    if (this.isFetching) {
      this.isOutdated = true;
      return;
    }
    this.isFetching = true;
    do {
      this.isOutdated = false;
      const all = this.needsReload;
      this.needsReload = false;
      if (!this.listeners.size) break;
      try {
        this.receive(await this.request({ after: all ? -1 : this.lastRound }), all);
        this.hasFailed = false;
      } catch {
        this.hasFailed = true; // asked for again at "meadow:changed", when the event stream is back
        this.needsReload ||= all;
      }
    } while ((this.isOutdated || this.needsReload) && !this.hasFailed);
    this.isFetching = false;
  }

  receive({ items, last_round, total, thinned }, all) {
    if (!all && !total) return;
    this.isThinned = thinned || (this.isThinned && !all);
    this.lastRound = last_round;
    for (const item of items) {
      const overview = this.overviews.get(item.metric), curve = this.curves.get(item.metric);
      if (all || !overview) {
        this.overviews.set(item.metric, fromResponse(item));
        this.publish(item.metric, this.overviews.get(item.metric));
      } else {
        const first = curve.rounds.length;
        for (const one of new Set([overview, curve])) append(one, item);
        this.publish(item.metric, curve, first);
      }
    }
    if (all && this.detail) this.fetchDetail();
  }

  /* What the server measured of a round that is drawn already. */
  addServerValues({ round, metrics }) {
    if (this.phase !== "evaluate") return;
    for (const [metric, curve] of this.curves) {
      const value = metrics[`server_${metric}`];
      if (value === undefined) continue;
      for (const one of new Set([this.overviews.get(metric), curve])) one.server[round] = value;
      this.publish(metric, curve, curve.rounds.length);
    }
  }

  publish(metric, curve, first = 0) {
    this.curves.set(metric, curve);
    for (const [listener, its] of this.listeners) if (its === metric) listener(curve, first);
  }
}

const notFinite = (odd) =>
  Object.entries(odd).map(([round, kind]) => /** @type {const} */ ([Number(round), NOT_FINITE[kind]]));

/* A curve: the columns of a response, its clients (id -> values), in `server` what the server
   measured (round -> value), and in `odd` the means that are not finite (round -> value), which are null in their
   column. */
export const fromResponse = (item) => ({ ...item, server: { ...item.server }, odd: new Map(notFinite(item.odd)) });

/* Append the rounds of a response to a curve. */
export function append(curve, item) {
  for (const name of COLUMNS) curve[name].push(...item[name]);
  Object.assign(curve.server, item.server);
  for (const [id, values] of Object.entries(item.clients)) curve.clients[id]?.push(...values);
  for (const [round, value] of notFinite(item.odd)) curve.odd.set(round, value);
}

/* The overview with the rounds of the detail in place of its own rounds of that range. */
export function withDetail(overview, detail) {
  const { rounds } = overview, end = rounds.findIndex((round) => round > detail.rounds.at(-1));
  const start = rounds.findIndex((round) => round >= detail.rounds[0]);
  const join = (values, part) => [...values.slice(0, start), ...part, ...(end < 0 ? [] : values.slice(end))];
  const curve = { ...overview, odd: new Map([...overview.odd, ...detail.odd]), clients: {} };
  curve.server = { ...overview.server, ...detail.server };
  for (const name of COLUMNS) curve[name] = join(overview[name], detail[name]);
  const none = detail.rounds.map(() => null);
  for (const [id, values] of Object.entries(overview.clients)) {
    curve.clients[id] = join(values, detail.clients[id] ?? none);
  }
  return curve;
}

/* The first and last round to fetch so that all rounds of a range are known, with one beyond each end, to which the
   lines lead; null where the curve has them all. */
export function missingRounds(curve, column, { min, max }) {
  const { rounds, [column]: xs } = curve, beyond = xs.findIndex((x) => x > max);
  const left = Math.max(0, xs.findIndex((x) => x > min) - 1), right = beyond < 0 ? rounds.length - 1 : beyond;
  return rounds[right] - rounds[left] > right - left ? { first: rounds[left], last: rounds[right] } : null;
}
