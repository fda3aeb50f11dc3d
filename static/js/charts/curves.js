/* What a run has measured in one phase: columns a metric, fetched once however many charts ask, then round by round.
   A long run comes as an outline; where a reader zooms in, the finer rounds of that stretch take their places in it. */

const known = new Map();
const COLUMNS = ["rounds", "seconds", "work", "bytes", "mean", "least", "low", "high", "most"];

export class Curves {
  static of(run, phase) {
    const key = `${run} ${phase}`;
    if (!known.has(key)) known.set(key, new Curves(run, phase));
    return known.get(key);
  }

  constructor(run, phase) {
    this.run = run;
    this.phase = phase;
    this.lastRound = -1;
    this.asking =
      this.again =
      this.failed =
      this.anew =
        false;
    this.looked = "";
    this.stretch = null;
    this.timer = 0;
    this.outlines = new Map(); // metric -> columns as the server thinned them, and what came since
    this.curves = new Map(); // metric -> what is drawn: the outline, or one with finer rounds in it
    this.clients = [];
    this.listeners = new Map(); // listener -> its metric
    document.body.addEventListener("meadow:round", ({ detail }) => {
      if (detail.run_id === run && detail.committed) this.refresh();
    });
    document.body.addEventListener("meadow:changed", () => {
      if (this.failed) this.refresh();
    });
  }

  /* Call the listener with the metric's curve now and whenever it grows; returns what ends it. */
  listen(metric, listener) {
    this.listeners.set(listener, metric);
    if (this.curves.has(metric)) queueMicrotask(() => listener(this.curves.get(metric), 0));
    else this.reload();
    return () => this.listeners.delete(listener);
  }

  /* Have the lines of these clients, too. */
  want(clients) {
    if (clients.every((id) => this.clients.includes(id))) return;
    this.clients = clients;
    this.reload();
  }

  /* Have all rounds between two values of an axis, where the outline leaves some out; null goes back to the outline. */
  look(column, zoom) {
    const key = zoom ? `${column} ${zoom.min} ${zoom.max}` : "";
    if (key === this.looked || !this.outlines.size) return;
    this.looked = key;
    const before = this.stretch;
    this.stretch = zoom && this.leftOut(column, zoom);
    if (this.stretch) this.refine();
    else if (before) { for (const [metric, outline] of this.outlines) this.show(metric, outline); }
  }

  /* The rounds at both ends of a range and one beyond each, or null where the outline has them all. */
  leftOut(column, { min, max }) {
    const { rounds, [column]: xs } = this.outlines.values().next().value, beyond = xs.findIndex((x) => x > max);
    const left = Math.max(0, xs.findIndex((x) => x > min) - 1), right = beyond < 0 ? rounds.length - 1 : beyond;
    return rounds[right] - rounds[left] > right - left ? { first: rounds[left], last: rounds[right] } : null;
  }

  async refine() {
    const { stretch } = this;
    try {
      const { items } = await this.ask({ after: stretch.first - 1, last: stretch.last });
      if (stretch === this.stretch) {
        for (const item of items) {
          if (this.outlines.has(item.metric)) {
            this.show(item.metric, spliced(this.outlines.get(item.metric), made(item)));
          }
        }
      }
    } catch {
      this.failed = this.anew = true;
    }
  }

  reload() {
    this.anew = true;
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.refresh();
    }); // the charts of a page ask together
  }

  async ask(which) {
    const query = new URLSearchParams({ phase: this.phase, ...which });
    for (const metric of new Set(this.listeners.values())) query.append("metric", metric);
    for (const id of this.clients) query.append("clients", id);
    const answer = await fetch(`/api/runs/${this.run}/series?${query}`);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }

  /* Fetch what is new. Rounds that are committed while a request is under way cost one more request, not one each. */
  async refresh() {
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    do {
      this.again = false;
      const anew = this.anew;
      this.anew = false;
      if (!this.listeners.size) break;
      try {
        this.take(await this.ask({ after: anew ? -1 : this.lastRound }), anew);
        this.failed = false;
      } catch {
        this.failed = true; // the stream comes back before the curves do: they ask again then
        this.anew ||= anew;
      }
    } while ((this.again || this.anew) && !this.failed);
    this.asking = false;
  }

  take({ items, last_round, total }, anew) {
    if (!anew && !total) return;
    this.lastRound = last_round;
    for (const item of items) {
      const outline = this.outlines.get(item.metric), curve = this.curves.get(item.metric);
      if (anew || !outline) {
        this.outlines.set(item.metric, made(item));
        this.show(item.metric, this.outlines.get(item.metric));
      } else {
        const first = curve.rounds.length;
        for (const one of new Set([outline, curve])) grow(one, item);
        this.show(item.metric, curve, first);
      }
    }
    if (anew && this.stretch) this.refine();
  }

  show(metric, curve, first = 0) {
    this.curves.set(metric, curve);
    for (const [listener, its] of this.listeners) if (its === metric) listener(curve, first);
  }
}

const made = (item) => ({
  ...item,
  odd: new Map(Object.entries(item.odd).map(([round, kind]) => [Number(round), kind])),
});

function grow(curve, item) {
  for (const name of COLUMNS) curve[name].push(...item[name]);
  for (const [id, values] of Object.entries(item.clients)) curve.clients[id]?.push(...values);
  for (const [round, kind] of Object.entries(item.odd)) curve.odd.set(Number(round), kind);
}

/* An outline in which finer rounds stand in the places of their stretch. */
function spliced(outline, fine) {
  const { rounds } = outline,
    from = rounds.findIndex((round) => round >= fine.rounds[0]),
    beyond = rounds.findIndex((round) => round > fine.rounds.at(-1));
  const join = (whole, part) => [...whole.slice(0, from), ...part, ...(beyond < 0 ? [] : whole.slice(beyond))];
  const curve = { ...outline, odd: new Map([...outline.odd, ...fine.odd]), clients: {} };
  for (const name of COLUMNS) curve[name] = join(outline[name], fine[name]);
  for (const [id, values] of Object.entries(outline.clients)) {
    curve.clients[id] = join(
      values,
      fine.clients[id] ?? fine.rounds.map(() => null),
    );
  }
  return curve;
}

/* The place of the best round of a curve, or -1; round 0 trained nobody and does not compete. */
export function bestOf({ metric, mean, rounds }) {
  let best = -1;
  for (let i = 0; i < mean.length; i += 1) {
    if (
      mean[i] !== null && rounds[i] > 0 &&
      (best < 0 || (metric.endsWith("loss") ? mean[i] < mean[best] : mean[i] > mean[best]))
    ) best = i;
  }
  return best;
}
