// The frame around the views: which one is open, when it asks again, and what is told when it cannot.

import { h, mark, span, text } from "./dom.js";
import { ask, hasToken, remember } from "./gateway.js";
import { openApi } from "./api.js";
import { openApis } from "./apis.js";
import { openExplain } from "./explain.js";
import { openOverview } from "./overview.js";
import { openPlans } from "./plans.js";
import { openReleases } from "./releases.js";
import { openUpstreams } from "./upstreams.js";

const VIEWS = {
  "": ["Overview", openOverview],
  apis: ["APIs", openApis],
  api: ["API", openApi],
  upstreams: ["Upstreams", openUpstreams],
  releases: ["Releases", openReleases],
  plans: ["Plans", openPlans],
  explain: ["Explain", openExplain],
};

const page = {
  main: document.getElementById("main"),
  pulse: document.getElementById("pulse"),
  release: document.getElementById("release"),
  alert: document.getElementById("alert"),
  forget: document.getElementById("forget"),
  plans: document.getElementById("plans-link"),
};

/** What is open, and how many have been: an answer for one that was left is dropped. */
let view;
let opened = 0;
let timer;
let tick = 2;
let lastAnswer;
let asking = false;
let again = false;
/** The release with which the gateway was asked for plans. */
let plansOf;

function place() {
  const parts = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return [""];
  }
}

function open() {
  // The skip link is a place in the page, not a view.
  if (location.hash === "#main") return page.main.focus();
  const [wanted, ...rest] = place();
  const name = wanted === "apis" && rest[0] ? "api" : wanted;
  const [title, make] = VIEWS[name] ?? VIEWS[""];
  opened += 1;
  document.title = `${name === "api" ? rest[0] : title} · Paifang`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const node = h("div", { class: "view" });
  view = make(node, rest, refresh);
  page.main.replaceChildren(node);
  window.scrollTo(0, 0);
  refresh();
}

/** Asks at once; what is under way is waited for. */
async function refresh() {
  again = true;
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  while (again) {
    again = false;
    await once();
  }
  asking = false;
  if (!document.hidden) timer = setTimeout(refresh, tick * 1000);
}

async function once() {
  const mine = opened;
  try {
    const status = await ask("v1/status");
    if (mine !== opened) return;
    await view.refresh(status);
    if (mine !== opened) return;
    lastAnswer = Date.now();
    told(status);
  } catch (failed) {
    if (mine === opened) away(failed);
  }
}

function told(status) {
  page.forget.hidden = !hasToken();
  text(page.release, `release ${status.release}`);
  if (plansOf !== status.release) {
    plansOf = status.release;
    findPlans();
  }
  const serving = status.state === "serving";
  beat(serving ? "live" : status.state, serving ? "good" : "bad");
  alert(serving ? "" : "The gateway is stopping: it takes no changes any more.");
}

function beat(word, how) {
  text(page.pulse, word);
  page.pulse.className = `pill ${how}`;
}

function alert(words) {
  text(page.alert, words);
  page.alert.hidden = words === "";
}

function away(failed) {
  if (failed.status === 401) {
    beat("no token", "bad");
    return askToken();
  }
  if (failed.status === 0) {
    const since = lastAnswer ? `; its last answer came ${span((Date.now() - lastAnswer) / 1000)} ago` : "";
    beat("away", "bad");
    return alert(`The gateway does not answer (${failed.message})${since}. Trying again.`);
  }
  if (failed.status === undefined) console.error(failed);
  beat("refused", "bad");
  alert(failed.status === undefined ? `The page has failed: ${failed.message}` : `The gateway refuses: ${failed.message}`);
}

/** Instead of the view, until a token is right. */
function askToken() {
  alert(hasToken() ? "The token is wrong." : "");
  page.forget.hidden = true;
  if (document.getElementById("token")) return;
  const field = h("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const send = (event) => {
    event.preventDefault();
    remember(field.value);
    field.value = "";
    open();
  };
  opened += 1;
  view = { refresh: async () => open() };
  page.main.replaceChildren(
    h("form", { class: "panel narrow", onsubmit: send },
      h("h1", {}, "This gateway asks for its token"),
      h("p", {}, "It is the one that ", h("code", {}, "admin.token"), " in the config names. This tab keeps it until it is closed, and sends it to this gateway alone."),
      h("label", { for: "token" }, "Token"),
      field,
      h("button", { type: "submit", class: "primary" }, "Show the gateway"),
    ),
  );
  field.focus();
}

/** Plans are shown where the gateway knows them. */
async function findPlans() {
  try {
    await ask("v1/plans");
    page.plans.hidden = false;
  } catch {
    page.plans.hidden = true;
  }
}

page.forget.addEventListener("click", () => {
  remember("");
  plansOf = undefined;
  open();
});
document.addEventListener("visibilitychange", () => {
  mark(document.body, "paused", document.hidden);
  if (document.hidden) {
    clearTimeout(timer);
    beat("paused", "wait");
  } else {
    refresh();
  }
});
window.addEventListener("hashchange", open);
open();
