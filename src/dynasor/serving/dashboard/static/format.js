// Numbers as people read them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const NONE = "–";

/** @param {number | null | undefined} value */
export function count(value) {
  if (value === null || value === undefined) return NONE;
  return Math.abs(value) < 100_000 ? WHOLE.format(value) : SHORT.format(value);
}

/** @param {number | null | undefined} value */
export function seconds(value) {
  if (value === null || value === undefined) return NONE;
  if (value >= 120) return `${WHOLE.format(Math.floor(value / 60))} min ${Math.floor(value % 60)} s`;
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

/** @param {number | null | undefined} value */
export function certainty(value) {
  return value === null || value === undefined ? NONE : value.toFixed(2);
}

/** @param {number | null | undefined} value */
export function percent(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? NONE : `${(100 * value).toFixed(1)} %`;
}

/** @param {string | null | undefined} value */
export function text(value) {
  return value === null || value === undefined || value === "" ? NONE : value;
}

/**
 * At most `most` characters of it.
 * @param {string | null | undefined} value
 * @param {number} most
 */
export function brief(value, most = 60) {
  const whole = text(value);
  return whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
}
