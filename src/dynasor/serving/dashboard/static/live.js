// The live page: counts, charts, the queue, the replicas, the programs.

import { Figure } from "./charts.js";
import { Connection } from "./connection.js";
import { Table, byId, setText } from "./dom.js";
import { brief, certainty, count, percent, seconds } from "./format.js";
import { askKey, showStatus } from "./shell.js";
import { showTiles } from "./tiles.js";

const SPOKEN_EVERY_MS = 10_000;
const BUCKETS = 120;
const BUCKET_S = 5;

/** @typedef {{id: string, program: string, status: string, answer: string | null, certaindex: number | null,
 *   stop_reason: string | null, samples: number, arrival_time: number, started_time: number | null,
 *   ended_time: number | null, tokens: number, saved: number | null}} Program */
/** @typedef {{place: number, id: string, requests: number, priority: number, reason: string}} Place */
/** @typedef {{name: string, state: string, running: number, capacity: number}} Replica */

/** @param {{id: string}} each */
const pageOf = (each) => `/program?${new URLSearchParams({ id: each.id })}`;
/** @param {{id: string}} each */
const idOf = (each) => each.id;
const NAME = { title: "Program", text: (/** @type {{id: string}} */ each) => brief(each.id, 22), href: pageOf };

const atWork = new Table(
  byId("at-work"),
  "Programs at work",
  [
    NAME,
    { title: "Algorithm", text: (/** @type {Program} */ each) => each.program, className: "optional" },
    { title: "State", text: (each) => each.status },
    { title: "Certaindex", text: (each) => certainty(each.certaindex), className: "number" },
    { title: "Answer so far", text: (each) => brief(each.answer) },
    { title: "Samples", text: (each) => count(each.samples), className: "number" },
    { title: "Tokens", text: (each) => count(each.tokens), className: "number optional" },
    { title: "Since", text: (each) => seconds(connection.serverNow - each.arrival_time), className: "number optional" },
  ],
  idOf,
  "No program is at work.",
);
const finished = new Table(
  byId("finished"),
  "The latest finished programs",
  [
    NAME,
    { title: "Algorithm", text: (/** @type {Program} */ each) => each.program, className: "optional" },
    { title: "Answer", text: (each) => brief(each.answer) },
    { title: "Certaindex", text: (each) => certainty(each.certaindex), className: "number" },
    { title: "Why it stopped", text: (each) => each.stop_reason ?? (each.status === "failed" ? "failed" : "relayed") },
    { title: "Samples", text: (each) => count(each.samples), className: "number optional" },
    { title: "Tokens", text: (each) => count(each.tokens), className: "number" },
    { title: "Saved", text: (each) => count(each.saved), className: "number optional" },
    { title: "Took", text: (each) => seconds((each.ended_time ?? 0) - each.arrival_time), className: "number optional" },
  ],
  idOf,
  "No program has finished yet.",
);
const queue = new Table(
  byId("queue"),
  "The queue in the scheduler's order",
  [
    { title: "Place", text: (/** @type {Place} */ each) => String(each.place), className: "number" },
    NAME,
    { title: "Requests", text: (each) => count(each.requests), className: "number optional" },
    { title: "Priority", text: (each) => String(each.priority), className: "number optional" },
    { title: "Why here", text: (each) => each.reason, className: "words" },
  ],
  idOf,
  "Nobody waits.",
);
const replicas = new Table(
  byId("replicas"),
  "Load of the replicas",
  [
    { title: "Replica", text: (/** @type {Replica} */ each) => each.name },
    { title: "State", text: (each) => each.state },
    { title: "Running", text: (each) => `${count(each.running)} of ${count(each.capacity)}`, className: "number" },
    { title: "Load", text: (each) => percent(each.capacity ? each.running / each.capacity : null), className: "number" },
  ],
  (each) => each.name,
  "There is no replica.",
);
const rateChart = new Figure("rate-chart", "Time", [{ label: "Programs", colour: "series-1" }], {
  type: "bar",
  legend: false,
});
const tokenChart = new Figure(
  "token-chart",
  "Time",
  [
    { label: "Spent", colour: "series-1" },
    { label: "Saved (estimate)", colour: "series-3" },
  ],
  { type: "bar", stacked: true, format: count },
);
const certaintyChart = new Figure("certainty-chart", "Certaindex", [{ label: "Programs", colour: "series-4" }], {
  type: "bar",
  legend: false,
  xTitle: "each bar: from here to the next",
});
const reasonChart = new Figure("reason-chart", "Reason", [{ label: "Programs", colour: "series-2" }], {
  type: "bar",
  legend: false,
});

