// The chain as a picture: calls come down at the left, through the steps, to what answers; answers go back up at the
// right. A step stands on a lane where it has a stage on that way.

import { brief, count, h, mark, micros, rate, text } from "./dom.js";
import { badge } from "./parts.js";

const DOWN = ["accept", "request", "request_body", "upstream"];
const UP = ["response", "response_body"];

/** A lane of a row: it passes, or the step has to do with it. */
const lane = (way, on) => h("span", { class: `lane ${way}${on ? " on" : ""}`, "aria-hidden": "true" });

function row(how, box, { down = false, up = false } = {}) {
  return h("li", { class: how }, lane("down", down), box, lane("up", up));
}

/** A chain of `/v1/apis/{id}`; `update` takes what `/v1/stats/apis/{id}` says, `answers` what stands below the steps. */
export class Chain {
  constructor(api, answers) {
    this.steps = new Map();
    const rows = api.steps.map((step, at) => this.#step(step, at + 1));
    this.node = h("ol", { class: "chain", "aria-label": `The chain of ${api.id}` },
      row("end top", h("div", { class: "box" }, h("b", {}, "client"), " ", h("span", { class: "muted" }, matched(api)))),
      rows.length ? rows : row("pass", h("div", { class: "box off" }, "no steps")),
      row("end bottom", h("div", { class: "box" }, answers), { down: true, up: true }));
  }

  #step(step, number) {
    const live = { rate: h("b", { class: "num" }), mean: h("span", { class: "num" }), ended: h("span", { class: "ended" }), total: h("span", { class: "muted" }) };
    const stage = (name) => {
      const way = DOWN.includes(name) ? "down" : UP.includes(name) ? "up" : "log";
      return h("span", { class: `stage ${way}` }, name.replace("_", " "));
    };
    const box = h("details", { class: `box${step.enabled ? "" : " off"}` },
      h("summary", {},
        h("span", { class: "title" }, h("span", { class: "muted" }, `${number} `), h("b", {}, step.id),
          step.id === step.kind ? "" : h("span", { class: "muted" }, ` ${step.kind}`),
          step.module ? badge("wasm", "quiet") : "",
          step.enabled ? "" : badge("off", "warn"),
          step.on_failure === "open" ? badge("open on failure", "warn") : ""),
        h("span", { class: "live" }, live.rate, live.mean),
        h("span", { class: "stages" }, step.stages.map(stage), live.ended)),
      h("dl", { class: "facts" }, described(step).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("pre", {}, JSON.stringify(step.config, null, 2)),
      h("p", {}, live.total));
    const has = (ways) => step.enabled && step.stages.some((name) => ways.includes(name));
    const node = row(step.enabled ? "step" : "step passed", box, { down: has(DOWN), up: has(UP) });
    this.steps.set(step.id, { node, live });
    return node;
  }

  update(steps) {
    for (const step of steps) {
      const shown = this.steps.get(step.id);
      if (!shown) continue;
      const { recent, verdicts } = step;
      const failed = verdicts.failed_open + verdicts.failed_closed;
      const ended = verdicts.respond + verdicts.reject;
      text(shown.live.rate, recent ? `${rate(recent.rate)}/s` : "idle");
      text(shown.live.mean, micros(recent?.mean_us ?? step.mean_us));
      const told = [ended && `ended ${count(ended)}`, failed && `failed ${count(failed)}`].filter(Boolean).join(", ");
      mark(text(shown.live.ended, told), "bad", failed > 0);
      mark(shown.node, "turns", recent?.ended > 0);
      mark(shown.node, "fails", recent?.failed > 0);
      const said = Object.entries(verdicts).filter(([, times]) => times > 0);
      text(shown.live.total, said.length
        ? `said: ${said.map(([name, times]) => `${name.replaceAll("_", " ")} ${count(times)}`).join(" · ")}; 99 of 100 below ${micros(step.p99_below_us)}`
        : "it has said nothing in this process");
    }
  }
}

/** What an API matches, on a line. */
export function matched(api) {
  const one = api.matches;
  if (!one) return api.operation ? `operation ${api.operation}` : "whatever matches no API";
  const { method, host, path, path_prefix: prefix, ...rest } = one;
  const parts = [method && brief(method), host && brief(host), path ?? (prefix ? `${prefix}…` : undefined)];
  return [...parts, Object.keys(rest).length ? brief(rest) : undefined].filter(Boolean).join(" ");
}

function described(step) {
  const facts = [
    ["written at", step.place],
    ["from", step.default ? "defaults" : undefined],
    ["through the chain at", step.through?.join(", ")],
    ["overridden", step.overrides?.map((one) => `${one.pointer} at ${one.at}`).join(", ")],
    ["takes part when", step.when === undefined ? undefined : brief(step.when)],
    ["on failure", step.on_failure],
    ["may choose", step.routes?.join(", ")],
    ["keeps", step.state?.join(", ")],
    ["module", step.module ? `${step.module.file} ${step.module.about.map(([name, value]) => `${name} ${value}`).join(", ")}` : undefined],
  ];
  return facts.filter(([, value]) => value);
}
