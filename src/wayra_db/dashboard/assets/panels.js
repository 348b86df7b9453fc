// What each panel shows of its part. A function takes the part's data and gives the elements.

import { Activity, curve } from "./charts.js";
import { ago, bar, empty, h, milliseconds, number, share, size, span, table, tag } from "./dom.js";

const activity = new Activity();

// The kinds of findings: a sign, a colour, and the noun with its plural.
const KINDS = {
  problem: ["✕", "bad", "problem", "problems"],
  pending: ["!", "warn", "thing pending", "things pending"],
  warning: ["!", "warn", "warning", "warnings"],
  note: ["i", "info", "note", "notes"],
};
const HEADLINES = { problem: "This needs you", pending: "Something is pending", warning: "All is well, for now" };

function verdict(data) {
  const worst = data.findings[0]?.kind;
  const well = data.healthy && worst !== "warning";
  const [sign, colour] = well ? ["✓", "good"] : KINDS[worst ?? "warning"];
  const summary = Object.entries(KINDS).map(([kind, [, , noun, nouns]]) => [data.findings.filter((one) => one.kind === kind).length, noun, nouns]).filter(([count]) => count).map(([count, noun, nouns]) => plural(count, noun, nouns));
  return [
    h("div", { class: `headline ${colour}` },
      h("span", { class: "sign", "aria-hidden": "true" }, sign),
      h("div", null,
        h("p", { class: "headline-text" }, well ? "All is well" : HEADLINES[worst] ?? "Look here"),
        h("p", { class: "faint" }, summary.join(", ") || "Nothing is pending, nothing has drifted."))),
    data.findings.length > 0 && h("ul", { class: "findings" }, data.findings.map(finding)),
  ];
}

function finding(one) {
  const [sign, colour] = KINDS[one.kind];
  return h("li", null,
    h("span", { class: `mark ${colour}`, title: one.kind }, h("span", { "aria-hidden": "true" }, sign), h("span", { class: "hidden" }, `${one.kind}: `)),
    h("div", null, h("p", null, one.message), one.advice && h("p", { class: "faint small" }, one.advice), one.command && command(one.command)));
}

function command(text) {
  return h("p", { class: "advice" }, h("code", null, text), h("button", { type: "button", class: "copy", "data-copy": text, "data-key": `copy ${text}`, "aria-label": `Copy: ${text}` }, "copy"));
}

function advice(text) {
  return text.startsWith("wayra-db ") ? command(text) : h("p", { class: "faint small" }, text);
}

function operations(data) {
  if (!data.rates) return activity.latest ? undefined : [empty("Rates are known after the second look.")];
  activity.add(data.rates);
  const now = activity.latest;
  const delay = data.rates.latencyMilliseconds;
  const figure = (kind, label, rate, latency) => h("div", { class: `figure ${kind}` }, h("dt", null, label), h("dd", null, h("b", null, number(rate)), h("span", { class: "unit" }, "/s"), latency !== null && h("span", { class: "faint small" }, ` ${milliseconds(latency)}`)));
  return [
    h("dl", { class: "figures" },
      figure("total", "all", data.rates.total, null),
      figure("reads", "reads", now.reads, delay.reads),
      figure("writes", "writes", now.writes, delay.writes),
      figure("commands", "commands", now.commands, delay.commands)),
    activity.draw(),
  ];
}

function server(data) {
  const { connections, cache, queued, rates } = data;
  return [
    bar("connections", connections.current, connections.limit, `${number(connections.current)} of ${number(connections.limit)}`, connections.current > 0.8 * connections.limit ? "bad" : ""),
    cache && bar("cache used", cache.used, 1, share(cache.used), cache.used > 0.95 ? "bad" : ""),
    cache && bar("cache dirty", cache.dirty, 0.2, share(cache.dirty), cache.dirty > 0.2 ? "bad" : cache.dirty > 0.05 ? "warn" : ""),
    facts([
      ["active", number(connections.active)],
      ["opened", rates ? `${number(rates.connectionsOpened)}/s` : "–"],
      ["queued", number(queued.readers + queued.writers)],
      ["in", rates ? `${size(rates.bytesIn)}/s` : "–"],
      ["out", rates ? `${size(rates.bytesOut)}/s` : "–"],
      ["up for", span(data.uptimeSeconds)],
    ]),
  ];
}

