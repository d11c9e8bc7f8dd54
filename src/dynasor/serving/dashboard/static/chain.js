// A chain of thought as a line, with a mark where it was probed.

import { Table, el, svg } from "./dom.js";
import { brief, certainty, count } from "./format.js";

/** @typedef {{after_s: number, certaindex: number, answer: string | null, samples: number, tokens: number}} Measure */

const HEIGHT = 64;
const LEFT = 12;

/**
 * @param {HTMLElement} place
 * @param {Measure[]} probes
 * @param {string | null} stopReason
 * @param {number} length tokens that the chain has in the end, as far as known
 */
export function drawChain(place, probes, stopReason, length) {
  const width = Math.max(240, place.clientWidth - 20);
  const end = Math.max(1, length, ...probes.map((probe) => probe.tokens));
  const answer = probes.length ? probes[probes.length - 1].answer : null;
  /** @param {number} tokens */
  const x = (tokens) => LEFT + ((width - 2 * LEFT) * tokens) / end;
  const picture = svg("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width: width,
    role: "img",
    "aria-label": `A chain of ${count(end)} tokens, probed ${probes.length} times.`,
  });
  picture.append(svg("line", { class: "written", x1: x(0), x2: x(end), y1: 26, y2: 26 }));
  for (const probe of probes) {
    const agrees = probe.answer !== null && probe.answer === answer ? " agrees" : "";
    const title = `${count(probe.tokens)} tokens: ${brief(probe.answer)}, certaindex ${certainty(probe.certaindex)}`;
    picture.append(svg("circle", { class: `mark${agrees}`, cx: x(probe.tokens), cy: 26, r: 8 }, svg("title", {}, title)));
  }
  if (stopReason !== null) {
    picture.append(svg("line", { class: "stop", x1: x(end), x2: x(end), y1: 8, y2: 44 }));
  }
  picture.append(
    svg("text", { class: "quiet", x: LEFT, y: 60 }, "0"),
    svg("text", { class: "quiet", x: width - LEFT, y: 60, "text-anchor": "end" }, `${count(end)} tokens${stopReason ? `, stopped: ${stopReason}` : ""}`),
  );
  const details = el("details", {}, el("summary", {}, "As a table"));
  const table = new Table(
    details,
    "Probes",
    [
      { title: "Tokens", text: (/** @type {Measure} */ each) => count(each.tokens), className: "number" },
      { title: "Answer then", text: (each) => brief(each.answer) },
      { title: "Certaindex", text: (each) => certainty(each.certaindex), className: "number" },
    ],
    (each) => String(each.after_s),
    "It was not probed.",
  );
  table.update(probes);
  const words = "Each mark is a probe; filled ones found the answer that it has now. The line at the end is where it stopped.";
  place.replaceChildren(el("p", { class: "note" }, words), el("div", { class: "picture" }, picture), details);
}
