// A program's page: what it was asked, how it went on, why it stopped, and a button that stops it.

import { barList } from "./bars.js";
import { drawChain } from "./chain.js";
import { Figure } from "./charts.js";
import { Connection, authorization, messageOf } from "./connection.js";
import { Table, byId, el, setText } from "./dom.js";
import { brief, certainty, count, seconds, text } from "./format.js";
import { askKey, showStatus } from "./shell.js";
import { showTiles } from "./tiles.js";
import { drawTimeline } from "./timeline.js";
import { drawTree } from "./tree.js";

/** @typedef {{answer: string | null, tokens: number, reward: number | null}} Branch */

const id = new URLSearchParams(location.search).get("id") ?? "";
const CHAINS = new Set(["chain-of-thought"]);
const KINDS = ["main", "probe", "score", "cancelled", "prompt", "score_prompt"];
const stopButton = /** @type {HTMLButtonElement} */ (byId("stop"));

const certaindexChart = new Figure("certaindex-chart", "Tokens", [{ label: "Certaindex", colour: "series-1" }], {
  numeric: true,
  max: 1,
  legend: false,
  xTitle: "tokens",
  format: certainty,
});
const clusters = new Table(
  byId("clusters"),
  "Answers, equal ones together",
  [
    { title: "Answer", text: (/** @type {Cluster} */ each) => text(each.answer), className: "words" },
    { title: "Samples", text: (each) => count(each.branches.length), className: "number" },
    { title: "Tokens", text: (each) => count(sum(each.branches, "tokens")), className: "number" },
    { title: "Best reward", text: (each) => certainty(best(each.branches)), className: "number optional" },
    { title: "Which samples", text: (each) => each.numbers.map((number) => `#${number}`).join(" "), className: "words optional" },
  ],
  (each) => String(each.answer),
  "No sample has finished yet.",
);
const requests = new Table(
  byId("requests"),
  "Requests",
  [
    { title: "Request", text: (/** @type {import("./timeline.js").Request} */ each) => each.id },
    { title: "Kind", text: (each) => each.kind },
    { title: "Replica", text: (each) => each.replica },
    { title: "Began", text: (each) => seconds(each.began_s), className: "number" },
    { title: "Ended", text: (each) => seconds(each.ended_s), className: "number" },
    { title: "Tokens", text: (each) => count(each.tokens), className: "number" },
    { title: "Outcome", text: (each) => each.outcome },
  ],
  (each) => `${each.id} ${each.began_s}`,
  "None.",
);

/** @typedef {{answer: string | null, branches: Branch[], numbers: number[]}} Cluster */

/**
 * Equal answers together, the largest group first; those without an answer last.
 * @param {Branch[]} branches
 * @returns {Cluster[]}
 */
export function clustersOf(branches) {
  /** @type {Map<string | null, Cluster>} */
  const found = new Map();
  branches.forEach((branch, place) => {
    const cluster = found.get(branch.answer) ?? { answer: branch.answer, branches: [], numbers: [] };
    cluster.branches.push(branch);
    cluster.numbers.push(place + 1);
    found.set(branch.answer, cluster);
  });
  /** @param {Cluster} cluster */
  const weight = (cluster) => (cluster.answer === null ? -1 : cluster.branches.length);
  return [...found.values()].sort((one, other) => weight(other) - weight(one));
}

/**
 * @param {Branch[]} branches
 * @param {"tokens"} member
 */
function sum(branches, member) {
  return branches.reduce((total, branch) => total + branch[member], 0);
}

/** @param {Branch[]} branches */
function best(branches) {
  const rewards = branches.map((branch) => branch.reward).filter((reward) => reward !== null);
  return rewards.length ? Math.max(...rewards) : null;
}

/** @param {import("./state.js").State} state */
function show(state) {
  latest = state;
  const isOver = state.get("ended_time") !== null;
  document.title = `Dynasor: ${id}`;
  setText(byId("name"), id);
  setText(byId("question"), text(state.get("question")));
  stopButton.hidden = isOver;
  showFacts(state, isOver);
  showCertaindex(state);
  showKinds(state.get("tokens"));
  showShape(state, isOver);
  clusters.update(clustersOf(state.get("branches")));
  const solution = state.get("solution") ?? "";
  byId("solution-section").hidden = solution === "";
  setText(byId("solution"), solution);
  showRequests(state);
}

/**
 * @param {import("./state.js").State} state
 * @param {boolean} isOver
 */
function showFacts(state, isOver) {
  const { arrival_time: arrived, started_time: started, ended_time: ended } = Object.fromEntries(state);
  const now = ended ?? connection.serverNow;
  const saved = state.get("saved");
  const isRelayed = state.get("is_relayed");
  showTiles(byId("facts"), [
    { name: "Algorithm", value: state.get("program"), detail: isRelayed ? "the engine answered; nothing of it is kept" : "" },
    { name: "State", value: state.get("status"), detail: state.get("stop_reason") ? `stopped: ${state.get("stop_reason")}` : "" },
    { name: isOver ? "Answer" : "Answer so far", value: brief(state.get("answer"), 200) },
    { name: "Certaindex", value: certainty(state.get("certaindex")), detail: signals(state.get("signals")) },
    { name: "Samples", value: count(state.get("samples")), detail: `of ${count(state.get("max_samples"))} at most` },
    { name: "In the queue", value: seconds((started ?? now) - arrived) },
    { name: "At work for", value: seconds(started === null ? null : now - started) },
    { name: "Tokens saved", value: count(saved), detail: "estimate, against the cap" },
  ]);
}

