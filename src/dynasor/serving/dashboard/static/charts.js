// Charts in the theme's colours, each with its numbers in a table for those who cannot see it.

import { Table, byId, el } from "./dom.js";

const Chart = /** @type {any} */ (globalThis).Chart;
const dark = matchMedia("(prefers-color-scheme: dark)");
/** @type {Set<Figure>} */
const all = new Set();

/** @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {string} colour a name of the theme
 * @property {"line" | "bar"} [type]
 * @property {string} [stack]
 */

/** A chart in the figure of this id, which shows `rows` of a label and a value for each series. */
export class Figure {
  /**
   * @param {string} id
   * @param {string} axis what the labels are
   * @param {Series[]} series
   * @param {{type?: "line" | "bar", numeric?: boolean, max?: number, stacked?: boolean, legend?: boolean,
   *   xTitle?: string, yTitle?: string, format?: (value: number | null) => string}} [options]
   */
  constructor(id, axis, series, options = {}) {
    this.series = series;
    this.options = options;
    this.format = options.format ?? ((value) => (value === null ? "–" : String(value)));
    this.shown = "";
    /** @type {string | null} */
    this.reason = null;
    const figure = byId(id);
    this.canvas = /** @type {HTMLCanvasElement} */ (el("canvas", { role: "img" }));
    const details = el("details", {}, el("summary", {}, "As a table"));
    figure.append(el("div", { class: "chart" }, this.canvas), details);
    this.caption = figure.querySelector("figcaption")?.textContent ?? "";
    /** @type {[string, ...(number | null)[]][]} */
    this.rows = [];
    this.table = new Table(
      details,
      this.caption,
      [
        { title: axis, text: (/** @type {any[]} */ row) => String(row[0]) },
        ...series.map((each, number) => ({
          title: each.label,
          className: "number",
          text: (/** @type {any[]} */ row) => this.format(row[number + 1]),
        })),
      ],
      (row) => String(row[0]),
      "Nothing yet.",
    );
    details.addEventListener("toggle", () => this.fillTable());
    this.details = /** @type {HTMLDetailsElement} */ (details);
    this.chart = new Chart(this.canvas, this.config());
    all.add(this);
  }

  config() {
    const { type = "line", numeric = false, stacked = false, legend = true } = this.options;
    return {
      type,
      data: { labels: [], datasets: this.series.map((each) => this.dataset(each)) },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        normalized: true,
        layout: { padding: { top: numeric ? 10 : 0, right: numeric ? 10 : 0 } },
        events: ["mousemove", "mouseout", "touchstart"],
        interaction: { mode: "nearest", axis: "x", intersect: false },
        plugins: {
          legend: { display: legend, position: "bottom", labels: { color: colour("text"), boxWidth: 12 } },
        },
        scales: {
          x: {
            type: numeric ? "linear" : "category",
            beginAtZero: true,
            stacked,
            ticks: { color: colour("muted"), maxRotation: 0, autoSkipPadding: 16 },
            grid: { color: colour("line"), display: numeric },
            title: { display: !!this.options.xTitle, text: this.xTitle, color: colour("muted") },
          },
          y: {
            beginAtZero: true,
            max: this.options.max,
            stacked,
            ticks: { color: colour("muted"), maxTicksLimit: 6, precision: this.options.max ? undefined : 0 },
            grid: { color: colour("line") },
            title: { display: !!this.options.yTitle, text: this.options.yTitle, color: colour("muted") },
          },
        },
      },
    };
  }

  /** @param {Series} series */
  dataset(series) {
    const shade = colour(series.colour);
    return {
      label: series.label,
      type: series.type,
      stack: series.stack,
      data: [],
      borderColor: shade,
      backgroundColor: shade,
      borderWidth: this.options.type === "bar" ? 0 : 2,
      clip: this.options.numeric ? 10 : 0,
      pointRadius: this.options.numeric ? (/** @type {any} */ point) => (this.isEnd(point) ? 7 : 3) : 0,
      pointBackgroundColor: (/** @type {any} */ point) => (this.isEnd(point) ? colour("bad") : shade),
      categoryPercentage: 0.95,
      barPercentage: 0.95,
    };
  }

  /**
   * @param {[any, ...(number | null)[]][]} rows
   * @param {string} summary said by screen readers in place of the picture
   */
  show(rows, summary) {
    const now = JSON.stringify(rows);
    this.canvas.setAttribute("aria-label", `${this.caption}: ${summary}`);
    if (now === this.shown) return;
    this.shown = now;
    this.rows = rows;
    const data = this.chart.data;
    if (!this.options.numeric) data.labels = rows.map((row) => row[0]);
    data.datasets.forEach((/** @type {any} */ dataset, /** @type {number} */ number) => {
      const values = rows.map((row) => row[number + 1]);
      dataset.data = this.options.numeric ? rows.map((row, place) => ({ x: row[0], y: values[place] })) : values;
    });
    this.chart.update("none");
    this.fillTable();
  }

  /**
   * Make the last point of the line a large one, where something stopped there.
   * @param {string | null} reason
   */
  markEnd(reason) {
    if (this.reason === reason) return;
    this.reason = reason;
    this.shown = "";
    this.chart.options.scales.x.title.text = this.xTitle;
  }

  get xTitle() {
    return this.reason === null ? this.options.xTitle : `${this.options.xTitle}; stopped at the large point: ${this.reason}`;
  }

  /**
   * Whether something stopped at this point of the chart.
   * @param {{dataIndex: number, dataset: {data: any[]}}} point
   */
  isEnd(point) {
    return this.reason !== null && point.dataIndex === point.dataset.data.length - 1;
  }

  fillTable() {
    if (this.details.open) this.table.update(this.rows);
  }

  recolour() {
    const { options, data } = this.config();
    data.datasets.forEach((dataset, number) => {
      const { data: _, ...look } = dataset;
      Object.assign(this.chart.data.datasets[number], look);
    });
    this.chart.options = options;
    this.chart.update("none");
  }
}

dark.addEventListener("change", () => all.forEach((figure) => figure.recolour()));
