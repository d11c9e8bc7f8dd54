// @ts-check
"use strict";
// Draws a report from the JSON in #data. All of it is shown through textContent: nothing in it is ever read as HTML.
// The forms of the data are those of src/dynasor/reports/parts.py.

(() => {
  const PAGE_ROWS = 50;
  const LONGEST_CELL = 160;
  const SERIES_COLOURS = 5;
  const POINTS = ["circle", "rect", "triangle", "rectRot", "star"];

  // ---- elements -------------------------------------------------------------------------------------------------

  /** An element with a class and children, which are elements or texts. */
  function element(name, className = "", ...children) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
    return made;
  }

  function section(part, number, ...children) {
    const made = element("section", part.part === "QuestionTable" ? "questions" : "", element("h2", "", part.title), ...children);
    made.id = `part-${number}`;
    made.firstChild.id = `part-${number}-title`;
    made.setAttribute("aria-labelledby", made.firstChild.id);
    made.append(...(part.notes || []).map((note) => element("p", "", note)));
    return made;
  }

  // ---- values ---------------------------------------------------------------------------------------------------

  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const some = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
  const precise = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

  /** A value as it is read, by its form. */
  function written(value, form) {
    if (value === null || value === undefined) return "–";
    if (form === "text") return String(value);
    if (form === "yes-no") return value ? "yes" : "no";
    if (typeof value !== "number") return String(value);
    if (form === "count") return whole.format(value);
    if (form === "share") return value.toFixed(3);
    if (form === "percent") return `${(100 * value).toFixed(1)} %`;
    if (form === "points") return `${value < 0 ? "−" : "+"}${(100 * Math.abs(value)).toFixed(1)} points`;
    if (form === "seconds") return value >= 100 ? `${whole.format(value)} s` : `${precise.format(value)} s`;
    return Math.abs(value) < 1 ? precise.format(value) : some.format(value);
  }

  /** The same for the marks of an axis. */
  const tick = (value, form) => (form === "percent" ? `${precise.format(100 * value)} %` : written(value, form));

  const isNumber = (form) => form !== "text" && form !== "yes-no";

  function cell(value, form) {
    const text = written(value, form);
    const made = element("td", isNumber(form) ? "number" : text.length > 30 ? "long" : "short", text);
    if (form === "yes-no" && value !== null) made.classList.add(value ? "good" : "bad");
    return made;
  }

  // ---- figures and tables ----------------------------------------------------------------------------------------

  function figures(part, number) {
    const list = element("dl", "figures");
    for (const figure of part.figures) {
      const value = element("dd", "value", written(figure.value, figure.form));
      list.append(element("div", "", element("dt", "", figure.label), value, element("dd", "note", figure.note)));
    }
    return section(part, number, list);
  }

  function tableOf(columns, rows, label) {
    const head = element("tr", "", ...columns.map((column) => heading(column)));
    const body = element("tbody", "", ...rows.map((row) => element("tr", "", ...row.map((value, at) => cell(value, columns[at].form)))));
    return scrolling(element("table", "", element("thead", "", head), body), label);
  }

  function heading(column) {
    const made = element("th", isNumber(column.form) ? "number" : "", column.name);
    made.scope = "col";
    return made;
  }

  /** A region that can be scrolled by keyboard, too. */
  function scrolling(table, label) {
    const region = element("div", "scroll", table);
    region.tabIndex = 0;
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", label);
    return region;
  }

  const table = (part, number) => section(part, number, (part.is_upright ? uprightTable : tableOf)(part.columns, part.rows, part.title));

  /** A table whose columns stand below each other: few things with much to say of each. */
  function uprightTable(columns, rows, label) {
    const [first, ...others] = columns;
    const names = rows.map((row) => heading({ name: written(row[0], first.form), form: "number" }));
    const body = others.map((column, at) => {
      const name = element("th", "", column.name);
      name.scope = "row";
      return element("tr", "", name, ...rows.map((row) => cell(row[at + 1], column.form === "text" ? "number" : column.form)));
    });
    const head = element("tr", "", heading(first), ...names);
    return scrolling(element("table", "", element("thead", "", head), element("tbody", "", ...body)), label);
  }

  // ---- charts ----------------------------------------------------------------------------------------------------

  /** @type {{chart: any, part: any}[]} */
  const drawn = [];

  function chart(part, number) {
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${part.title}. ${part.summary}`);
    const numbers = element("details", "", element("summary", "", "The numbers"), numbersOf(part));
    const made = section(part, number, element("div", "picture", canvas), numbers);
    queueMicrotask(() => drawn.push({ chart: new Chart(canvas, configOf(part)), part }));
    return made;
  }

  function numbersOf(part) {
    if (part.kind === "bar") {
      const columns = [{ name: part.x_label, form: "text" }, ...part.series.map((each) => ({ name: each.name, form: part.y_form }))];
      return tableOf(columns, part.labels.map((label, at) => [label, ...part.series.map((each) => each.values[at])]), part.title);
    }
    const columns = [{ name: "", form: "text" }, { name: part.x_label, form: part.x_form }, { name: part.y_label, form: part.y_form }];
    return tableOf(columns, part.series.flatMap((each) => each.values.map(([x, y]) => [each.name, x, y])), part.title);
  }

  /** The colours of now, from the theme. On paper those of light. */
  function palette() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const series = Array.from({ length: SERIES_COLOURS }, (_, at) => colour(`--series-${at + 1}`));
    return { text: colour("--text"), muted: colour("--muted"), line: colour("--line"), ground: colour("--ground"), series };
  }

  function configOf(part) {
    const colours = palette();
    const axis = (label, form, extra) => ({
      title: { display: true, text: label, color: colours.muted },
      ticks: { color: colours.muted, ...extra.ticks },
      grid: { color: colours.line },
      ...(extra.rest || {}),
    });
    const onY = { ticks: { callback: (value) => tick(value, part.y_form) }, rest: { beginAtZero: part.kind === "bar", stacked: part.is_stacked, ...unitRange(part) } };
    const onX = part.kind === "bar"
      ? { ticks: {}, rest: { stacked: part.is_stacked } }
      : { ticks: { callback: (value) => tick(value, part.x_form) }, rest: { type: "linear", beginAtZero: true, ...(part.has_diagonal ? { min: 0, max: 1 } : {}) } };
    return {
      type: part.kind,
      data: { labels: part.labels, datasets: [...part.series.map((each, at) => datasetOf(part, each, at, colours)), ...diagonal(part, colours)] },
      options: {
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        scales: { x: axis(part.x_label, part.x_form, onX), y: axis(part.y_label, part.y_form, onY) },
        plugins: {
          legend: { display: part.series.length > 1 || part.is_stacked || part.has_diagonal, position: "bottom", labels: { color: colours.text, usePointStyle: true } },
          tooltip: { callbacks: { label: (item) => tooltip(part, item) } },
        },
      },
    };
  }

  /** Shares end at one: bars of them are drawn up to it, lines where they are. */
  function unitRange(part) {
    if (part.has_diagonal) return { min: 0, max: 1 };
    if (part.y_form !== "percent") return {};
    return part.kind === "bar" ? { suggestedMax: 1 } : { max: 1 };
  }

  function tooltip(part, item) {
    const y = written(item.parsed.y, part.y_form);
    return part.kind === "bar" ? `${item.dataset.label}: ${y}` : `${item.dataset.label}: ${y} at ${written(item.parsed.x, part.x_form)}`;
  }

  function datasetOf(part, series, at, colours) {
    const colour = colours.series[at % SERIES_COLOURS];
    const common = { label: series.name, borderColor: colour, backgroundColor: colour };
    if (part.kind === "bar") {
      const faint = { backgroundColor: "transparent", borderWidth: 2 };
      return { ...common, data: series.values, pointStyle: "rect", maxBarThickness: 56, ...(series.is_reference ? faint : {}) };
    }
    return {
      ...common,
      data: series.values.map(([x, y]) => ({ x, y })),
      showLine: series.has_line,
      borderDash: series.is_reference ? [6, 4] : [],
      borderWidth: 2,
      pointStyle: series.is_reference ? "line" : POINTS[at % POINTS.length],
      pointRadius: series.is_reference ? 0 : series.has_line ? 3 : 7,
      order: series.is_reference ? 1 : 0,
    };
  }

  function diagonal(part, colours) {
    if (!part.has_diagonal) return [];
    const ends = [{ x: 0, y: 0 }, { x: 1, y: 1 }];
    return [{ type: "line", label: "as foretold", data: ends, borderColor: colours.muted, borderDash: [2, 4], borderWidth: 1, pointRadius: 0, pointStyle: "line", order: 2 }];
  }

  function repaint() {
    for (const each of drawn) {
      const { data, options } = configOf(each.part);
      each.chart.data = data;
      each.chart.options = options;
      each.chart.update("none");
    }
  }

  // ---- the questions ---------------------------------------------------------------------------------------------

  /** A table of thousands: what is in the page is one screenful. */
  function questionTable(part, number) {
    const state = { words: "", choice: "", column: -1, falling: false, page: 0, shown: indices(part) };
    const filterAt = part.columns.findIndex((column) => column.name === part.filter_by);
    const texts = part.rows.map((row, at) => searchable(row, part.details[at]));

    const search = labelled("input", "Search ids, answers and questions");
    search.input.type = "search";
    const choice = filterAt < 0 ? null : labelled("select", part.columns[filterAt].name);
    if (choice) {
      const values = [...new Set(part.rows.map((row) => String(row[filterAt])))].sort();
      choice.input.append(...["", ...values].map((value) => option(value, value || "all")));
    }
    const controls = element("div", "controls", search.label, ...(choice ? [choice.label] : []));

    const headings = part.columns.map((column, at) => sortable(column, () => sortBy(at)));
    const body = element("tbody");
    const table = element("table", "", element("thead", "", element("tr", "", ...headings)), body);
    const status = element("span");
    status.setAttribute("role", "status");
    const [before, after] = ["Previous", "Next"].map((text) => element("button", "", text));
    before.addEventListener("click", () => turn(-1));
    after.addEventListener("click", () => turn(1));
    search.input.addEventListener("input", () => select({ words: search.input.value.toLowerCase() }));
    if (choice) choice.input.addEventListener("change", () => select({ choice: choice.input.value }));

    function select(changed) {
      Object.assign(state, changed, { page: 0 });
      const words = state.words.split(/\s+/).filter(Boolean);
      state.shown = indices(part).filter((at) => fits(at, words));
      order();
    }

    function fits(at, words) {
      if (state.choice && String(part.rows[at][filterAt]) !== state.choice) return false;
      return words.every((word) => texts[at].includes(word));
    }

    function sortBy(column) {
      state.falling = state.column === column ? !state.falling : isNumber(part.columns[column].form);
      state.column = column;
      state.page = 0;
      order();
    }

    function order() {
      if (state.column >= 0) {
        const sign = state.falling ? -1 : 1;
        state.shown.sort((one, other) => sign * compare(part.rows[one][state.column], part.rows[other][state.column]) || one - other);
      }
      headings.forEach((each, at) => each.setAttribute("aria-sort", at !== state.column ? "none" : state.falling ? "descending" : "ascending"));
      show();
    }

    function turn(by) {
      state.page += by;
      show();
    }

    function show() {
      const first = state.page * PAGE_ROWS;
      const here = state.shown.slice(first, first + PAGE_ROWS);
      body.replaceChildren(...here.map((at) => questionRow(part, at)));
      status.textContent = here.length === 0 ? "no question fits" : `${whole.format(first + 1)} to ${whole.format(first + here.length)} of ${whole.format(state.shown.length)}`;
      before.disabled = state.page === 0;
      after.disabled = first + PAGE_ROWS >= state.shown.length;
    }

    show();
    return section(part, number, controls, scrolling(table, part.title), element("div", "pager", before, after, status));
  }

  const indices = (part) => part.rows.map((_, at) => at);

  /** What a search looks through. */
  function searchable(row, details) {
    return [...row.filter((value) => typeof value === "string"), ...Object.values(details || {})].join("\n").toLowerCase();
  }

  function labelled(name, text) {
    const input = element(name);
    return { input, label: element("label", "", text, input) };
  }

  function option(value, text) {
    const made = element("option", "", text);
    made.value = value;
    return made;
  }

  function sortable(column, act) {
    const made = heading(column);
    const button = element("button", "plain", column.name);
    button.addEventListener("click", act);
    made.replaceChildren(button);
    made.setAttribute("aria-sort", "none");
    return made;
  }

  /** None goes last whichever way. */
  function compare(one, other) {
    if (one === null || other === null) return (one === null ? 1 : 0) - (other === null ? 1 : 0);
    if (typeof one === "string" && typeof other === "string") return one.localeCompare(other, "en", { numeric: true });
    return one < other ? -1 : one > other ? 1 : 0;
  }

  /** A row whose first cell opens what else is known of the question. */
  function questionRow(part, at) {
    const row = part.rows[at];
    const cells = row.map((value, column) => cell(clipped(value), part.columns[column].form));
    const details = part.details[at];
    const made = element("tr", "", ...cells);
    if (!details || Object.keys(details).length === 0) return made;
    const button = element("button", "plain", clipped(row[0]));
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => toggle(button, made, row, details));
    cells[0].replaceChildren(button);
    return made;
  }

  const clipped = (value) => (typeof value === "string" && value.length > LONGEST_CELL ? `${value.slice(0, LONGEST_CELL)}…` : value);

  function toggle(button, row, values, details) {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) {
      row.nextSibling.remove();
      return;
    }
    const list = element("dl");
    const whole = typeof values[1] === "string" && values[1].length > LONGEST_CELL ? { answer: values[1] } : {};
    for (const [name, text] of Object.entries({ ...details, ...whole })) {
      list.append(element("div", "", element("dt", "", name), element("dd", "", text)));
    }
    const held = element("td", "", list);
    held.colSpan = values.length;
    row.after(element("tr", "opened", held));
  }

  // ---- the page --------------------------------------------------------------------------------------------------

  const DRAW = { Figures: figures, Table: table, Chart: chart, QuestionTable: questionTable };

  function contents(parts) {
    const links = parts.map((part, number) => {
      const link = element("a", "", part.title);
      link.href = `#part-${number}`;
      return element("li", "", link);
    });
    return element("ul", "", ...links);
  }

  const report = JSON.parse(document.getElementById("data").textContent);
  document.getElementById("subtitle").textContent = report.subtitle;
  document.getElementById("contents").append(contents(report.parts));
  document.getElementById("parts").replaceChildren(...report.parts.map((part, number) => DRAW[part.part](part, number)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  matchMedia("print").addEventListener("change", repaint);
})();
