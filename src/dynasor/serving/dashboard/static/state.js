// A page's state, made of a snapshot and deltas: the other side of serving/dashboard/deltas.py.

/**
 * @typedef {{set?: Record<string, any>, add?: Record<string, any[]>, put?: Record<string, Record<string, any>>,
 *   drop?: Record<string, string[]>, model?: string, server_time?: number}} Delta
 * @typedef {Map<string, any>} State Members by name; those that are objects are maps themselves.
 */

/** @param {any} value */
function kept(value) {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? new Map(Object.entries(value)) : value;
}

/**
 * Change `state` as `news` says.
 * @param {State} state
 * @param {Delta} news
 */
export function apply(state, news) {
  for (const [name, value] of Object.entries(news.set ?? {})) state.set(name, kept(value));
  for (const [name, tail] of Object.entries(news.add ?? {})) state.get(name).push(...tail);
  for (const [name, entries] of Object.entries(news.put ?? {})) {
    for (const [key, value] of Object.entries(entries)) state.get(name).set(key, value);
  }
  for (const [name, keys] of Object.entries(news.drop ?? {})) {
    for (const key of keys) state.get(name).delete(key);
  }
}
