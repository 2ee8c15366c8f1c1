// Which API a request belongs to, and why.

import { h } from "./dom.js";
import { ask, part } from "./gateway.js";
import { Chain } from "./chain.js";
import { Outcome, Table, panel } from "./parts.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

export function openExplain(root) {
  const method = h("select", { id: "method" }, METHODS.map((name) => h("option", {}, name)));
  const target = h("input", { id: "target", required: true, value: "/", maxlength: "4000", autocomplete: "off", spellcheck: "false", placeholder: "a path, or a whole URL" });
  const headers = h("textarea", { id: "headers", rows: "3", spellcheck: "false", placeholder: "name: value, one a line" });
  const outcome = new Outcome();
  const answer = h("div");
  const send = async (event) => {
    event.preventDefault();
    const lines = headers.value.split("\n").map((line) => line.trim()).filter(Boolean);
    try {
      const told = await ask("v1/explain", { method: "POST", body: { request: `${method.value} ${target.value.trim()}`, headers: lines } });
      outcome.good(...words(told));
      answer.replaceChildren(candidates(told), told.api ? panel(`Chain of ${told.api.id === "-" ? "what matches no API" : told.api.id}`, chain(told)) : "");
    } catch (failed) {
      outcome.bad(failed);
      answer.replaceChildren();
    }
  };
  root.append(
    h("h1", {}, "Explain a request"),
    h("form", { class: "panel form", onsubmit: send },
      h("div", { class: "line" },
        h("span", {}, h("label", { for: "method" }, "Method"), method),
        h("span", { class: "grow" }, h("label", { for: "target" }, "Path or URL"), target)),
      h("label", { for: "headers" }, "Header fields"), headers,
      h("p", {}, h("button", { type: "submit", class: "primary" }, "Explain"), h("span", { class: "muted" }, " Nothing is sent to an upstream."))),
    outcome.node,
    answer);
  // Asked by its form, not by the clock.
  return { refresh: async () => {} };
}

function words(told) {
  const { outcome } = told;
  const request = `${told.method} ${told.host ?? ""}${told.path ?? ""}`;
  if (outcome === "not_found") return [`${request}: no API matches it (404).`];
  if (outcome.api !== undefined) return [`${request} goes to ${outcome.api}.`, (told.params ?? []).map(([name, value]) => `${name} = ${value}`).join("\n")];
  if (outcome.refused !== undefined) return [`It is refused: ${outcome.refused}.`];
  return [`${request}: there is an API for other methods only (405): ${outcome.method_not_allowed.join(", ")}.`];
}

function candidates(told) {
  const table = new Table("APIs that came close", [["API"], ["wins"], ["why"], ["written at"]]);
  table.show(told.candidates, (one) => one.api,
    (one) => [h("a", { href: `#/apis/${part(one.api)}` }, one.api), one.wins ? "yes" : "no", one.why, one.place ?? ""], () => []);
  return told.candidates.length ? panel("APIs that came close", table.node) : "";
}

function chain({ api }) {
  const answers = api.upstream ? [h("b", {}, "upstream "), api.upstream] : [h("b", {}, "no upstream"), " a step answers"];
  return new Chain(api, answers).node;
}
