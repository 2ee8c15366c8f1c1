// Releases: what is kept, what each has changed, and the way back to one.

import { ago, h, keyed, moment, text } from "./dom.js";
import { ask } from "./gateway.js";
import { Outcome, badge, button, confirm, difference, empty, panel } from "./parts.js";

const CAUSES = { start: "the start", reload: "a reload", watch: "a change of files", recovery: "broken files" };
const NAMED = { rollback: "going back to", plan_on: "switching on the plan", plan_off: "switching off the plan" };

export function openReleases(root, _, refreshNow) {
  const outcome = new Outcome();
  const files = h("div", { class: "comparison" });
  const list = h("ul", { class: "releases" });
  const none = empty("No releases are kept. Name a directory in “releases.directory”, and each is, so that you can go back to it.");
  const compare = button("What would a reload change?", () => told(files, "v1/diff"));
  const reload = button("Reload the files", () => reloaded(outcome, refreshNow), "primary");
  const pinned = h("p", { class: "muted" });
  root.append(
    h("div", { class: "head" }, h("h1", {}, "Releases"), h("div", { class: "tools" }, compare, reload)),
    pinned, outcome.node, files, panel("Kept releases", list, none));

  async function refresh(status) {
    const { items } = await ask("v1/releases");
    const serving = status.state === "serving";
    reload.disabled = !serving;
    text(pinned, status.pinned ? `Pinned to release ${status.pinned}: a reload takes the files again.` : `Release ${status.release} serves, made for ${cause(status.cause)}.`);
    none.hidden = items.length > 0;
    const make = (item) => release(item, items, outcome, refreshNow);
    keyed(list, items, (item) => item.number, make, (row, item) => row.update(item, serving));
  }
  return { refresh };
}

function cause(told) {
  if (typeof told === "string") return CAUSES[told] ?? told;
  return Object.entries(told ?? {}).map(([name, value]) => `${NAMED[name] ?? name} ${value}`).join(", ");
}

/** One line, with what can be done about it. */
function release(item, items, outcome, refreshNow) {
  const marks = h("span", { class: "marks" });
  const shown = h("div", { class: "comparison" });
  const oldest = items.at(-1)?.number === item.number;
  const changes = button("Changes", () => told(shown, `v1/releases/${item.number}/diff`));
  const back = button("Roll back", () => goBack(item.number, outcome, refreshNow), "danger");
  changes.setAttribute("aria-label", `Changes of release ${item.number}`);
  back.setAttribute("aria-label", `Roll back to release ${item.number}`);
  const { manifest } = item;
  const age = h("span");
  const about = manifest
    ? [h("time", { title: moment(manifest.time_ms) }, age), ` for ${cause(manifest.cause)} `, h("code", { class: "muted", title: manifest.hash }, manifest.hash.slice(0, 8)),
      h("span", { class: "muted" }, ` ${manifest.files.map((file) => file.path).slice(0, 3).join(", ")}${manifest.files.length > 3 ? " …" : ""}`)]
    : [badge("damaged", "bad")];
  const node = h("li", {},
    h("div", { class: "release" }, h("b", { class: "number" }, `${item.number}`), h("span", { class: "about" }, marks, about),
      h("span", { class: "actions" }, oldest || !manifest ? "" : changes, manifest ? back : "")),
    shown);
  const update = (now, serving) => {
    if (manifest) text(age, ago(manifest.time_ms / 1000));
    const words = [now.live && "live", now.pinned && "pinned", now.last_good && "last good"].filter(Boolean);
    if (marks.dataset.told !== words.join()) {
      marks.dataset.told = words.join();
      marks.replaceChildren(...words.map((word) => badge(word, word === "live" ? "good" : "quiet")));
    }
    back.hidden = now.live;
    back.disabled = !serving;
  };
  return { node, update };
}

/** Shows a difference, or takes it away again. */
async function told(place, path) {
  if (place.childElementCount > 0) return place.replaceChildren();
  try {
    place.replaceChildren(difference(await ask(path)));
  } catch (failed) {
    const why = new Outcome();
    why.bad(failed);
    place.replaceChildren(why.node);
  }
}

async function goBack(number, outcome, refreshNow) {
  try {
    const diff = await ask(`v1/releases/${number}/diff?with=live`);
    const content = [h("p", {}, "This is what changes for calls from then on. The release stays until a reload takes the files again."), difference(diff)];
    const yes = await confirm({ title: `Roll back to release ${number}?`, content, act: `Roll back to ${number}`, how: "danger" });
    if (yes === undefined) return;
    const report = await ask(`v1/releases/${number}/rollback`, { method: "POST" });
    outcome.good(`Release ${number} serves again.`, report.text);
  } catch (failed) {
    outcome.bad(failed);
  }
  refreshNow();
}

async function reloaded(outcome, refreshNow) {
  try {
    const diff = await ask("v1/diff");
    const yes = await confirm({ title: "Reload the files?", content: difference(diff), act: "Reload" });
    if (yes === undefined) return;
    const report = await ask("v1/reload", { method: "POST" });
    outcome.good(`Release ${report.release} is live.`, report.text);
  } catch (failed) {
    outcome.bad(failed);
  }
  refreshNow();
}
