// Two arms of a result, side by side.

import { Figure } from "./charts.js";
import { Table, byId, el, setText } from "./dom.js";
import { armsOf, sideBySide } from "./results.js";

const LARGEST_FILE = 64 * 1024 * 1024;
const TOKEN_KINDS = ["main", "probe", "score", "cancelled"];
const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const SHARE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** @typedef {import("./results.js").Arm} Arm */
/** @typedef {{name: string, left: number | null, right: number | null}} Row */

const file = /** @type {HTMLInputElement} */ (byId("file"));
const left = /** @type {HTMLSelectElement} */ (byId("left"));
const right = /** @type {HTMLSelectElement} */ (byId("right"));
/** @type {Arm[]} */
let arms = [];

/** @param {number | null} value */
const number = (value) => (value === null ? "–" : NUMBER.format(value));

/**
 * It may be broken after its dots and dashes, and nowhere else.
 * @param {string} name
 */
const breakable = (name) => name.replace(/[._-]/g, "$&\u200b");

/** @param {Row} row */
function difference(row) {
  if (row.left === null || row.right === null) return "–";
  if (row.left === row.right) return "equal";
  const share = row.left ? (100 * (row.right - row.left)) / Math.abs(row.left) : null;
  return share === null ? number(row.right - row.left) : `${share > 0 ? "+" : "−"}${SHARE.format(Math.abs(share))} %`;
}

const measures = new Table(
  byId("measures"),
  "All measures of both",
  [
    { title: "Measure", text: (/** @type {Row} */ row) => breakable(row.name) },
    { title: "First", text: (row) => number(row.left), className: "number" },
    { title: "Second", text: (row) => number(row.right), className: "number" },
    { title: "Change", text: difference, className: "number" },
  ],
  (row) => row.name,
  "Nothing was measured.",
);
const series = [
  { label: "First", colour: "series-1" },
  { label: "Second", colour: "series-2" },
];
const latency = new Figure("latency-chart", "Measure", series, { type: "bar", format: number });
const usage = new Figure("usage-chart", "Kind", series, { type: "bar", format: number });

/**
 * The rows whose names end in one of these, under their short names.
 * @param {Row[]} rows
 * @param {string[]} beginnings in the order of preference
 * @param {string[]} ends
 * @returns {[string, number | null, number | null][]}
 */
function picked(rows, beginnings, ends) {
  for (const beginning of beginnings) {
    const found = rows.filter((row) => ends.some((end) => row.name === beginning + end));
    if (found.length) return found.map((row) => [row.name.slice(beginning.length), row.left, row.right]);
  }
  return [];
}

function show() {
  const [one, other] = [arms[left.selectedIndex], arms[right.selectedIndex]];
  if (!one || !other) return;
  const rows = sideBySide(one, other);
  measures.update(rows);
  setText(byId("about"), `First: ${one.name}. Second: ${other.name}.`);
  const times = picked(rows, ["latency_s.", ""], ["mean", "p50", "p90", "p99", "seconds"]);
  const tokens = picked(rows, ["tokens.", "tokens_per_question.", "kinds.", ""], [...TOKEN_KINDS, "tokens_per_program", "tokens"])
    .filter(([, one, other]) => one || other);
  latency.show(times, summary(times));
  usage.show(tokens, summary(tokens));
  byId("latency-chart").hidden = times.length === 0;
  byId("usage-chart").hidden = tokens.length === 0;
}

/** @param {[string, number | null, number | null][]} rows */
function summary(rows) {
  return rows.map(([name, one, other]) => `${name}: ${number(one)} and ${number(other)}`).join("; ");
}

file.addEventListener("change", async () => {
  const chosen = file.files?.[0];
  if (!chosen) return;
  setText(byId("error"), "");
  byId("chosen").hidden = true;
  try {
    if (chosen.size > LARGEST_FILE) throw new Error("It is larger than 64 MiB.");
    arms = armsOf(JSON.parse(await chosen.text()));
    if (arms.length < 2) throw new Error("It has fewer than two arms or policies to compare.");
  } catch (error) {
    setText(byId("error"), `${chosen.name} cannot be compared. ${error instanceof Error ? error.message : ""}`);
    return;
  }
  for (const select of [left, right]) select.replaceChildren(...arms.map((arm) => el("option", {}, arm.name)));
  right.selectedIndex = 1;
  byId("chosen").hidden = false;
  show();
});
left.addEventListener("change", show);
right.addEventListener("change", show);
