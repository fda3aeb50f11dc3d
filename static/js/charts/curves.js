/* What a run has measured in one phase: columns a metric, fetched once however many charts ask, then round by round. */

const known = new Map();
const COLUMNS = ["rounds", "seconds", "bytes", "mean", "least", "low", "high", "most"];

export class Curves {
  static of(run, phase) {
    const key = `${run} ${phase}`;
    if (!known.has(key)) known.set(key, new Curves(run, phase));
    return known.get(key);
  }

  constructor(run, phase) {
    Object.assign(this, { run, phase, lastRound: -1, asking: false, again: false, failed: false, anew: false });
    this.curves = new Map();           // metric -> columns
    this.clients = [];
    this.listeners = new Map();        // listener -> its metric
    document.body.addEventListener("meadow:round", ({ detail }) => { if (detail.run_id === run && detail.committed) this.refresh(); });
    document.body.addEventListener("meadow:changed", () => { if (this.failed) this.refresh(); });
  }

  /* Call the listener with the metric's curve now and whenever it grows; returns what ends it. */
  listen(metric, listener) {
    this.listeners.set(listener, metric);
    if (this.curves.has(metric)) queueMicrotask(() => listener(this.curves.get(metric), 0)); else this.reload();
    return () => this.listeners.delete(listener);
  }

  /* Have the lines of these clients, too. */
  want(clients) {
    if (clients.every((id) => this.clients.includes(id))) return;
    this.clients = clients;
    this.reload();
  }

  reload() {
    this.anew = true;
    if (this.timer) return;
    this.timer = setTimeout(() => { this.timer = 0; this.refresh(); });  // the charts of a page ask together
  }

  /* Fetch what is new. Rounds that are committed while a request is under way cost one more request, not one each. */
  async refresh() {
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    do {
      this.again = false;
      const anew = this.anew, query = new URLSearchParams({ phase: this.phase, after: anew ? -1 : this.lastRound });
      this.anew = false;
      for (const metric of new Set(this.listeners.values())) query.append("metric", metric);
      for (const id of this.clients) query.append("clients", id);
      if (!query.has("metric")) break;
      try {
        const answer = await fetch(`/api/runs/${this.run}/series?${query}`);
        if (!answer.ok) throw new Error(`${answer.status}`);
        this.take(await answer.json(), anew);
        this.failed = false;
      } catch {
        this.failed = true;            // the stream comes back before the curves do: they ask again then
        this.anew ||= anew;
      }
    } while ((this.again || this.anew) && !this.failed);
    this.asking = false;
  }

  take({ items, last_round, total }, anew) {
    if (!anew && !total) return;
    this.lastRound = last_round;
    for (const item of items) {
      let curve = this.curves.get(item.metric), first = 0;
      if (anew || !curve) {
        curve = { ...item, odd: new Map(Object.entries(item.odd).map(([round, kind]) => [Number(round), kind])) };
        this.curves.set(item.metric, curve);
      } else {
        first = curve.rounds.length;
        for (const name of COLUMNS) curve[name].push(...item[name]);
        for (const [id, values] of Object.entries(item.clients)) curve.clients[id]?.push(...values);
        for (const [round, kind] of Object.entries(item.odd)) curve.odd.set(Number(round), kind);
      }
      for (const [listener, metric] of this.listeners) if (metric === item.metric) listener(curve, first);
    }
  }
}

/* The place of the best round of a curve, or -1; round 0 trained nobody and does not compete. */
export function bestOf({ metric, mean, rounds }) {
  let best = -1;
  for (let i = 0; i < mean.length; i += 1) {
    if (mean[i] !== null && rounds[i] > 0 && (best < 0 || (metric.endsWith("loss") ? mean[i] < mean[best] : mean[i] > mean[best]))) best = i;
  }
  return best;
}
