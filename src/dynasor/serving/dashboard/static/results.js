// Results of simulations and benchmarks: what their arms are, and what was measured of each.

/** @typedef {{name: string, measures: Map<string, number>}} Arm */

const MOST_ARMS = 200;

/**
 * The arms in a result: every list of objects that name their `arm`, `policy`, `rule` or `allocator`, and every object
 * under `arms` or `policies`, with the numbers in them under their paths.
 * @param {any} result
 * @returns {Arm[]}
 */
export function armsOf(result) {
  /** @type {Arm[]} */
  const arms = [];
  collect(result, "", arms);
  return arms.slice(0, MOST_ARMS);
}

/**
 * @param {any} value
 * @param {string} prefix
 * @param {Arm[]} arms
 */
function collect(value, prefix, arms) {
  if (Array.isArray(value)) {
    for (const each of value) {
      if (isObject(each) && nameOf(each) !== null) arms.push(armOf(prefix, String(nameOf(each)), each));
      else collect(each, prefix, arms);
    }
  } else if (isObject(value)) {
    for (const [name, each] of Object.entries(value)) {
      if ((name === "arms" || name === "policies") && isObject(each)) {
        for (const [arm, measured] of Object.entries(each)) arms.push(armOf(prefix, arm, measured));
      } else {
        collect(each, name === "arms" || name === "rows" ? prefix : joined(prefix, name), arms);
      }
    }
  }
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {any} entry */
function nameOf(entry) {
  const name = entry.arm ?? entry.policy ?? entry.rule ?? entry.allocator ?? null;
  if (name === null) return null;
  const further = ["trace", "cap", "load", "rate", "waiting_requests", "engine"].filter((each) => typeof entry[each] !== "object" && entry[each] !== undefined);
  return [name, ...further.map((each) => `${each} ${entry[each]}`)].join(", ");
}

/**
 * @param {string} prefix
 * @param {string} name
 * @param {any} measured
 * @returns {Arm}
 */
function armOf(prefix, name, measured) {
  /** @type {Map<string, number>} */
  const measures = new Map();
  flatten(measured, "", measures);
  return { name: joined(prefix, name), measures };
}

/**
 * @param {any} value
 * @param {string} path
 * @param {Map<string, number>} measures
 */
function flatten(value, path, measures) {
  if (typeof value === "number") measures.set(path, value);
  else if (isObject(value)) {
    for (const [name, each] of Object.entries(value)) flatten(each, joined(path, name), measures);
  }
}

/**
 * @param {string} before
 * @param {string} name
 */
function joined(before, name) {
  return before ? `${before}.${name}` : name;
}

/**
 * All measures of two arms, in the order of the first.
 * @param {Arm} left
 * @param {Arm} right
 * @returns {{name: string, left: number | null, right: number | null}[]}
 */
export function sideBySide(left, right) {
  const names = new Set([...left.measures.keys(), ...right.measures.keys()]);
  return [...names].map((name) => ({
    name,
    left: left.measures.get(name) ?? null,
    right: right.measures.get(name) ?? null,
  }));
}
