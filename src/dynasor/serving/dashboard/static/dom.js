// Making elements. Text only ever becomes text nodes, so that nothing a model wrote is read as HTML.

/** @typedef {Node | string | null} Child */

/**
 * @param {string} name
 * @param {Record<string, string>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/**
 * @template {Element} Made
 * @param {Made} element
 * @param {Record<string, string | number>} attributes
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * The element of this id, which the page has.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @template Item
 * @typedef {object} Column
 * @property {string} title
 * @property {(item: Item) => string} text
 * @property {(item: Item) => string} [href]
 * @property {string} [className]
 */

/**
 * A table whose rows stay the same elements while their items do: the keyboard's focus stays where it is.
 * @template Item
 */
export class Table {
  /**
   * @param {HTMLElement} place
   * @param {string} caption
   * @param {Column<Item>[]} columns
   * @param {(item: Item) => string} keyOf
   * @param {string} empty what is said where there are no items
   */
  constructor(place, caption, columns, keyOf, empty) {
    this.columns = columns;
    this.keyOf = keyOf;
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.body = el("tbody");
    this.empty = el("p", { class: "empty" }, empty);
    const heads = columns.map((column) => el("th", { scope: "col", class: column.className ?? "" }, column.title));
    const table = el(
      "table",
      {},
      el("caption", { class: "visually-hidden" }, caption),
      el("thead", {}, el("tr", {}, ...heads)),
      this.body,
    );
    this.scroller = el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": caption }, table);
    place.append(this.scroller, this.empty);
    this.update([]);
  }

  /** @param {Item[]} items */
  update(items) {
    this.scroller.hidden = items.length === 0;
    this.empty.hidden = items.length > 0;
    const keys = new Set(items.map(this.keyOf));
    for (const [key, row] of this.rows) {
      if (!keys.has(key)) {
        row.remove();
        this.rows.delete(key);
      }
    }
    items.forEach((item, place) => {
      const row = this.rowOf(item);
      if (this.body.children[place] !== row) this.body.insertBefore(row, this.body.children[place] ?? null);
      this.columns.forEach((column, number) => this.fill(row.children[number], column, item));
    });
  }

  /** @param {Item} item */
  rowOf(item) {
    const key = this.keyOf(item);
    let row = this.rows.get(key);
    if (row === undefined) {
      row = el("tr", {}, ...this.columns.map((column, number) => this.cell(column, number)));
      this.rows.set(key, row);
    }
    return row;
  }

  /**
   * @param {Column<Item>} column
   * @param {number} number
   */
  cell(column, number) {
    const attributes = { class: column.className ?? "", ...(number === 0 ? { scope: "row" } : {}) };
    return el(number === 0 ? "th" : "td", attributes, column.href ? el("a") : null);
  }

  /**
   * @param {Element} cell
   * @param {Column<Item>} column
   * @param {Item} item
   */
  fill(cell, column, item) {
    const link = column.href ? cell.firstElementChild : null;
    setText(link ?? cell, column.text(item));
    const href = column.href?.(item);
    if (link && href !== undefined && link.getAttribute("href") !== href) link.setAttribute("href", href);
  }
}
