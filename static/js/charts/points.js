/* What a run has measured: one column a client and metric, one place a round. The charts of a page share it. */

const known = new Map();

export class Points {
  /* The points of a run, fetched once however many charts ask. */
  static of(run) {
    if (!known.has(run)) known.set(run, new Points(run));
    return known.get(run);
  }

  constructor(run) {
    this.run = run;
    this.rounds = [];
    this.places = new Map();           // round -> index in every column
    this.columns = new Map();          // metric -> client id or "mean" -> values by place
    this.bands = new Map();            // metric -> { max, high, low, min } by place
    this.odd = new Map();              // metric -> places whose mean is no number
    this.lastId = 0;
    this.listeners = new Set();
    this.asking = null;
    this.again = false;
    document.body.addEventListener("meadow:round", (event) => { if (event.detail.run_id === this.run) this.refresh(); });
    document.body.addEventListener("meadow:changed", () => { if (this.failed) this.refresh(); });
  }

  listen(listener) {
    this.listeners.add(listener);
    if (this.rounds.length) listener(0); else this.refresh();
    return () => this.listeners.delete(listener);
  }

  /* Fetch what is new. Rounds that are committed while a request is under way cost one more request, not one each. */
  async refresh() {
    if (this.asking) { this.again = true; return; }
    do {
      this.again = false;
      this.asking = fetch(`/api/runs/${this.run}/metrics?phase=evaluate&since_id=${this.lastId}`);
      try {
        const answer = await this.asking;
        if (!answer.ok) throw new Error(`${answer.status}`);
        const page = await answer.json();
        if (page.items.length) this.again ||= this.take(page);
        this.failed = false;
      } catch {
        this.failed = true;            // the stream comes back before the points do: it asks again
      }
    } while (this.again && !this.failed);
    this.asking = null;
  }

  /* Add a page of points; returns whether there may be more. */
  take({ items, last_id }) {
    let first = this.rounds.length;
    for (const item of items) {
      const place = this.place(item.round);
      first = Math.min(first, place);
      this.column(item.name, item.client_id ?? "mean")[place] = item.value;
      if (item.client_id === null && item.kind !== "finite") this.oddOf(item.name).add(place);
    }
    const more = last_id > this.lastId;
    this.lastId = last_id;
    for (const name of this.columns.keys()) this.measure(name, first);
    for (const listener of this.listeners) listener(first);
    return more && items.length >= 1000;
  }

  place(round) {
    let place = this.places.get(round);
    if (place === undefined) {
      place = this.rounds.push(round) - 1;
      this.places.set(round, place);
    }
    return place;
  }

  column(name, who) {
    if (!this.columns.has(name)) this.columns.set(name, new Map());
    const group = this.columns.get(name);
    if (!group.has(who)) group.set(who, []);
    return group.get(who);
  }

  oddOf(name) {
    if (!this.odd.has(name)) this.odd.set(name, new Set());
    return this.odd.get(name);
  }

  /* A column as long as there are rounds; what is missing is null, which a chart leaves open. */
  values(name, who) {
    const column = this.column(name, who);
    for (let place = 0; place < this.rounds.length; place += 1) column[place] ??= null;
    return column;
  }

  band(name) {
    if (!this.bands.has(name)) this.bands.set(name, { max: [], high: [], low: [], min: [] });
    return this.bands.get(name);
  }

  /* The spread of clients from a place on: all of them, and the middle 80 %. */
  measure(name, first) {
    const band = this.band(name), clients = [...this.columns.get(name)].filter(([who]) => who !== "mean");
    for (let place = first; place < this.rounds.length; place += 1) {
      const there = clients.map(([, column]) => column[place]).filter((value) => value !== null && value !== undefined);
      there.sort((a, b) => a - b);
      band.max[place] = there.at(-1) ?? null;
      band.high[place] = quantile(there, 0.9);
      band.low[place] = quantile(there, 0.1);
      band.min[place] = there[0] ?? null;
    }
  }

  /* The place of the best round of a metric, or -1; round 0 trained nobody and does not compete. */
  best(name) {
    const mean = this.values(name, "mean"), better = name === "loss" ? (a, b) => a < b : (a, b) => a > b;
    let best = -1;
    mean.forEach((value, place) => {
      if (value !== null && this.rounds[place] > 0 && (best < 0 || better(value, mean[best]))) best = place;
    });
    return best;
  }
}

function quantile(sorted, q) {
  if (!sorted.length) return null;
  const at = (sorted.length - 1) * q, low = Math.floor(at), high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}
