// A search tree as a picture, and as nested lists for those who cannot see it.

import { colour } from "./charts.js";
import { el, svg } from "./dom.js";
import { brief, certainty } from "./format.js";

const WIDEST_COLUMN = 74;
const NARROWEST_COLUMN = 26;
const ANSWER = 130;
const ROW = 26;
const MARGIN = 18;

/** @typedef {{node: number, parent: number, text: string, tokens: number, reward: number | null, visits: number,
 *   is_leaf: boolean, answer: string | null}} Step */
/** @typedef {{least: number, most: number}} Range of rewards */
/** @typedef {{step: Step | null, depth: number, row: number, isPruned: boolean, children: Placed[]}} Placed */

/**
 * The question with the steps below it, each with a place: leaves in rows of their own, parents amid their children.
 * @param {Step[]} steps
 * @param {boolean} isOver
 * @returns {{root: Placed, rows: number, depth: number}}
 */
export function placed(steps, isOver) {
  /** @type {Placed} */
  const root = { step: null, depth: 0, row: 0, isPruned: false, children: [] };
  const byNumber = new Map([[0, root]]);
  let deepest = 0;
  for (const step of [...steps].sort((one, other) => one.node - other.node)) {
    const parent = byNumber.get(step.parent);
    if (parent === undefined) continue;
    const node = { step, depth: parent.depth + 1, row: 0, isPruned: false, children: [] };
    parent.children.push(node);
    byNumber.set(step.node, node);
    deepest = Math.max(deepest, node.depth);
  }
  const newest = Math.max(0, ...steps.map((step) => step.node));
  let rows = 0;
  /** @param {Placed} node */
  const place = (node) => {
    node.children.forEach(place);
    const step = node.step;
    const isPassedBy = isOver || (step !== null && newest > step.node && node.depth < deepest);
    node.isPruned = node.children.length
      ? node.children.every((child) => child.isPruned)
      : step !== null && !step.is_leaf && isPassedBy;
    node.row = node.children.length
      ? (node.children[0].row + node.children[node.children.length - 1].row) / 2
      : rows++;
  };
  place(root);
  return { root, rows, depth: deepest };
}

/**
 * @param {HTMLElement} place
 * @param {Step[]} steps
 * @param {boolean} isOver
 */
export function drawTree(place, steps, isOver) {
  const { root, rows, depth } = placed(steps, isOver);
  const room = (place.clientWidth - 2 * MARGIN - ANSWER) / Math.max(1, depth);
  const column = Math.min(WIDEST_COLUMN, Math.max(NARROWEST_COLUMN, room));
  const width = 2 * MARGIN + depth * column + ANSWER;
  const height = 2 * MARGIN + Math.max(1, rows - 1) * ROW;
  const leaves = steps.filter((step) => step.is_leaf).length;
  const picture = svg("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `A tree of ${steps.length} steps, ${depth} deep, with ${leaves} finished solutions.`,
  });
  const edges = svg("g");
  const nodes = svg("g");
  picture.append(edges, nodes);
  const rewards = steps.map((step) => step.reward).filter((reward) => reward !== null);
  const range = { least: Math.min(1, ...rewards), most: Math.max(0, ...rewards) };
  draw(root, null, { column, range, edges, nodes });
  const list = el("details", {}, el("summary", {}, "As a list"), listOf(root.children));
  place.replaceChildren(legend(range), el("div", { class: "picture", tabindex: "0", role: "region", "aria-label": "Tree" }, picture), list);
}

/**
 * @param {Placed} node
 * @param {Placed | null} parent
 * @param {{column: number, range: Range, edges: SVGElement, nodes: SVGElement}} picture
 */
function draw(node, parent, picture) {
  const { column, range, edges, nodes } = picture;
  const [x, y] = [MARGIN + node.depth * column, MARGIN + node.row * ROW];
  const dim = node.isPruned ? " pruned" : "";
  if (parent !== null) {
    const [fromX, fromY] = [MARGIN + parent.depth * column, MARGIN + parent.row * ROW];
    const middle = (fromX + x) / 2;
    edges.append(svg("path", { class: `edge${dim}`, d: `M${fromX} ${fromY}C${middle} ${fromY} ${middle} ${y} ${x} ${y}` }));
  }
  const step = node.step;
  const kind = step === null || step.reward === null ? " unscored" : "";
  const circle = svg(
    "circle",
    { class: `node${kind}${step?.is_leaf ? " leaf" : ""}${dim}`, cx: x, cy: y, r: step === null ? 6 : 8 },
    svg("title", {}, step === null ? "The question" : told(step, node.isPruned)),
  );
  if (step !== null && step.reward !== null) circle.style.fill = shade(step.reward, range);
  nodes.append(circle);
  if (step?.is_leaf) {
    nodes.append(svg("text", { x: x + 13, y: y + 4, class: dim }, brief(step.answer ?? "no answer", 18)));
  }
  for (const child of node.children) draw(child, node, picture);
}

/**
 * From the least reward of the tree to the most.
 * @param {number} reward
 * @param {Range} range
 */
function shade(reward, { least, most }) {
  const share = most > least ? (reward - least) / (most - least) : 1;
  return `color-mix(in oklab, var(--good) ${Math.round(100 * share)}%, var(--series-2))`;
}

/**
 * @param {Step} step
 * @param {boolean} isPruned
 */
function told(step, isPruned) {
  const parts = [step.text.trim() || "(nothing)", `reward ${certainty(step.reward)}`, `${step.tokens} tokens`];
  if (step.visits) parts.push(`${step.visits} visits`);
  if (step.is_leaf) parts.push(step.answer === null ? "no answer" : `answer ${step.answer}`);
  if (isPruned) parts.push("pruned");
  return parts.join(" · ");
}

/**
 * @param {Placed[]} nodes
 * @returns {HTMLElement}
 */
function listOf(nodes) {
  const items = nodes.map(({ step, isPruned, children }) =>
    el("li", {}, step === null ? "" : told(step, isPruned), children.length ? listOf(children) : null),
  );
  return el("ol", { class: "steps" }, ...items);
}

/** @param {Range} range */
function legend(range) {
  /**
   * @param {string} fill
   * @param {string} words
   */
  const entry = (fill, words) => {
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = fill;
    return el("li", {}, swatch, words);
  };
  return el(
    "ul",
    { class: "legend" },
    entry(shade(range.most, range), `reward ${certainty(range.most)}`),
    entry(shade(range.least, range), `reward ${certainty(range.least)}`),
    entry(colour("series-5"), "not scored"),
    el("li", {}, "Ringed: a finished solution. Dim: pruned, nothing grew from it."),
  );
}
