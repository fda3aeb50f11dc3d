/* What the elements <meadow-chart> and <meadow-compare> have in common: when the plot of an element is built, drawn
   again and removed. A subclass gives connect(signal), disconnect(), hasData(), build(handlers), columns(),
   showRange(), and writeReadout(); for export.js also fileName and legend, and for
   CSV header and rows. */

import { isNarrow } from "./plot.js";
import { keepZoom, readView } from "./view.js";

export class ChartElement extends HTMLElement {
  connectedCallback() {
    this.section = this.closest("[data-charts]");
    if (!this.section) return; // a morph moves the element out of its section for a moment
    this.metric = this.getAttribute("metric");
    this.phase = this.getAttribute("phase") ?? "evaluate";
    this.holder = this.querySelector(".plot");
    this.plot = null;
    this.cursor = null; // index of the round under the cursor
    this.listening = new AbortController();
    const { signal } = this.listening;
    addEventListener("meadow:theme", () => this.rebuild(), { signal });
    this.section.addEventListener("meadow:view", () => this.rebuild(), { signal });
    this.section.addEventListener("meadow:zoom", ({ detail }) => this.zoom(detail), { signal });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.holder);
    this.connect(signal);
  }

  disconnectedCallback() {
    if (!this.section) return;
    this.listening.abort();
    this.observer.disconnect();
    this.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  /* Build the plot anew, as the controls say; not before there is data and room for it. */
  rebuild() {
    if (!this.hasData() || !this.holder.clientWidth) return;
    this.plot?.destroy();
    this.view = readView(this.section);
    this.plot = this.build({
      cursor: (index) => {
        this.cursor = index;
        this.writeReadout();
      },
      zoom: (range) => {
        keepZoom(this.section, range);
        this.section.dispatchEvent(new CustomEvent("meadow:zoom", { detail: range }));
      },
      drawn: () => this.dispatchEvent(new CustomEvent("meadow:drawn", { bubbles: true, detail: this.drawnDetail() })),
    });
    this.showRange();
    this.writeReadout();
  }

  /* Draw data that has come; a zoom stays as it is. */
  draw() {
    if (!this.plot) {
      this.rebuild();
      return;
    }
    this.plot.setData(this.columns());
    this.cursor = this.plot.cursor.idx ?? null;
    this.showRange();
    this.writeReadout();
  }

  zoom(range) {
    if (!this.plot) return;
    this.view.zoom = range;
    this.draw();
  }

  resize() {
    const width = this.holder.clientWidth;
    if (!this.plot) this.rebuild();
    else if (width && width !== this.plot.width) {
      if (isNarrow(width) !== isNarrow(this.plot.width)) this.rebuild();
      else this.plot.setSize({ width, height: this.plot.height });
    }
  }

  drawnDetail() {
    return { metric: this.metric };
  }
}
