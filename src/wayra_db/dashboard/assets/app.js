// Listens to the server's events and hands each part to its panels.

import { age, h } from "./dom.js";
import { PANELS } from "./panels.js";

const $ = (id) => document.getElementById(id);

function show(part) {
  for (const [id, render] of Object.entries(PANELS[part.part] ?? {})) {
    const panel = $(id);
    const body = panel.querySelector(".body");
    if (part.error !== null) {
      // What was known before stays, marked as old.
      panel.dataset.state = "error";
      panel.querySelector(".failed")?.remove();
      panel.insertBefore(h("p", { class: "failed", role: "status" }, part.error), body);
      if (!body.childElementCount) body.replaceChildren();
      continue;
    }
    panel.querySelector(".failed")?.remove();
    panel.dataset.state = "ok";
    let made;
    try {
      made = render(part.data);
    } catch (error) {
      console.error(error);
      made = [h("p", { class: "failed" }, `This panel cannot show what it was given: ${error.message}`)];
    }
    if (made !== undefined) replace(body, made.flat(9).filter(Boolean));
  }
  if (part.part === "status" && part.data) title(part.data);
}

// Gives the focus and the scrolled place back to what is the same after drawing anew.
function replace(body, made) {
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const scrolled = new Map([...body.querySelectorAll("[data-key]")].map((one) => [one.dataset.key, [one.scrollTop, one.scrollLeft]]));
  body.replaceChildren(...made);
  for (const one of body.querySelectorAll("[data-key]")) {
    const [top, left] = scrolled.get(one.dataset.key) ?? [0, 0];
    if (top || left) one.scrollTo(left, top);
    if (one.dataset.key === key) one.focus({ preventScroll: true });
  }
}

function title(status) {
  const version = status.deployment ? `MongoDB ${status.deployment.version}, ${status.deployment.topology}` : "";
  $("database").textContent = status.database;
  $("address").textContent = [status.address, version].filter(Boolean).join(" · ");
  $("environment").textContent = status.environment;
  $("environment").dataset.environment = status.environment;
  $("environment").hidden = false;
  document.title = `${status.healthy ? "" : "● "}${status.database} · wayra-db`;
}

function connection(state, text) {
  $("connection").dataset.state = state;
  $("connection").querySelector("b").textContent = text;
}

const events = new EventSource("/events");
events.onopen = () => connection("live", "live");
events.onmessage = (event) => show(JSON.parse(event.data));
events.onerror = () => connection("lost", events.readyState === EventSource.CLOSED ? "ended" : "reconnecting");

setInterval(() => {
  for (const one of document.querySelectorAll("time.ago")) {
    const text = age(one.dateTime);
    if (one.textContent !== text) one.textContent = text;
  }
}, 5000);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "copied";
  } catch {
    button.textContent = "cannot copy";
  }
  setTimeout(() => (button.textContent = "copy"), 1500);
});

const THEME = "wayra-db theme";
const kept = localStorage.getItem(THEME);
if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem(THEME, root.dataset.theme);
});
