// Two small charts in SVG: what happened in the last two minutes, and a curve in a table's cell.

import { h, number, s } from "./dom.js";

export const SECONDS = 120;
const WIDTH = 720;
const HEIGHT = 190;
const KINDS = ["reads", "writes", "commands"];

export class Activity {
  constructor() {
    this.points = [];
  }

  add(rates) {
    const made = rates.operations;
    this.points.push({
      reads: made.query + made.getmore,
      writes: made.insert + made.update + made.delete,
      commands: made.command,
    });
    if (this.points.length > SECONDS) this.points.shift();
  }

  get latest() {
    return this.points.at(-1);
  }

  draw() {
    const totals = this.points.map((point) => KINDS.reduce((sum, kind) => sum + point[kind], 0));
    const top = nice(Math.max(10, ...totals));
    // The first half minute fills the chart by and by; from then on it holds what there is, two minutes at most.
    const shown = Math.max(30, this.points.length);
    const x = (index) => WIDTH - ((this.points.length - 1 - index) * WIDTH) / (shown - 1);
    const y = (value) => HEIGHT - (value / top) * (HEIGHT - 8);
    const areas = [];
    let below = this.points.map(() => 0);
    for (const kind of KINDS) {
      const above = this.points.map((point, index) => below[index] + point[kind]);
      const over = above.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
      const under = below.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).reverse();
      areas.push(s("polygon", { class: `area ${kind}`, points: [...over, ...under].join(" ") }));
      areas.push(s("polyline", { class: `line ${kind}`, points: over.join(" ") }));
      below = above;
    }
    const lines = [0, 0.5, 1].map((part) => s("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(top * part), y2: y(top * part) }));
    const now = this.latest;
    const told = `Operations a second: ${number(now.reads)} reads, ${number(now.writes)} writes, ${number(now.commands)} commands. The scale goes to ${number(top)}.`;
    return h("figure", { class: "chart" },
      h("span", { class: "axis top-axis", "aria-hidden": "true" }, `${number(top)}/s`),
      h("span", { class: "axis mid-axis", "aria-hidden": "true" }, number(top / 2)),
      s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 2}`, preserveAspectRatio: "none", role: "img", "aria-label": told }, lines, areas),
      h("figcaption", null, h("span", null, shown === SECONDS ? "two minutes ago" : `${shown} s ago`), h("span", null, "now")));
  }
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

export function curve(values, label) {
  if (values.length < 2) return h("span", { class: "faint" }, "…");
  const low = Math.min(...values);
  const high = Math.max(...values);
  const points = values.map((value, index) => {
    const x = (index / (values.length - 1)) * 76 + 2;
    const y = high === low ? 11 : 20 - ((value - low) / (high - low)) * 18;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return s("svg", { class: "curve", viewBox: "0 0 80 22", role: "img", "aria-label": label }, s("polyline", { points: points.join(" ") }));
}