function facts(rows) {
  return h("dl", { class: "facts" }, rows.map(([label, value]) => h("div", null, h("dt", null, label), h("dd", null, value))));
}

function work(data) {
  const { lock, unreadable } = data;
  const running = [];
  for (const one of data.batches ?? []) {
    const text = one.total ? `${number(one.documents)} of ${number(one.total)}` : `${number(one.documents)} documents`;
    running.push(job(`migration ${one.version}${one.direction === "down" ? ", down" : ""}: ${one.collection}`, one.done ? 1 : one.documents, one.done ? 1 : one.total, text));
  }
  for (const one of data.builds ?? []) {
    const text = one.total ? `${number(one.done)} of ${number(one.total)}` : one.phase;
    running.push(job(`index ${one.collection}.${one.indexes.join(", ")}`, one.done, one.total, `${text}, ${span(one.seconds)}`));
  }
  for (const one of data.backups ?? []) {
    const stands = one.idleSeconds > 60;
    running.push(job(`backup ${one.name}`, null, null, stands ? `${size(one.bytes)}, untouched for ${span(one.idleSeconds)}` : `${size(one.bytes)} so far`, stands ? "warn" : ""));
  }
  return [
    h("div", { class: `lock ${lock?.held ? "held" : "free"}` },
      h("span", { class: "dot", "aria-hidden": "true" }),
      lock?.held
        ? h("div", null, h("p", null, h("b", null, lock.what || "a command"), " holds the lock"), h("p", { class: "faint small" }, `${lock.holder} on ${lock.host}, epoch ${lock.epoch}`))
        : h("div", null, h("p", null, unreadable.lock ? "The lock could not be read" : "The lock is free"), lock && h("p", { class: "faint small" }, `${lock.died ? "its last holder died, " : lock.expired && lock.holder ? "its last holder let it expire, " : ""}epoch ${lock.epoch}`))),
    running.length ? h("div", { class: "jobs" }, running) : empty("No batches, index builds or backups are under way."),
    Object.entries(unreadable).map(([part, reason]) => h("p", { class: "reason" }, `${part}: ${reason}`)),
  ];
}

function job(label, done, total, text, kind = "") {
  return h("div", { class: `bar job ${kind}` },
    h("div", { class: "bar-text" }, h("span", null, label), h("span", { class: "num" }, text)),
    h("progress", total ? { max: total, value: Math.min(done, total), "aria-label": `${label}: ${text}` } : { "aria-label": `${label}: ${text}` }));
}

const STATES = { applied: "good", pending: "warn", running: "info", stopped: "warn", failed: "bad", interrupted: "bad", edited: "bad", "missing file": "bad" };

function migrations(data) {
  const all = [...data.migrations].reverse();
  if (!all.length) return [empty("There are no migrations yet.")];
  const applied = all.filter((one) => one.state === "applied").length;
  return [
    h("p", { class: "faint small" }, `${applied} of ${all.length} applied`),
    h("ol", { class: "timeline", reversed: true, tabindex: "0", "aria-label": "Migrations, the newest first", "data-key": "timeline" }, all.map((one) => h("li", { class: STATES[one.state] ?? "info" },
      h("p", null, h("span", { class: "version" }, one.version), " ", one.name),
      h("p", { class: "small" }, tag(one.state, STATES[one.state] ?? "info"), " ", one.at && ago(one.at), one.seconds !== null && h("span", { class: "faint" }, ` in ${span(one.seconds)}`)),
      one.detail && h("p", { class: "faint small" }, one.detail),
      one.next && advice(one.next)))),
  ];
}

