// What several views are made of.

import { count, h, keyed, mark, millis, percent, rate, svg, text } from "./dom.js";

/** A part of a view with its head. */
export function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", {}, title), ...children);
}

/** A word that stands out: `good`, `bad`, `warn`, `quiet`. */
export const badge = (word, how) => h("span", { class: `badge ${how}` }, word);

/** What is told where there is nothing to show. */
export const empty = (words) => h("p", { class: "empty" }, words);

/** A button; `how` is `primary`, `danger` or nothing. */
export const button = (words, onclick, how = "") => h("button", { type: "button", class: how, onclick }, words);

/** Words and values, a line each. Values that are none are left out. */
export function facts(pairs) {
  const lines = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return h("dl", { class: "facts" }, lines.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A table. `columns`: [head, class]; `cells(item)` makes a row's texts or nodes once; `update(row, item)` keeps it new. */
export class Table {
  constructor(caption, columns) {
    this.columns = columns;
    this.heads = columns.map(([head, how]) => h("th", { scope: "col", class: how }, head));
    this.body = h("tbody");
    this.node = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, this.heads)), this.body));
  }

  /** Shows these items; what a cell holds at first comes from `first(item)`, what changes from `changing(item, row)`. */
  show(items, key, first, changing) {
    const make = (item) => {
      const cells = this.columns.map(([, how]) => h("td", { class: how }));
      first(item).forEach((content, at) => content !== undefined && cells[at].append(content));
      return { node: h("tr", {}, cells), cells };
    };
    const update = (row, item) =>
      changing(item, row).forEach((value, at) => value !== undefined && text(row.cells[at], value));
    keyed(this.body, items, key, make, update);
  }
}

/** The columns of one window of calls, and their texts. */
export const WINDOW_COLUMNS = [["calls/s", "num"], ["errors", "num"], ["p50", "num"], ["p99", "num"], ["in flight", "num"]];
export function windowTexts(item) {
  const now = item.last_10s;
  return [rate(now.rate), percent(now.error_share), millis(now.p50_ms), millis(now.p99_ms), count(item.in_flight)];
}

/** Large figures side by side: [name, text of it]; `update` takes the texts and which of them alarm. */
export class Tiles {
  constructor(names) {
    this.values = names.map(() => h("strong", {}, "–"));
    this.node = h("div", { class: "tiles" },
      names.map((name, at) => h("div", { class: "tile" }, h("span", {}, name), this.values[at])));
  }

  update(texts, alarms = []) {
    this.values.forEach((node, at) => mark(text(node, texts[at]), "bad", alarms[at]));
  }
}

/** The last values as a line. */
export class Spark {
  constructor(label, length = 60) {
    this.length = length;
    this.values = [];
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.most = h("span", { class: "most" });
    this.node = h("figure", { class: "spark" },
      svg("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": label }, this.area, this.line),
      h("figcaption", {}, label, this.most));
  }

  push(value) {
    this.values.push(value);
    if (this.values.length > this.length) this.values.shift();
    const top = Math.max(1, ...this.values);
    const step = 100 / (this.length - 1);
    const from = this.length - this.values.length;
    const points = this.values.map((one, at) => `${((from + at) * step).toFixed(2)} ${(29 - (one / top) * 27).toFixed(2)}`);
    this.line.setAttribute("d", `M${points.join("L")}`);
    this.area.setAttribute("d", `M${(from * step).toFixed(2)} 30L${points.join("L")}L100 30Z`);
    text(this.most, ` · at most ${rate(Math.max(...this.values))}`);
  }
}

/** What came of an action: a text of the gateway's, until another takes its place. */
export class Outcome {
  constructor() {
    this.node = h("div", { class: "outcome", role: "status" });
  }

  good(words, details) {
    this.#show("good", words, details);
  }

  /** Why it was refused. */
  bad(failed) {
    this.#show("bad", failed.message, failed.details);
  }

  #show(how, words, details) {
    this.node.replaceChildren(h("p", { class: how }, words), details ? h("pre", {}, details) : "");
  }
}

/**
 * Asks before something is done. Gives what was typed where a `reason` is asked for, else an empty text; nothing where
 * it was called off.
 */
export function confirm({ title, content, act, how = "primary", reason = false }) {
  return new Promise((resolve) => {
    const field = h("input", { id: "reason", maxlength: "500", autocomplete: "off" });
    const close = (value) => () => {
      resolve(value());
      dialog.close();
    };
    const go = button(act, close(() => field.value), how);
    const dialog = h("dialog", { "aria-labelledby": "asked" },
      h("h2", { id: "asked" }, title),
      h("div", { class: "body" }, content),
      reason && h("p", {}, h("label", { for: "reason" }, "Reason, for the history"), field),
      h("div", { class: "actions" }, button("Cancel", close(() => undefined)), go));
    dialog.addEventListener("close", () => {
      resolve(undefined);
      dialog.remove();
    });
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
    (reason ? field : go).focus();
  });
}

const MARKS = { added: "+", removed: "−", changed: "~" };

/** A difference between releases: what was added, removed, changed, and which state is lost. */
export function difference(diff) {
  if (diff.changes.length === 0 && diff.states.length === 0) return empty("No difference.");
  const value = (one) => (one === undefined ? "none" : typeof one === "string" ? one : JSON.stringify(one));
  const field = (one) => {
    const [before, after] = [value(one.before), value(one.after)];
    const told = before === after
      ? ["another value"]
      : [h("del", {}, before), " → ", h("ins", {}, after)];
    return h("li", {}, h("code", {}, one.path), " ", told);
  };
  const name = (change) => {
    if (change.section === "settings") return "settings";
    return change.section === "api" && change.name === "-" ? "requests that match no API" : `${change.section} ${change.name}`;
  };
  const change = (one) => h("li", { class: one.what },
    h("b", {}, h("span", { "aria-label": one.what }, MARKS[one.what] ?? "~"), ` ${name(one)}`),
    one.fields?.length ? h("ul", {}, one.fields.map(field)) : "");
  const lost = (one) => h("li", { class: "lost" },
    h("b", {}, `! state ${one.key} ${one.reset ? "begins anew" : "is dropped"}`), ` (step ${one.step} of ${one.api})`);
  return h("ul", { class: "diff" }, diff.changes.slice(0, SHOWN).map(change), diff.states.slice(0, SHOWN).map(lost),
    more(diff.changes.length + diff.states.length - SHOWN));
}

/** The most lines of a difference. */
const SHOWN = 500;
const more = (left) => (left > 0 ? h("li", {}, `and more, ${count(left)} at least; paifang diff tells all of them`) : "");