/** @param {Map<string, any>} now */
function showNow(now) {
  const tokens = Object.values(now.get("tokens")).reduce((sum, each) => sum + each, 0);
  const { p50, p90, p99 } = now.get("latency_s");
  const saved = now.get("saved");
  showTiles(byId("tiles"), [
    { name: "Running", value: count(now.get("running")) },
    { name: "Waiting", value: count(now.get("waiting")) },
    { name: "Finished", value: count(now.get("finished")), detail: `${count(now.get("failed"))} failed` },
    { name: "Rate", value: count(now.get("per_minute")), detail: "programs in the last minute" },
    { name: "Latency, median", value: seconds(p50), detail: `90 %: ${seconds(p90)}, 99 %: ${seconds(p99)}` },
    { name: "In the queue, median", value: seconds(now.get("queue_s").p50), detail: `90 %: ${seconds(now.get("queue_s").p90)}` },
    { name: "Tokens spent", value: count(tokens), detail: `${count(now.get("tokens").cancelled)} cancelled` },
    { name: "Tokens saved", value: count(saved), detail: `${percent(saved / (saved + tokens))} of all caps, estimate` },
  ]);
  speak(`${now.get("running")} running, ${now.get("waiting")} waiting, ${now.get("finished")} finished.`);
  /** @type {number[]} */
  const bins = now.get("certainty");
  certaintyChart.show(
    bins.map((programs, bin) => [(bin / 10).toFixed(1), programs]),
    `${bins[bins.length - 1]} of ${bins.reduce((sum, each) => sum + each, 0)} stopped at 0.9 or more`,
  );
  /** @type {[string, number][]} */
  const reasons = Object.entries(now.get("stop_reasons"));
  reasonChart.show(reasons, reasons.map(([reason, programs]) => `${reason} ${programs}`).join(", ") || "nothing yet");
}

let spokenAt = 0;

/**
 * Tell screen readers, not too often.
 * @param {string} words
 */
function speak(words) {
  if (Date.now() - spokenAt < SPOKEN_EVERY_MS) return;
  spokenAt = Date.now();
  setText(byId("spoken"), words);
}

/**
 * The last ten minutes, empty stretches included.
 * @param {Map<string, number[]>} buckets
 */
function showBuckets(buckets) {
  const known = new Map([...buckets.values()].map((bucket) => [bucket[0], bucket]));
  const last = Math.max(...known.keys(), Math.floor(connection.serverNow / BUCKET_S) * BUCKET_S - BUCKET_S);
  const first = Math.max(last - (BUCKETS - 1) * BUCKET_S, Math.min(...known.keys(), last - 11 * BUCKET_S));
  /** @type {[string, number][]} */
  const ended = [];
  /** @type {[string, number, number][]} */
  const tokens = [];
  for (let began = first; began <= last; began += BUCKET_S) {
    const [, programs, spent, saved] = known.get(began) ?? [began, 0, 0, 0];
    const label = new Date(began * 1000).toLocaleTimeString("en", { hour12: false });
    ended.push([label, programs]);
    tokens.push([label, spent, saved]);
  }
  rateChart.show(ended, `${ended[ended.length - 1][1]} in the latest five seconds`);
  tokenChart.show(tokens, `${tokens[tokens.length - 1][1]} spent in the latest five seconds`);
}

/** @param {import("./state.js").State} state */
function show(state) {
  latest = state;
  setText(byId("model"), connection.model);
  showNow(state.get("now"));
  showBuckets(state.get("buckets"));
  queue.update(state.get("queue"));
  replicas.update([...state.get("replicas")].map(([name, each]) => ({ name, ...each })));
  /** @type {Program[]} */
  const programs = [...state.get("programs").values()];
  const over = programs.filter((each) => each.ended_time !== null);
  finished.update(over.sort((one, other) => (other.ended_time ?? 0) - (one.ended_time ?? 0)));
  showAtWork(programs);
}

/** @param {Program[]} programs */
function showAtWork(programs) {
  const working = programs.filter((each) => each.ended_time === null);
  atWork.update(working.sort((one, other) => one.arrival_time - other.arrival_time));
}

/** @type {import("./state.js").State | null} */
let latest = null;
setInterval(() => {
  if (latest !== null && !document.hidden && !("stale" in document.body.dataset)) {
    showAtWork([...latest.get("programs").values()]);
    showBuckets(latest.get("buckets"));
  }
}, 1000);

const connection = new Connection({}, { changed: show, status: showStatus, askKey, refused: (why) => showStatus("disconnected", why) });
void connection.run();