function drift(data) {
  const rows = [];
  const line = (kind, sign, text) => rows.push(h("li", null, h("span", { class: `mark ${kind}`, "aria-hidden": "true" }, sign), h("p", null, text)));
  for (const [part, noun, nouns] of [["schema", "collection", "collections"], ["indexes", "index", "indexes"]]) {
    const found = data[part];
    if (!found) {
      line("bad", "✕", `${nouns} could not be compared: ${data.unreadable[part] ?? "not read"}`);
      continue;
    }
    const different = [...(found.drift ?? []), ...(found.conflicts ?? [])];
    if (!different.length) line("good", "✓", `${plural(found.declared, noun, nouns)} as declared`);
    for (const text of found.drift ?? []) line("warn", "!", text);
    for (const text of found.conflicts ?? []) line("bad", "✕", text);
    if (found.undeclared?.length) line("info", "i", `${nouns} that are not declared: ${found.undeclared.join(", ")}`);
  }
  const seeds = data.seeds ?? [];
  return [
    h("ul", { class: "findings tight" }, rows),
    h("h3", null, "Seeds"),
    data.seeds === null ? h("p", { class: "reason" }, data.unreadable.seeds) : seeds.length === 0 ? empty("There are no seeds.") : h("ul", { class: "plain" }, seeds.map((one) => h("li", null, h("span", null, one.name), " ", tag(one.state, SEED_STATES[one.state] ?? "info")))),
  ];
}

const SEED_STATES = { done: "good", pending: "warn", failed: "bad" };

function collections(data) {
  if (data.collections === null) return [h("p", { class: "reason" }, data.unreadable.collections)];
  if (!data.collections.length) return [empty("There are no collections.")];
  const rows = [...data.collections].sort((one, other) => other.storageSize + other.indexSize - one.storageSize - one.indexSize).map((one) => [
    one.name,
    number(one.documents),
    size(one.dataSize),
    size(one.storageSize),
    size(one.indexSize),
    grown(one),
    curve(one.curve, `documents of ${one.name} since the page was opened`),
  ]);
  return [table("Collections", [["collection"], ["documents", "num"], ["data", "num wide"], ["on disk", "num"], ["indexes", "num wide"], ["growth", "num"], ["", "wide"]], rows)];
}

// What has come while somebody looked, and since the sample that maintenance has kept, where there is one.
function grown({ watched, growth }) {
  const signed = (count) => `${count > 0 ? "+" : count < 0 ? "−" : "±"}${number(Math.abs(count))}`;
  return h("div", null,
    watched.documents ? h("span", { title: `in ${span(watched.seconds)}` }, signed(watched.documents)) : h("span", { class: "faint" }, watched.seconds ? "none" : "–"),
    growth && h("span", { class: "faint small key" }, `${signed(growth.documents)} in ${span(growth.days * 86400)}`));
}

function backups(data) {
  if (!data.backups.length) return [empty("There are no backups."), advice("wayra-db backup create")];
  return [h("ul", { class: "cards" }, data.backups.slice(0, 12).map((one) => h("li", null,
    h("p", null, h("b", null, one.name), one.pinned && tag("pinned", "info")),
    h("p", { class: "small" }, verification(one), " ", one.encrypted && tag("encrypted", "info"), " ", one.redacted && tag("redacted", "info")),
    h("p", { class: "faint small" }, ago(one.createdAt ?? one.modifiedAt), ` · ${size(one.size)}`, one.documents !== undefined && ` · ${number(one.documents)} documents`, one.reason && ` · ${one.reason}`),
    one.problem && h("p", { class: "reason" }, one.problem)))),
    data.backups.length > 12 && h("p", { class: "faint small" }, `and ${data.backups.length - 12} older`)];
}

function verification(one) {
  if (one.damaged) return tag("damaged", "bad");
  if (!one.verified) return tag("not verified", "warn");
  return h("span", null, tag(`verified${one.verified.kind ? ` (${one.verified.kind})` : ""}`, "good"), " ", one.verified.at && ago(one.verified.at));
}

