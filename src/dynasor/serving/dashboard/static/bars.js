// Plain bars with their numbers beside them.

import { el } from "./dom.js";

/** @typedef {{label: string, value: number, shown: string, className?: string}} Bar */

/**
 * @param {Bar[]} bars
 * @returns {HTMLElement}
 */
export function barList(bars) {
  const most = Math.max(1e-9, ...bars.map((bar) => bar.value));
  return el("ul", { class: "bars" }, ...bars.map((bar) => item(bar, most)));
}

/**
 * @param {Bar} bar
 * @param {number} most
 */
function item(bar, most) {
  const strip = el("div", { class: `bar ${bar.className ?? ""}`, "aria-hidden": "true" });
  strip.style.width = `${(100 * bar.value) / most}%`;
  const label = el("div", { class: "label" }, el("span", {}, bar.label), el("span", {}, bar.shown));
  return el("li", {}, label, strip);
}
