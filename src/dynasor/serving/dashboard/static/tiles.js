// Numbers under their names.

import { el, setText } from "./dom.js";

/** @typedef {{name: string, value: string, detail?: string}} Tile */

/**
 * Show `tiles` in the list `place`; the elements stay while the names do.
 * @param {HTMLElement} place
 * @param {Tile[]} tiles
 */
export function showTiles(place, tiles) {
  if (place.children.length !== tiles.length) place.replaceChildren(...tiles.map(made));
  tiles.forEach((tile, number) => {
    const [term, value] = place.children[number].children;
    setText(term, tile.name);
    setText(value.children[0], tile.value);
    setText(value.children[1], tile.detail ?? "");
  });
}

function made() {
  return el("div", {}, el("dt"), el("dd", {}, el("span"), el("span", { class: "detail" })));
}