function indexes(data) {
  const against = new Map();
  for (const one of data.findings) {
    const key = `${one.collection}.${one.index}`;
    against.set(key, [...(against.get(key) ?? []), one]);
  }
  if (!data.indexes.length) return [empty("There are no indexes.")];
  const most = Math.max(1, ...data.indexes.map((one) => one.use.uses));
  const rows = [...data.indexes].sort((one, other) => (against.get(`${other.collection}.${other.name}`)?.length ?? 0) - (against.get(`${one.collection}.${one.name}`)?.length ?? 0) || other.use.uses - one.use.uses).map((one) => {
    const found = against.get(`${one.collection}.${one.name}`) ?? [];
    return [
      h("div", null, h("span", null, `${one.collection}.${one.name}`), h("span", { class: "faint small key" }, one.index.key.map(([field, order]) => `${field}: ${order}`).join(", ")), found.map((why) => h("span", { class: "why" }, tag(why.kind, why.kind === "not used yet" ? "info" : "warn"), h("span", { class: "faint small" }, ` ${why.evidence}`)))),
      h("div", { class: "use" }, h("span", null, number(one.use.uses)), h("progress", { max: most, value: one.use.uses, "aria-hidden": "true" })),
      size(one.sizeBytes),
      one.use.since ? ago(one.use.since) : "–",
    ];
  });
  return [
    data.unreachable.length > 0 && h("p", { class: "reason" }, `not asked: ${data.unreachable.join(", ")}`),
    table("Indexes", [["index"], ["uses", "num"], ["size", "num"], ["counted since", "num wide"]], rows),
  ];
}

function queries(data) {
  const on = data.profiler.levels.some((one) => one.level > 0);
  const state = on ? "The profiler is on." : "The profiler is off.";
  if (!data.shapes.length) return [empty(`${state} Nothing is recorded.`), !on && advice("wayra-db indexes profile on")];
  const rows = data.shapes.map((one) => [
    h("code", { class: "shape" }, one.shape),
    number(one.count),
    one.milliseconds ? milliseconds(one.milliseconds) : "< 1 ms",
    one.milliseconds ? milliseconds(one.milliseconds / Math.max(1, one.count)) : "< 1 ms",
    number(one.documentsExamined),
    number(one.returned),
    [one.collectionScans > 0 && tag("scan", "bad"), one.sortedInMemory > 0 && tag("sort", "warn"), !one.collectionScans && !one.sortedInMemory && tag("index", "good")],
  ]);
  return [
    h("p", { class: "faint small" }, `${state} ${number(data.recorded.operations)} operations, by shape, without their values.`),
    table("Slow queries", [["shape"], ["times", "num"], ["in all", "num"], ["each", "num wide"], ["examined", "num"], ["returned", "num wide"], ["by"]], rows),
  ];
}

const EVENTS = [["failed", "bad"], ["force", "bad"], ["reset", "warn"], ["cleared", "warn"], ["dropped", "warn"], ["rolled back", "warn"], ["applied", "good"], ["done", "good"], ["ran", "good"], ["restored", "good"]];

function history(data) {
  if (!data.entries.length) return [empty("Nobody has changed anything yet.")];
  return [h("ol", { class: "log", tabindex: "0", "aria-label": "The newest entries of the log", "data-key": "log" }, data.entries.map((one) => {
    const kind = EVENTS.find(([word]) => one.event.includes(word))?.[1] ?? "info";
    const what = [one.version, one.name ?? one.seed ?? one.backup ?? one.index ?? one.environment].filter((part) => part !== undefined).join(" ");
    return h("li", null, tag(one.event, kind), h("span", null, ` ${what}`), h("p", { class: "faint small" }, ago(one.at), ` · ${one.user ?? "?"} on ${one.host ?? "?"}`));
  }))];
}

function plural(count, noun, nouns) {
  return `${number(count)} ${count === 1 ? noun : nouns ?? `${noun}s`}`;
}

// The panels of each part.
export const PANELS = {
  status: { verdict, drift, collections },
  live: { operations, server },
  work: { work },
  migrations: { migrations },
  backups: { backups },
  indexes: { indexes },
  queries: { queries },
  history: { history },
};
