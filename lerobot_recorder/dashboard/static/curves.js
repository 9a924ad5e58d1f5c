// Curves of joint values on a canvas.

import { make } from "./page.js";

const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7570b3", "#8c564b"];

/** A title, a canvas and a legend. */
export class Plot {
  constructor(title, names) {
    this.canvas = make("canvas");
    const entries = names.map((name, index) =>
      make("span", {}, make("i", { className: `c${index % COLORS.length}` }), name));
    this.element = make("div", {}, make("div", { textContent: title }), this.canvas,
      make("div", { className: "legend" }, ...entries));
  }

  /** Draw curves: `xs` from 0 to 1, `columns[i][k]` the value of curve i at xs[k], null for none. */
  draw(xs, columns, cursor = null) {
    const canvas = this.canvas, scale = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const values = columns.flat().filter((value) => value !== null);
    let low = Math.min(...values), high = Math.max(...values);
    if (!values.length) { low = 0; high = 1; }
    const margin = (high - low) * 0.08 || 0.5;
    low -= margin; high += margin;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.lineWidth = 1.6 * scale;
    columns.forEach((column, index) => {
      pen.strokeStyle = COLORS[index % COLORS.length];
      pen.beginPath();
      let isDown = false;
      column.forEach((value, k) => {
        if (value === null) { isDown = false; return; }
        const x = xs[k] * width, y = height - ((value - low) / (high - low)) * height;
        if (isDown) pen.lineTo(x, y); else pen.moveTo(x, y);
        isDown = true;
      });
      pen.stroke();
    });
    pen.fillStyle = getComputedStyle(canvas).color;
    pen.font = `${11 * scale}px system-ui, sans-serif`;
    pen.fillText(high.toPrecision(3), 4 * scale, 13 * scale);
    pen.fillText(low.toPrecision(3), 4 * scale, height - 5 * scale);
    if (cursor !== null) pen.fillRect(cursor * width - scale, 0, 2 * scale, height);
  }
}

const SHOWN_MS = 20000;

/** The values of one topic over the last seconds. */
export class LiveCurves {
  constructor(name) {
    this.name = name;
    this.samples = [];
    this.plot = null;
    this.element = make("div");
  }

  add(values) {
    const names = Object.keys(values), now = performance.now();
    if (!this.plot || names.join() !== this.names.join()) {
      this.names = names;
      this.samples = [];
      this.plot = new Plot(this.name, names);
      this.element.replaceChildren(this.plot.element);
    }
    this.samples.push([now, names.map((name) => values[name])]);
    while (this.samples[0][0] < now - SHOWN_MS) this.samples.shift();
  }

  draw() {
    if (!this.plot) return;
    const now = performance.now();
    const xs = this.samples.map(([time]) => 1 - (now - time) / SHOWN_MS);
    this.plot.draw(xs, this.names.map((_, index) => this.samples.map(([, values]) => values[index])));
  }
}
