// Plans: prepared changes that are switched on and off, with what each would do.

import { ago, count, h, keyed, moment, rate, text } from "./dom.js";
import { ask, part } from "./gateway.js";
import { Outcome, button, confirm, difference, empty, panel } from "./parts.js";

export function openPlans(root, _, refreshNow) {
  const outcome = new Outcome();
  const list = h("ul", { class: "plans" });
  const none = empty("The config has no plans.");
  const past = h("ol", { class: "history" });
  const noPast = empty("None has been switched.");
  const plans = panel("Plans", list, none);
  const history = panel("History", past, noPast);
  const lacking = empty("This gateway knows no plans.");
  root.append(h("h1", {}, "Plans"), outcome.node, lacking, plans, history);
  lacking.hidden = true;

  async function refresh(status) {
    let told;
    try {
      told = await ask("v1/plans");
    } catch (failed) {
      if (failed.status !== 404) throw failed;
    }
    lacking.hidden = told !== undefined;
    plans.hidden = history.hidden = told === undefined;
    if (!told) return;
    const serving = status.state === "serving";
    keyed(list, told.items, (item) => item.name, (item) => plan(item, outcome, refreshNow), (row, item) => row.update(item, serving));
    none.hidden = told.items.length > 0;
    const events = told.history.slice(0, 50);
    keyed(past, events, (one) => `${one.unix_seconds} ${one.plan} ${one.action} ${one.release}`, event);
    noPast.hidden = events.length > 0;
  }
  return { refresh };
}

function event(one) {
  const told = [`${one.plan} ${one.action}`, one.release && `release ${one.release}`, one.by && `by ${one.by}`].filter(Boolean).join(", ");
  return { node: h("li", {}, h("time", { class: "muted" }, moment(one.unix_seconds * 1000)), ` ${told}`, one.reason ? h("q", {}, one.reason) : "") };
}

function plan(item, outcome, refreshNow) {
  let now = item;
  const state = h("span");
  const about = h("p");
  const changes = h("ul", { class: "changes" });
  const shown = h("div", { class: "comparison" });
  const turn = button("", () => switched(now, outcome, refreshNow), "primary");
  const rehearse = button("Rehearse", () => rehearsed(now, shown));
  rehearse.setAttribute("aria-label", `Rehearse ${item.name}`);
  const node = h("li", {},
    h("div", { class: "release" }, h("b", {}, item.name), h("span", { class: "about" }, state), h("span", { class: "actions" }, rehearse, turn)),
    about, changes, shown);
  const update = (one, serving) => {
    now = one;
    state.className = `badge ${one.on ? "warn" : "quiet"}`;
    const since = one.since_unix_seconds ? `, ${ago(one.since_unix_seconds)}` : "";
    text(state, `${one.on ? "on" : "off"}${since} · ${count(one.apis)} APIs`);
    text(about, one.about ?? "");
    text(turn, one.on ? "Switch off" : "Switch on");
    turn.setAttribute("aria-label", `${one.on ? "Switch off" : "Switch on"} ${one.name}`);
    turn.disabled = !serving;
    keyed(changes, one.changes ?? [], (change) => change, (change) => ({ node: h("li", {}, change) }));
  };
  return { node, update };
}

async function switched(item, outcome, refreshNow) {
  const to = item.on ? "off" : "on";
  try {
    const content = [h("p", {}, item.about ?? ""), h("ul", {}, (item.changes ?? []).map((change) => h("li", {}, change)))];
    const reason = await confirm({ title: `Switch ${item.name} ${to}?`, content, act: `Switch ${to}`, how: to === "on" ? "danger" : "primary", reason: true });
    if (reason === undefined) return;
    const body = reason.trim() ? { reason: reason.trim() } : {};
    const report = await ask(`v1/plans/${part(item.name)}/${to}`, { method: "POST", body });
    outcome.good(`${item.name} is ${to}.`, report.text);
  } catch (failed) {
    outcome.bad(failed);
  }
  refreshNow();
}

async function rehearsed(item, place) {
  if (place.childElementCount > 0) return place.replaceChildren();
  try {
    const told = await ask(`v1/plans/${part(item.name)}/rehearsal`);
    place.replaceChildren(
      h("p", {}, h("b", {}, `Switching it ${told.to}`), ` would touch ${count(told.apis)} APIs with ${rate(told.rate)} calls/s, and shed up to ${rate(told.shed_rate)} of them.`),
      h("ul", { class: "changes" }, told.effects.slice(0, EFFECTS).map(effect)),
      difference(told.diff));
  } catch (failed) {
    const why = new Outcome();
    why.bad(failed);
    place.replaceChildren(why.node);
  }
}

/** APIs of a rehearsal that are told of one by one. */
const EFFECTS = 50;

function effect(one) {
  const steps = one.steps.map((step) => `${step.id} ${step.what}${step.by ? ` by ${step.by}` : ""}`).join(", ");
  return h("li", {}, h("b", {}, one.api), ` ${rate(one.rate)} calls/s, ${rate(one.shed_rate)} shed: ${steps}`);
}
