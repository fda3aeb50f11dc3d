/* <meadow-chart run metric phase>: the figure, the plot, the line under it and the table of one metric, kept up
   with the run. */

import { change, count, metric as write } from "../numbers.js";
import { XS } from "./axes.js";
import { buildPlot, columns } from "./band.js";
import { bestOf, Curves } from "./curves.js";
import "./export.js";
import { keepZoom, readView } from "./view.js";

class Chart extends HTMLElement {
  connectedCallback() {
    this.section = this.closest("[data-charts]");
    if (!this.section) return; // a morph puts it aside for a moment, out of its section
    this.metric = this.getAttribute("metric");
    this.run = Number(this.getAttribute("run"));
    this.curves = Curves.of(this.run, this.getAttribute("phase") ?? "evaluate");
    this.holder = this.querySelector(".plot");
    this.cursor = null;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    addEventListener("meadow:theme", () => this.rebuild(), { signal });
    this.section.addEventListener("meadow:view", () => this.review(), { signal });
    this.section.addEventListener("meadow:zoom", ({ detail }) => this.zoom(detail), { signal });
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.holder);
    this.curves.want(readView(this.section).lines.map(({ id }) => id));
    this.stop = this.curves.listen(this.metric, (curve, first) => this.update(curve, first));
  }

  disconnectedCallback() {
    if (!this.section) return;
    this.leaving.abort();
    this.sizes.disconnect();
    this.stop();
    this.plot?.destroy();
    this.plot = null;
  }

  /* New rounds from a place on, or finer ones in between: draw them, or all the first time. A zoom stays where
     it is. */
  update(curve, first) {
    this.curve = curve;
    if (!this.plot) this.rebuild();
    else this.draw();
    if (!curve.rounds.length) return;
    this.querySelector("[data-part=odd]").hidden = !curve.odd.size;
    this.writeFigure();
    this.writeRows(first);
    this.writeReadout();
  }

  draw() {
    this.plot.setData(columns(this.curve, this.view));
    this.cursor = this.plot.cursor.idx ?? null;
    this.writeThinned();
  }

  review() {
    this.curves.want(readView(this.section).lines.map(({ id }) => id));
    this.rebuild();
  }

  rebuild() {
    if (!this.curve?.rounds.length || !this.holder.clientWidth) return;
    this.plot?.destroy();
    this.view = readView(this.section);
    this.plot = buildPlot(this.holder, this.run, () => this.curve, this.view, marksOf, {
      cursor: (place) => {
        this.cursor = place;
        this.writeReadout();
      },
      zoom: (zoom) => {
        keepZoom(this.section, zoom);
        this.section.dispatchEvent(new CustomEvent("meadow:zoom", { detail: zoom }));
      },
      drawn: () =>
        this.dispatchEvent(
          new CustomEvent("meadow:drawn", {
            bubbles: true,
            detail: { metric: this.metric, round: this.curve.rounds.at(-1) },
          }),
        ),
    });
    this.curves.look(XS[this.view.x].column, this.view.zoom);
    this.writeReadout();
    this.writeThinned();
  }

  zoom(range) {
    if (!this.plot) return;
    this.view.zoom = range;
    this.draw();
    this.curves.look(XS[this.view.x].column, range);
  }

  resize() {
    const width = this.holder.clientWidth;
    if (!this.plot) {
      if (width) this.rebuild();
      return;
    }
    if (width && width !== this.plot.width) {
      if ((width < 400) !== (this.plot.width < 400)) this.rebuild();
      else this.plot.setSize({ width, height: this.plot.height });
    }
  }

  text(place) {
    const { rounds, mean, odd } = this.curve;
    return odd.has(rounds[place]) ? "NaN" : write(mean[place], this.metric);
  }

  writeFigure() {
    const { rounds, mean } = this.curve, place = mean.length - 1, best = bestOf(this.curve);
    const put = (part, text) => {
      this.querySelector(`[data-part=${part}]`).textContent = text;
    };
    const said = best >= 0 ? `best ${write(mean[best], this.metric)} in round ${rounds[best]}` : "";
    put("figure", this.text(place));
    put(
      "change",
      place > 0 && mean[place] !== null && mean[place - 1] !== null
        ? `${change(mean[place], mean[place - 1], this.metric)} since round ${rounds[place - 1]}`
        : "",
    );
    put("best", said);
    this.holder.setAttribute(
      "aria-label",
      `${this.metric} by round: mean ${this.text(place)} in round ${rounds[place]}${
        said ? `, ${said}` : ""
      }; the band shows the spread of clients`,
    );
  }

  writeRows(first) {
    const body = this.querySelector("tbody"), { rounds, least, most } = this.curve;
    const last = Number(body.lastElementChild?.dataset.round ?? -1);
    for (let place = Math.max(first, rounds.length - 200); place < rounds.length; place += 1) {
      if (rounds[place] <= last) continue;
      const row = body.insertRow(), head = document.createElement("th");
      row.dataset.round = rounds[place];
      head.scope = "row";
      head.textContent = rounds[place];
      row.append(head);
      for (const text of [this.text(place), write(least[place], this.metric), write(most[place], this.metric)]) {
        const cell = row.insertCell();
        cell.className = "num";
        cell.textContent = text;
      }
    }
  }

  /* Say where some rounds are left out of what is seen. */
  writeThinned() {
    const { rounds } = this.curve,
      xs = this.curve[XS[this.view.x].column],
      { min, max } = this.view.zoom ?? { min: -Infinity, max: Infinity };
    const seen = rounds.filter((_, place) => xs[place] >= min && xs[place] <= max),
      all = seen.length && seen.at(-1) - seen[0] + 1;
    const line = this.querySelector("[data-part=thinned]");
    line.hidden = seen.length === all;
    line.textContent = line.hidden
      ? ""
      : `${count(seen.length)} of ${count(all)} rounds are drawn; zoom in for all of them`;
  }

  writeReadout() {
    const { rounds, least, most, clients } = this.curve, place = Math.min(this.cursor ?? Infinity, rounds.length - 1);
    const x = this.view?.x ?? "round", where = x === "round" ? "" : `${XS[x].words(this.curve[XS[x].column][place])}, `;
    const parts = [`${where}round ${rounds[place]}: mean ${this.text(place).replace("NaN", "not a number")}`];
    if (least[place] !== null) {
      parts.push(`clients ${write(least[place], this.metric)} to ${write(most[place], this.metric)}`);
    }
    if (this.cursor !== null) {
      for (const line of this.view.lines) parts.push(`${line.name} ${write(clients[line.id]?.[place], this.metric)}`);
    }
    this.querySelector(".readout").textContent = parts.join(", ");
  }

  /* What a file holds: the values of what is seen. */
  get fileName() {
    return `run-${this.run}`;
  }
  get legend() {
    return [];
  }
  get heads() {
    return [
      "metric",
      "round",
      "seconds",
      "bytes",
      "mean",
      "least",
      "low_10",
      "high_10",
      "most",
      ...this.view.lines.map(({ name }) => name),
    ];
  }
  get values() {
    const { curve, view, metric } = this, [xs] = this.plot.data, { min, max } = this.plot.scales.x;
    const rows = curve.rounds.map((round, i) => [
      metric,
      round,
      curve.seconds[i],
      curve.bytes[i],
      curve.odd.get(round) ?? curve.mean[i],
      curve.least[i],
      curve.low[i],
      curve.high[i],
      curve.most[i],
      ...view.lines.map(({ id }) => curve.clients[id]?.[i]),
    ]);
    return rows.filter((_, i) => xs[i] >= min && xs[i] <= max);
  }
}

/* What happened between rounds, as the page last said: it stands in a fragment that is refreshed. */
function marksOf() {
  const holder = document.querySelector("#run-marks");
  return holder ? JSON.parse(holder.dataset.marks) : [];
}

customElements.define("meadow-chart", Chart);
