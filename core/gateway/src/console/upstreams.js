// Upstreams: the health and the load of their endpoints.

import { ago, count, h, keyed, text } from "./dom.js";
import { ask } from "./gateway.js";
import { Table, empty } from "./parts.js";

/** Upstreams and endpoints that the page shows at once. */
const MOST = 200;

/** How an endpoint is, in a word, and how bad that is. */
export function health(endpoint) {
  if (!endpoint.healthy) return ["unhealthy", "bad"];
  if (endpoint.ejected_seconds !== null && endpoint.ejected_seconds !== undefined) return ["ejected", "bad"];
  if (endpoint.passed_over) return ["passed over", "warn"];
  if (endpoint.warmth < 1) return ["warming up", "warn"];
  return ["healthy", "good"];
}

/** Endpoints in few words. */
export function endpoints(list, all) {
  const make = () => {
    const dot = h("span", { class: "dot", "aria-hidden": "true" });
    const words = h("span");
    return { node: h("li", {}, dot, words), dot, words };
  };
  keyed(list, all.slice(0, 12), (one) => one.address, make, (row, one) => {
    const [word, how] = health(one);
    row.dot.className = `dot ${how}`;
    text(row.words, `${one.address} ${word}`);
  });
}

export function openUpstreams(root) {
  const list = h("div");
  const search = h("input", { id: "search", type: "search", placeholder: "a part of the name", maxlength: "200", autocomplete: "off", spellcheck: "false" });
  const found = h("p", { class: "muted", role: "status" });
  let last = [];
  search.addEventListener("input", () => show(last));
  root.append(h("div", { class: "head" }, h("h1", {}, "Upstreams"),
    h("form", { class: "tools", onsubmit: (event) => event.preventDefault() }, h("label", { for: "search" }, "Search"), search)), found, list);

  function show(items) {
    last = items;
    const fits = items.filter((one) => one.name.includes(search.value.trim()));
    text(found, fits.length > MOST ? `${MOST} of ${count(fits.length)}` : `${count(fits.length)} found`);
    keyed(list, fits.slice(0, MOST), (one) => one.name, make, update);
  }

  async function refresh() {
    show((await ask("v1/upstreams")).items);
  }
  return { refresh };
}

function make(upstream) {
  const state = h("span");
  const notes = h("p", { class: "bad" });
  const table = new Table(`Endpoints of ${upstream.name}`, [
    ["endpoint", "tight"], ["health", "tight"], ["since", "tight"], ["weight", "num"], ["in flight", "num"], ["idle", "num"], ["calls", "num"], ["failed", "num"], ["last error", "wide"],
  ]);
  const none = empty("No endpoints.");
  const node = h("section", { class: "panel" }, h("h2", {}, upstream.name, " ", state), notes, table.node, none);
  return { node, state, notes, table, none };
}

function update(row, upstream) {
  const well = upstream.endpoints.filter((one) => health(one)[1] !== "bad").length;
  const all = upstream.endpoints.length;
  const how = well === all && all > 0 ? "good" : well > 0 ? "warn" : "bad";
  row.state.className = `badge ${how}`;
  text(row.state, `${well} of ${all} well`);
  const pending = upstream.pending ? [`${count(upstream.pending)} calls wait for room`] : [];
  const away = upstream.discovery?.last_error ? [`not found by ${upstream.discovery.kind}: ${upstream.discovery.last_error}`] : [];
  const unresolved = upstream.unresolved.map((name) => `${name} has not been looked up`);
  text(row.notes, [...pending, ...away, ...unresolved].join("; "));
  row.none.hidden = all > 0;
  row.table.node.hidden = all === 0;
  row.table.show(upstream.endpoints.slice(0, MOST), (one) => `${one.host} ${one.address}`,
    (one) => [one.host === one.address ? one.address : h("span", { title: one.host }, one.address), h("span")],
    (one, shown) => {
      const [word, how] = health(one);
      const sign = shown.cells[1].firstChild;
      sign.className = `badge ${how}`;
      text(sign, word);
      return [undefined, undefined, ago(one.since_unix_seconds), one.weight, count(one.in_flight), count(one.idle_connections),
        count(one.counts.calls), count(failures(one.counts)), one.last_error ?? ""];
    });
}

/** Attempts that came to nothing at an endpoint, whatever the reason. */
const FAILURES = ["connect_failures", "connect_timeouts", "tls_failures", "closed", "timeouts", "malformed"];
const failures = (counts) => FAILURES.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
