// Nodes and numbers. What a gateway says becomes text nodes and never markup, whatever stands in it.

const SVG = "http://www.w3.org/2000/svg";

/** A node. `props`: `on…` are listeners, `class`, `href` (within this page only) and the like are attributes. */
export function h(name, props = {}, ...children) {
  return filled(document.createElement(name), props, children);
}

/** The like in SVG. */
export function svg(name, props = {}, ...children) {
  return filled(document.createElementNS(SVG, name), props, children);
}

function filled(node, props, children) {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) {
      node.addEventListener(key.slice(2), value);
    } else if (key === "href" && !String(value).startsWith("#")) {
      throw new TypeError("links of the console stay in it");
    } else {
      node.setAttribute(key, value === true ? "" : value);
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

/** Sets a text where it is another, so that selections and screen readers are left in peace. */
export function text(node, value) {
  const wanted = String(value ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
  return node;
}

/** Sets or takes away a class. */
export function mark(node, name, holds) {
  node.classList.toggle(name, Boolean(holds));
  return node;
}

/** Rows by parent and key. */
const rows = new WeakMap();

/** Children by key: those that stay are the same nodes, so that focus and clicks survive an update. */
export function keyed(parent, items, key, make, update) {
  const before = rows.get(parent) ?? new Map();
  const now = new Map();
  for (const item of items) {
    const name = key(item);
    if (!now.has(name)) now.set(name, before.get(name) ?? make(item));
    update?.(now.get(name), item);
  }
  for (const [name, row] of before) if (!now.has(name)) row.node.remove();
  let next = parent.firstChild;
  for (const { node } of now.values()) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  rows.set(parent, now);
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 12 345 as 12,345. */
export const count = (value) => (value === undefined || value === null ? "–" : grouped.format(value));

/** Calls a second, in few digits. */
export function rate(value) {
  if (value === undefined || value === null) return "–";
  return value >= 100 ? grouped.format(value) : value.toFixed(1);
}

/** A share, 0 to 1, as per cent. */
export function percent(share) {
  if (share === undefined || share === null) return "–";
  if (share === 0) return "0%";
  return share < 0.0005 ? "<0.05%" : `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}%`;
}

/** Milliseconds. */
export function millis(value) {
  if (value === undefined || value === null) return "–";
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

/** Microseconds. */
export function micros(value) {
  if (value === undefined || value === null) return "–";
  return value >= 1000 ? millis(value / 1000) : `${value.toFixed(value < 10 ? 1 : 0)} µs`;
}

/** Seconds as people say them. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (whole >= 2 * size) return `${Math.floor(whole / size)} ${unit}`;
  }
  return `${whole} s`;
}

/** How long ago, from seconds since 1970. */
export const ago = (unix) => `${span(Date.now() / 1000 - unix)} ago`;

/** A time of day with its date, as the reader's place has it. */
export const moment = (millis) => new Date(millis).toLocaleString();

/** A value as compact YAML-like text. */
export function brief(value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(brief).join(", ");
  if (typeof value === "object") {
    return `{ ${Object.entries(value).map(([key, inner]) => `${key}: ${brief(inner)}`).join(", ")} }`;
  }
  return String(value);
}
