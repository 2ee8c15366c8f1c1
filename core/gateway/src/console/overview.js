// How the gateway is: state, rates, errors, times, and whatever is wrong.

import { ago, count, h, millis, percent, rate, span, text } from "./dom.js";
import { ask, part } from "./gateway.js";
import { Spark, Table, Tiles, WINDOW_COLUMNS, empty, panel, windowTexts } from "./parts.js";

/** APIs of the list. */
const BUSIEST = 8;

export function openOverview(root) {
  const tiles = new Tiles(["calls/s", "errors", "p50", "p99", "in flight", "connections"]);
  const spark = new Spark("calls/s, every two seconds");
  const line = h("p", { class: "muted" });
  const busiest = new Table("The busiest APIs of the last ten seconds", [["API"], ...WINDOW_COLUMNS]);
  const trouble = h("ul", { class: "trouble" });
  const listeners = new Table("Listeners", [["listener"], ["address"], ["connections", "num"], ["accepted", "num"]]);
  root.append(
    h("h1", { class: "unseen" }, "Overview"),
    tiles.node,
    spark.node,
    line,
    panel("What is wrong", trouble),
    panel("Busiest APIs", busiest.node),
    panel("Listeners", listeners.node),
  );

  async function refresh(status) {
    const [stats, apis, ups, doors] = await Promise.all([
      ask("v1/stats"),
      ask(`v1/stats/apis?sort=rate&limit=${BUSIEST}`),
      ask("v1/upstreams"),
      ask("v1/listeners"),
    ]);
    const now = stats.last_10s;
    tiles.update(
      [rate(now.rate), percent(now.error_share), millis(now.p50_ms), millis(now.p99_ms), count(stats.in_flight), count(status.connections)],
      [false, now.error_share > 0.01],
    );
    spark.push(now.rate);
    text(line, `${status.version} · ${status.state} for ${span(status.uptime_seconds)} · ${count(status.apis)} APIs, ${count(stats.apis_called)} called in the last minute · ${count(stats.calls_total)} calls since the start · process ${status.pid}`);
    busiest.show(apis.items.filter((item) => item.last_1m.calls > 0), (item) => item.id,
      (item) => [h("a", { href: `#/apis/${part(item.id)}` }, item.id === "-" ? "no API" : item.id)],
      (item) => [undefined, ...windowTexts(item)]);
    listeners.show(doors.items, (item) => item.name,
      (item) => [item.name],
      (item) => [undefined, `${item.tls ? "https" : "http"}://${item.address}`, count(item.connections), count(item.accepted)]);
    const found = troubles(status, ups.items);
    const told = found.map(([head, more]) => `${head}\n${more ?? ""}`).join("\n\n");
    if (trouble.dataset.told !== told) {
      trouble.dataset.told = told;
      trouble.replaceChildren(...found.map(([head, more]) => h("li", {}, head, more ? h("pre", {}, more) : "")));
      if (found.length === 0) trouble.append(h("li", { class: "none" }, empty("Nothing that the gateway knows of.")));
    }
  }
  return { refresh };
}

/** All that a person should know: what it is, and more. */
function troubles(status, upstreams) {
  const found = [];
  if (status.cause === "recovery") found.push(["The files are broken: this is the last good release that was kept."]);
  if (status.last_failure) found.push(["The last reload was refused.", status.last_failure]);
  if (status.pinned) found.push([`Pinned to release ${status.pinned}, until a reload.`]);
  for (const name of status.plans ?? []) found.push([`The plan ${name} is on.`]);
  for (const one of status.troubles ?? []) {
    found.push([`${one.plugin} ${one.name}${one.upstream ? ` of ${one.upstream}` : ""} is ${String(one.state).replaceAll("_", " ")}.`]);
  }
  if (status.not_kept) found.push(["This release is not kept on disk.", status.not_kept]);
  if (status.upgrade_failure) found.push(["The last upgrade failed.", status.upgrade_failure]);
  for (const old of status.held) {
    found.push([`Release ${old.release}, replaced ${span(old.replaced_seconds_ago)} ago, is held by ${count(old.calls)} calls${old.ending ? ", which are being ended" : ""}.`]);
  }
  if (status.predecessor) {
    found.push([`Process ${status.predecessor.pid}, before the upgrade, ends: ${count(status.predecessor.connections)} connections are left.`]);
  }
  for (const store of status.stores ?? []) {
    if (store.ranges_up < store.ranges) found.push([`Store ${store.name} is away: ${store.ranges_up} of ${store.ranges} ranges are up.`, store.trouble]);
  }
  for (const upstream of upstreams) {
    for (const endpoint of upstream.endpoints.filter((one) => !one.healthy)) {
      found.push([`Endpoint ${endpoint.host} (${endpoint.address}) of ${upstream.name} is unhealthy; it became so ${ago(endpoint.since_unix_seconds)}.`, endpoint.last_error]);
    }
    for (const name of upstream.unresolved) found.push([`${name} of ${upstream.name} has not been looked up.`]);
    if (upstream.discovery?.last_error) found.push([`The endpoints of ${upstream.name} are not found; the last ones stay in use.`, upstream.discovery.last_error]);
  }
  return found.slice(0, 100);
}
