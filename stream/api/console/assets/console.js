"use strict";
// Figures change in place. Every page is whole without this file; whatever it cannot do is left as it was.

const root = document.documentElement;
const feed = document.getElementById("feed");
const clock = () => new Date().toLocaleTimeString([], { hour12: false });

// Elements by the name of what they show.
function index(attribute) {
  const all = new Map();
  for (const element of document.querySelectorAll(`[${attribute}]`)) {
    const name = element.getAttribute(attribute);
    all.set(name, [...(all.get(name) ?? []), element]);
  }
  return all;
}

const put = {
  text: (element, value) => { if (element.textContent !== value) element.textContent = value; },
  mood: (element, value) => element.setAttribute("data-is", value),
  line: (element, value) => element.setAttribute("points", value),
  part: (element, value) => { element.innerHTML = value; },
};
const shown = Object.fromEntries(Object.keys(put).map((kind) => [kind, index(`data-${kind}`)]));
const held = new Map(); // parts that somebody is in: they change once they are left

function apply(patch) {
  for (const kind of Object.keys(put)) {
    for (const [name, value] of Object.entries(patch[kind] ?? {})) {
      for (const element of shown[kind].get(name) ?? []) {
        if (kind === "part" && element.contains(document.activeElement)) held.set(element, value);
        else { put[kind](element, value); held.delete(element); }
      }
    }
  }
  // A list with buttons does not move under a finger: it says that it has become another.
  for (const element of document.querySelectorAll("[data-count]")) {
    const now = patch.text?.["flow.letters"];
    if (now !== undefined) element.hidden = now === element.dataset.count;
  }
}
document.addEventListener("focusout", () => setTimeout(() => {
  for (const [element, value] of held) {
    if (!element.contains(document.activeElement)) { put.part(element, value); held.delete(element); }
  }
}));

function say(text, mood) {
  put.text(feed, text);
  feed.setAttribute("data-is", mood);
}

// What a screen reader hears of the figures: seldom, and only what differs.
const spoken = document.getElementById("spoken");
function speak() {
  const said = [...document.querySelectorAll("table.sinks tbody tr")].map((row) => {
    const cell = (label) => row.querySelector(`[data-label="${label}"]`)?.textContent;
    return `${row.querySelector(".what")?.textContent}: ${row.querySelector(".state")?.textContent}, ${cell("Writes")}, ${cell("Rows")} ${cell("Rows") === "1" ? "row" : "rows"}`;
  }).join("; ");
  if (spoken && spoken.textContent !== said) spoken.textContent = said;
}

let source; // the open feed; none while nobody sees the page

function listen() {
  if (source || document.hidden) return;
  source = new EventSource(`/feed?screen=${root.dataset.screen}`);
  source.addEventListener("patch", (event) => {
    const patch = JSON.parse(event.data);
    if (patch.instance && patch.instance !== root.dataset.instance) {
      location.reload(); // the flow was started again: the page may be another
      return;
    }
    root.classList.remove("stale");
    say("live", "good");
    apply(patch);
  });
  source.addEventListener("error", () => {
    if (!root.classList.contains("stale")) {
      root.classList.add("stale");
      say(`not reachable since ${clock()}; figures as of then`, "bad");
    }
    if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    leave();
    setTimeout(async () => { // an answer that is no feed: signed out, or too many pages
      try {
        const page = await fetch(location.pathname, { redirect: "manual" });
        if (page.type === "opaqueredirect") location.reload();
      } catch { /* still not reachable */ }
      listen();
    }, 3000);
  });
}

function leave() {
  source?.close();
  source = undefined;
}

if ("live" in root.dataset) {
  say("connecting…", "quiet");
  listen();
  setInterval(speak, 10000);
  // Browsers open few connections to one host: a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// A search answers in place, and is still there when one comes back from a lineage.
const ask = document.getElementById("ask");
const results = document.getElementById("results");
if (ask && results) {
  const kept = history.state?.search;
  if (kept && !results.querySelector(".hits")) {
    results.innerHTML = kept.html;
    for (const [name, value] of kept.form) if (ask.elements[name]) ask.elements[name].value = value;
  }
  let asked = 0;
  ask.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++asked;
    const form = new FormData(ask);
    results.setAttribute("aria-busy", "true");
    try {
      const page = new DOMParser().parseFromString(await (await fetch(ask.action, { method: "POST", body: new URLSearchParams(form) })).text(), "text/html");
      if (mine !== asked) return;
      document.querySelector("main .fault")?.remove();
      const fault = page.querySelector("main .fault");
      if (fault) ask.before(fault);
      const next = page.getElementById("results");
      if (!next) { location.assign("/search"); return; }
      results.innerHTML = next.innerHTML;
      history.replaceState({ search: { html: results.innerHTML, form: [...form] } }, "");
    } catch {
      say(`not reachable since ${clock()}`, "bad");
    } finally {
      results.removeAttribute("aria-busy");
    }
  });
}

// Two keys lead to a screen: g and its first letter (d for dead letters); a slash leads to the search.
let leading = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const way = { f: "/", g: "/flow", s: "/search", l: "/lineage", d: "/letters", m: "/models" }[event.key];
  if (event.key === "/") { event.preventDefault(); location.assign("/search"); }
  else if (event.timeStamp - leading < 1000 && way) { leading = 0; location.assign(way); }
  else leading = event.key === "g" ? event.timeStamp : 0;
});
