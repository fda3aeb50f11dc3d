/* <meadow-chart run metric phase>: one metric of a run, as a figure, a plot, the sentence below it and a table, all of
   which follow the run. */

import { change, count, metric as write } from "../numbers.js";
import { X_AXES } from "./axes.js";
import { buildRunPlot, columnsOf } from "./band.js";
import { Curves } from "./curves.js";
import { ChartElement } from "./element.js";
import "./save_buttons.js";
import { readView } from "./view.js";

const TABLE_ROWS = 200;

class Chart extends ChartElement {
  connect(signal) {
    this.run = Number(this.getAttribute("run"));
    this.curves = Curves.of(this.run, this.phase);
    this.section.addEventListener("meadow:view", () => this.includeClients(), { signal });
    document.addEventListener("htmx:after:swap", () => this.showNote(), { signal });
    this.includeClients();
    this.unsubscribe = this.curves.subscribe(this.metric, (curve, first) => this.update(curve, first));
  }

  disconnect() {
    this.unsubscribe();
  }

  includeClients() {
    this.curves.includeClients(readView(this.section).lines.map(({ id }) => id));
  }

  hasData() {
    return Boolean(this.curve?.rounds.length);
  }

  build(handlers) {
    const marks = { events: () => [...readMarks("events", "[]"), ...this.changes], best: () => this.note };
    return buildRunPlot(this.holder, this.run, () => this.curve, this.view, marks, handlers);
  }

  columns() {
    return columnsOf(this.curve, this.view);
  }

  /* The curve has new values from index `first` on, or has other values. */
  update(curve, first) {
    this.curve = curve;
    this.draw();
    if (!this.hasData()) return;
    this.querySelector("[data-part=odd]").hidden = !curve.odd.size;
    this.writeFigure();
    this.writeRows(first);
    this.writeReadout();
  }

  showRange() {
    this.curves.showRange(X_AXES[this.view.x].column, this.view.zoom);
    this.writeThinned();
  }

  drawnDetail() {
    return { metric: this.metric, round: this.curve.rounds.at(-1) };
  }

  text(index) {
    const { rounds, mean, odd } = this.curve;
    return write(odd.get(rounds[index]) ?? mean[index], this.metric);
  }

  /* The best round, what is written of it and of the clients, and the rounds from which on they are others. The server
     says it, so that the whole page says the same. */
  get note() {
    return readMarks("notes", "{}")[`${this.phase}_${this.metric}`] ?? { best: "", basis: "", changes: [] };
  }

  get changes() {
    return this.note.changes.map((round) => ({ round: round - 0.5, kind: "clients" }));
  }

  /* The page was refreshed: another note may be in it. */
  showNote() {
    if (!this.hasData() || JSON.stringify(this.note) === this.noteShown) return;
    this.writeFigure();
    this.plot?.redraw(false);
  }

  writeFigure() {
    const { rounds, mean } = this.curve, last = mean.length - 1, { best, basis } = this.note;
    this.noteShown = JSON.stringify(this.note);
    const hasChange = last > 0 && mean[last] !== null && mean[last - 1] !== null;
    const changeText = hasChange
      ? `${change(mean[last], mean[last - 1], this.metric)} since round ${rounds[last - 1]}`
      : "";
    const texts = { figure: this.text(last), change: changeText, best, basis };
    for (const [part, text] of Object.entries(texts)) this.querySelector(`[data-part=${part}]`).textContent = text;
    const label = `${this.metric} by round: mean ${this.text(last)} in round ${rounds[last]}`;
    this.holder.setAttribute(
      "aria-label",
      `${label}${best && `, ${best}`}; ${basis}; the bands show the client spread`,
    );
  }

  writeRows(first) {
    const body = this.querySelector("tbody"), { rounds, least, most, reported_by, samples } = this.curve;
    const last = Number(body.lastElementChild?.dataset.round ?? -1);
    for (let i = Math.max(first, rounds.length - TABLE_ROWS); i < rounds.length; i += 1) {
      if (rounds[i] <= last) continue;
      const row = body.insertRow(), head = document.createElement("th");
      row.dataset.round = rounds[i];
      head.scope = "row";
      head.textContent = rounds[i];
      row.append(head);
      const range = [least[i], most[i]].map((value) => write(value, this.metric));
      for (const text of [this.text(i), ...range, count(reported_by[i]), count(samples[i])]) {
        const cell = row.insertCell();
        cell.className = "num";
        cell.textContent = text;
      }
    }
  }

  /* Say how many of the visible rounds are drawn where the server sent only some of them. */
  writeThinned() {
    const { rounds } = this.curve, xs = this.curve[X_AXES[this.view.x].column];
    const { min, max } = this.view.zoom ?? { min: -Infinity, max: Infinity };
    const drawn = rounds.filter((_, i) => xs[i] >= min && xs[i] <= max);
    const all = drawn.length && drawn.at(-1) - drawn[0] + 1;
    const line = this.querySelector("[data-part=thinned]");
    line.hidden = !this.curves.isThinned || drawn.length === all;
    line.textContent = line.hidden ? "" : `${count(drawn.length)} of ${count(all)} rounds drawn; zoom in to see all`;
  }

  writeReadout() {
    const { rounds, least, most, reported_by, clients } = this.curve,
      i = Math.min(this.cursor ?? Infinity, rounds.length - 1);
    const x = this.view?.x ?? "round", { column, label } = X_AXES[x];
    const position = x === "round" ? "" : `${label(this.curve[column][i])}, `;
    const parts = [`${position}round ${rounds[i]}: mean ${this.text(i).replace("NaN", "not a number")}`];
    if (least[i] !== null) {
      parts.push(`clients ${write(least[i], this.metric)} to ${write(most[i], this.metric)}`);
      parts.push(`${count(reported_by[i])} client${reported_by[i] === 1 ? "" : "s"}`);
    }
    const server = this.curve.server[rounds[i]];
    if (server !== undefined) parts.push(`server ${write(server, this.metric)}`);
    if (this.cursor !== null) {
      for (const line of this.view.lines) parts.push(`${line.name} ${write(clients[line.id]?.[i], this.metric)}`);
    }
    this.querySelector(".readout").textContent = parts.join(", ");
  }

  get fileName() {
    return `run-${this.run}`;
  }

  get legend() {
    return [];
  }

  get header() {
    const columns = ["metric", "round", "seconds", "bytes", "mean", "least", "low_10", "high_10", "most"];
    return [...columns, "clients", "samples", "data", "server", ...this.view.lines.map(({ name }) => name)];
  }

  /* The values of the visible rounds. */
  get rows() {
    const { curve, view, metric } = this, [xs] = this.plot.data, { min, max } = this.plot.scales.x;
    const { seconds, bytes, mean, least, low, high, most, reported_by, samples, odd, clients } = curve;
    const rows = curve.rounds.map((round, i) => {
      const spread = [least[i], low[i], high[i], most[i]], lines = view.lines.map(({ id }) => clients[id]?.[i]);
      const over = [reported_by[i], samples[i], curve.data, curve.server[round]];
      return [metric, round, seconds[i], bytes[i], odd.get(round) ?? mean[i], ...spread, ...over, ...lines];
    });
    return rows.filter((_, i) => xs[i] >= min && xs[i] <= max);
  }
}

/* The events of the run between its rounds, or the notes of each metric. They are in a fragment that is refreshed,
   so they are read when needed. */
function readMarks(name, none) {
  return JSON.parse(document.querySelector("#run-marks")?.dataset[name] ?? none);
}

customElements.define("meadow-chart", Chart);
