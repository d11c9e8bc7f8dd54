// When each request of a program ran, and on which replica.

import { el, svg } from "./dom.js";
import { count, seconds } from "./format.js";

/** @typedef {{id: string, kind: string, replica: string, began_s: number, ended_s: number | null,
 *   tokens: number | null, outcome: string}} Request */

const LANE = 12;
const GAP = 3;
const HEAD = 20;

/**
 * Each replica's requests in lanes, so that no two in one lane overlap.
 * @param {Request[]} requests
 * @param {number} now seconds from the program's arrival
 * @returns {Map<string, Request[][]>}
 */
export function lanesOf(requests, now) {
  /** @type {Map<string, Request[][]>} */
  const lanes = new Map();
  for (const request of [...requests].sort((one, other) => one.began_s - other.began_s)) {
    const known = lanes.get(request.replica) ?? [];
    lanes.set(request.replica, known);
    const free = known.find((lane) => (lane[lane.length - 1].ended_s ?? now) <= request.began_s);
    if (free) free.push(request);
    else known.push([request]);
  }
  return lanes;
}

/**
 * @param {HTMLElement} place
 * @param {Request[]} requests
 * @param {number} now seconds from the program's arrival
 */
export function drawTimeline(place, requests, now) {
  if (!requests.length) {
    place.replaceChildren(el("p", { class: "empty" }, "No request is known, or none any more."));
    return;
  }
  const width = Math.max(240, place.clientWidth - 20);
  const end = Math.max(0.001, ...requests.map((request) => request.ended_s ?? now));
  /** @param {number} at */
  const x = (at) => (width * at) / end;
  const lanes = lanesOf(requests, now);
  const bars = svg("g");
  let y = 0;
  for (const [replica, rows] of lanes) {
    bars.append(svg("text", { x: 0, y: y + 14 }, replica));
    y += HEAD;
    for (const lane of rows) {
      for (const request of lane) bars.append(barOf(request, now, x, y));
      y += LANE + GAP;
    }
    y += GAP;
  }
  const label = `${requests.length} requests on ${lanes.size} replicas over ${seconds(end)}.`;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${y + 18}`, width, role: "img", "aria-label": label }, bars);
  picture.append(
    svg("line", { class: "axis", x1: 0, x2: width, y1: y, y2: y }),
    svg("text", { class: "quiet", x: 0, y: y + 14 }, "0 s"),
    svg("text", { class: "quiet", x: width, y: y + 14, "text-anchor": "end" }, seconds(end)),
  );
  place.replaceChildren(legend(), el("div", { class: "picture" }, picture));
}

/**
 * @param {Request} request
 * @param {number} now
 * @param {(at: number) => number} x
 * @param {number} y
 */
function barOf(request, now, x, y) {
  const width = Math.max(2, x(request.ended_s ?? now) - x(request.began_s));
  const words = `${request.id}: ${request.kind}, ${request.outcome}, ${count(request.tokens)} tokens`;
  const place = { x: x(request.began_s), y, width, height: LANE, rx: 2 };
  return svg("rect", { class: `${request.kind} ${request.outcome}`, ...place }, svg("title", {}, words));
}

function legend() {
  const kinds = ["main", "probe", "score"].map((kind) => el("li", {}, el("span", { class: `swatch bar ${kind}` }), kind));
  return el("ul", { class: "legend" }, ...kinds, el("li", {}, "Pale and dashed: ended early, for it was long enough, not needed any more, or moved to another replica."));
}
