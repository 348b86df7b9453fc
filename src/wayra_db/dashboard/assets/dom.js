// Making elements. Text goes in as text, never as markup: names in a database are anybody's.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

const whole = new Intl.NumberFormat("en");

export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(Math.round(value)) : value.toFixed(1);
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  let left = Math.abs(bytes);
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (left < 1000) return `${bytes < 0 ? "−" : ""}${unit === "B" || left >= 100 ? Math.round(left) : left.toFixed(1)} ${unit}`;
    left /= 1000;
  }
  return `${bytes < 0 ? "−" : ""}${left.toFixed(1)} TB`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1) return `${(value * 1000).toFixed(0)} µs`;
  if (value < 1000) return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  return span(value / 1000);
}

export function span(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function share(value) {
  return `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
}

// A moment as an age that app.js keeps up to date.
export function ago(iso) {
  if (!iso) return h("span", { class: "faint" }, "–");
  const shown = new Date(iso);
  return h("time", { datetime: iso, title: shown.toLocaleString(), class: "ago" }, age(iso));
}

export function age(iso) {
  const seconds = (Date.now() - new Date(iso).getTime()) / 1000;
  return seconds < 5 ? "just now" : `${span(Math.max(0, seconds))} ago`;
}

export function tag(text, kind) {
  return h("span", { class: `tag ${kind}` }, text);
}

export function empty(text) {
  return h("p", { class: "empty" }, text);
}

// Rows under headings. A heading is [text, class]; `num` aligns right, `wide` is left out on a phone.
export function table(label, headings, rows) {
  const head = headings.map(([text, kind]) => h("th", { scope: "col", class: kind }, text));
  const body = rows.map((cells) =>
    h("tr", null, cells.map((cell, column) => h(column === 0 ? "th" : "td", { scope: column === 0 && "row", class: headings[column][1] }, cell))),
  );
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0", "data-key": `table ${label}` },
    h("table", null, h("thead", null, h("tr", null, head)), h("tbody", null, body)));
}

export function bar(label, value, most, text, kind = "") {
  return h("div", { class: `bar ${kind}` },
    h("div", { class: "bar-text" }, h("span", null, label), h("span", { class: "num" }, text)),
    h("progress", { max: most || 1, value: Math.min(value, most || 1), "aria-label": `${label}: ${text}` }));
}
