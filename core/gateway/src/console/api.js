// One API: what it matches, its chain as a picture, its limits, and what it does now.

import { brief, count, h, millis, percent, rate } from "./dom.js";
import { ask, part } from "./gateway.js";
import { Chain, matched } from "./chain.js";
import { endpoints } from "./upstreams.js";
import { Spark, Table, Tiles, badge, facts, panel } from "./parts.js";

export function openApi(root, [id]) {
  return new One(root, id);
}

class One {
  constructor(root, id) {
    this.id = id;
    this.root = root;
  }

  async refresh() {
    const [api, stats, ups] = await Promise.all([
      ask(`v1/apis/${part(this.id)}`),
      ask(`v1/stats/apis/${part(this.id)}`),
      ask("v1/upstreams"),
    ]);
    const { text: _, ...written } = api;
    const now = JSON.stringify(written);
    // A release may have changed it; else only its figures move.
    if (this.written !== now) {
      this.written = now;
      this.draw(api);
    }
    this.update(stats, ups.items.find((one) => one.name === api.upstream));
  }

  draw(api) {
    this.tiles = new Tiles(["calls/s", "errors", "p50", "p90", "p99", "in flight"]);
    this.spark = new Spark("calls/s, every two seconds");
    this.endpoints = h("ul", { class: "endpoints" });
    const answers = api.upstream
      ? [h("b", {}, "upstream "), h("a", { href: "#/upstreams" }, api.upstream), this.endpoints]
      : [h("b", {}, "no upstream"), h("span", { class: "muted" }, " a step answers")];
    this.chain = new Chain(api, answers);
    this.errors = new Table("Errors by their label", [["error"], ["answers", "num"]]);
    this.noErrors = h("p", { class: "empty" }, "None since the start.");
    const name = api.id === "-" ? "What matches no API" : api.id;
    this.root.replaceChildren(
      h("p", { class: "crumb" }, h("a", { href: "#/apis" }, "APIs"), " / ", name),
      h("div", { class: "head" }, h("h1", {}, name), badge(api.state, api.state === "online" ? "good" : "warn")),
      facts([["matches", matched(api)], ["operation", api.operation], ["written at", api.place]]),
      this.tiles.node,
      this.spark.node,
      h("div", { class: "columns" },
        panel("Chain", this.chain.node,
          h("p", { class: "note" }, "Figures: what a step says a second, at all of its stages, and the mean time of that. Open a step for its config.")),
        h("div", {},
          panel("Limits", facts(api.settings.map((one) => [one.name, h("span", {}, brief(one.value), " ", h("span", { class: "muted" }, one.from ?? "built in"))]))),
          panel("Errors", this.errors.node, this.noErrors))));
  }

  update(stats, upstream) {
    const now = stats.last_10s;
    this.tiles.update(
      [rate(now.rate), percent(now.error_share), millis(now.p50_ms), millis(now.p90_ms), millis(now.p99_ms), count(stats.in_flight)],
      [false, now.error_share > 0.01]);
    this.spark.push(now.rate);
    this.chain.update(stats.steps);
    endpoints(this.endpoints, upstream?.endpoints ?? []);
    const errors = Object.entries(stats.errors_total).filter(([, times]) => times > 0);
    this.errors.show(errors, ([label]) => label, ([label]) => [label], ([, times]) => [undefined, count(times)]);
    this.errors.node.hidden = errors.length === 0;
    this.noErrors.hidden = errors.length > 0;
  }
}
