// All APIs: searched, sorted, live. However many there are, the page holds a bounded part.

import { count, h, text } from "./dom.js";
import { ask, part } from "./gateway.js";
import { Table, WINDOW_COLUMNS, button, windowTexts } from "./parts.js";

/** APIs at first, and the most. */
const FIRST = 50;
const MOST = 500;
const SORTS = [["rate", "calls/s"], ["errors", "errors/s"], ["error_share", "share of errors"], ["p50", "p50"], ["p99", "p99"], ["in_flight", "in flight"], ["id", "name"]];

/** What was looked for stays while other views are looked at. */
const asked = { filter: "", sort: "rate", limit: FIRST };

export function openApis(root, _, refreshNow) {
  const changed = () => {
    asked.filter = search.value.trim();
    asked.sort = sort.value;
    refreshNow();
  };
  const search = h("input", { id: "search", type: "search", placeholder: "a part of the name", maxlength: "200", autocomplete: "off", spellcheck: "false", oninput: changed });
  search.value = asked.filter;
  const sort = h("select", { id: "sort", onchange: changed },
    SORTS.map(([value, name]) => h("option", { value, selected: value === asked.sort }, name)));
  const found = h("span", { class: "muted", role: "status" });
  const more = button("Show more", () => {
    asked.limit = Math.min(MOST, asked.limit * 2);
    refreshNow();
  });
  const table = new Table("APIs", [["API"], ["upstream"], ...WINDOW_COLUMNS]);
  root.append(
    h("div", { class: "head" }, h("h1", {}, "APIs"),
      h("form", { class: "tools", onsubmit: (event) => event.preventDefault() },
        h("label", { for: "search" }, "Search"), search, h("label", { for: "sort" }, "Sort by"), sort)),
    found, table.node, h("p", {}, more));

  async function refresh() {
    const query = new URLSearchParams({ sort: asked.sort, limit: asked.limit, filter: asked.filter });
    const told = await ask(`v1/stats/apis?${query}`);
    table.show(told.items, (item) => item.id,
      (item) => [h("a", { href: `#/apis/${part(item.id)}` }, item.id === "-" ? "no API matches" : item.id)],
      (item) => [undefined, item.upstream ?? "a step", ...windowTexts(item)]);
    text(found, told.items.length < told.found ? `${count(told.items.length)} of ${count(told.found)}` : `${count(told.found)} found`);
    more.hidden = told.items.length >= told.found || asked.limit >= MOST;
  }
  return { refresh };
}