/** @param {Map<string, number> | undefined} given */
function signals(given) {
  return [...(given ?? [])].map(([name, value]) => `${name} ${certainty(value)}`).join(", ");
}

/** @param {import("./state.js").State} state */
function showCertaindex(state) {
  const measures = measuresOf(state);
  const reason = state.get("stop_reason");
  const last = measures[measures.length - 1];
  const end = last ? `${certainty(last.certaindex)} after ${count(last.tokens)} tokens` : "nothing measured yet";
  certaindexChart.markEnd(reason);
  certaindexChart.show(
    measures.map((each) => [each.tokens, each.certaindex]),
    reason ? `${end}, stopped: ${reason}` : end,
  );
}

/**
 * What was measured, and what the answer says in the end.
 * @param {import("./state.js").State} state
 * @returns {{tokens: number, certaindex: number}[]}
 */
function measuresOf(state) {
  const measures = state.get("certaindex_over_time");
  const tokens = sum(state.get("branches"), "tokens");
  const last = measures[measures.length - 1];
  const hasMore = state.get("stop_reason") !== null && tokens > (last?.tokens ?? 0);
  return hasMore ? [...measures, { tokens, certaindex: state.get("certaindex") }] : measures;
}

/** @param {Map<string, number | null>} tokens */
function showKinds(tokens) {
  const kinds = tokens.has("produced") ? ["produced", "prompt"] : KINDS;
  const bars = kinds
    .filter((kind) => tokens.get(kind))
    .map((kind) => ({ label: WORDS[kind] ?? kind, value: tokens.get(kind) ?? 0, shown: count(tokens.get(kind)), className: kind }));
  const list = bars.length ? barList(bars) : el("p", { class: "empty" }, "None yet.");
  const figure = byId("kinds");
  if (figure.children.length > 1) figure.lastElementChild?.replaceWith(list);
  else figure.append(list);
}

/** @type {Record<string, string>} */
const WORDS = {
  main: "main: samples and chains",
  probe: "probe: asking for the answer so far",
  score: "score: judging",
  cancelled: "cancelled: produced, not used",
  prompt: "prompt: read",
  score_prompt: "read for judging",
  produced: "produced so far",
};

/**
 * @param {import("./state.js").State} state
 * @param {boolean} isOver
 */
function showShape(state, isOver) {
  /** @type {Branch[]} */
  const branches = state.get("branches");
  const tree = [...state.get("tree").values()];
  const key = JSON.stringify([state.get("certaindex_over_time").length, branches, tree.length, state.get("stop_reason"), byId("shape").clientWidth, tree[tree.length - 1]]);
  if (key === drawn) return;
  drawn = key;
  const place = byId("shape");
  if (tree.length) {
    setText(byId("shape-title"), "Tree");
    drawTree(place, tree, isOver);
  } else if (CHAINS.has(state.get("program"))) {
    setText(byId("shape-title"), "Chain");
    const length = branches.length ? branches[branches.length - 1].tokens : 0;
    drawChain(place, state.get("certaindex_over_time"), state.get("stop_reason"), length);
  } else {
    drawBranches(place, branches, state.get("answer"));
  }
}

/**
 * @param {HTMLElement} place
 * @param {Branch[]} branches
 * @param {string | null} answer
 */
function drawBranches(place, branches, answer) {
  const bars = branches.map((branch, number) => ({
    label: `#${number + 1}  ${branch.answer === null ? "no answer" : brief(branch.answer)}`,
    value: branch.tokens,
    shown: `${count(branch.tokens)} tokens${branch.reward === null ? "" : `, reward ${certainty(branch.reward)}`}`,
    className: branch.answer !== null && branch.answer === answer ? "leads" : "",
  }));
  const words = "Finished samples in the order they came; green ones gave the leading answer.";
  place.replaceChildren(
    ...(bars.length ? [el("p", { class: "note" }, words), barList(bars)] : [el("p", { class: "empty" }, "No sample has finished yet.")]),
  );
}

/** @param {import("./state.js").State} state */
function showRequests(state) {
  /** @type {import("./timeline.js").Request[]} */
  const all = [...state.get("requests").values()];
  const now = (state.get("ended_time") ?? connection.serverNow) - state.get("arrival_time");
  drawTimeline(byId("timeline"), all, now);
  if (/** @type {HTMLDetailsElement} */ (byId("requests")).open) requests.update(all);
}

byId("requests").addEventListener("toggle", () => latest && showRequests(latest));

stopButton.addEventListener("click", async () => {
  stopButton.disabled = true;
  setText(byId("said"), "Stopping …");
  try {
    const response = await fetch(`/v1/programs/${encodeURIComponent(id)}`, { method: "DELETE", headers: authorization() });
    setText(byId("said"), response.ok ? "Stopped. The answer is the best it had by then." : await messageOf(response));
  } catch {
    setText(byId("said"), "The server cannot be reached.");
  }
  stopButton.disabled = false;
});

addEventListener("resize", () => latest && show(latest));

let drawn = "";
/** @type {import("./state.js").State | null} */
let latest = null;
setInterval(() => {
  const isLive = latest !== null && latest.get("ended_time") === null && !("stale" in document.body.dataset);
  if (isLive && !document.hidden) show(/** @type {import("./state.js").State} */ (latest));
}, 1000);

const connection = new Connection(
  { program: id },
  {
    changed: show,
    status: showStatus,
    askKey,
    refused: (why) => {
      showStatus("disconnected", "");
      setText(byId("status"), "Not found");
      setText(byId("name"), "No such program");
      setText(byId("said"), why);
    },
  },
);
void connection.run();
