"use strict";

const number = (n) => Number(n).toLocaleString("en-US");

// Figures are renewed in place; while the flow cannot be asked they stay as they were.
async function renew() {
  let status, ready;
  try {
    status = (await (await fetch("/api/v1/status")).json()).data;
    ready = await (await fetch("/readyz")).json();
  } catch {
    say("the flow does not answer", false);
    return;
  }
  say(ready.ready ? "ready" : ready.reasons.map((r) => r.code).join(", "), ready.ready);
  for (const [kind, all] of [["source", status.sources], ["step", status.steps], ["sink", status.sinks]]) {
    for (const row of document.querySelectorAll(`tr[data-${kind}]`)) {
      const figures = all[row.dataset[kind]];
      if (!figures) continue;
      for (const cell of row.querySelectorAll("[data-f]")) {
        cell.textContent = show(cell.dataset.f, figures);
      }
    }
  }
}

function show(field, figures) {
  if (field === "fresh") return `${Math.round(figures.freshness_ms.p50)} / ${Math.round(figures.freshness_ms.p99)} ms`;
  if (field === "lag_seconds") return `${figures.lag_seconds.toFixed(1)} s`;
  const value = figures[field];
  return typeof value === "number" ? number(value) : value;
}

function say(text, good) {
  const ready = document.getElementById("ready");
  ready.textContent = text;
  ready.className = good ? "good" : "bad";
}

const kept = 50;

function tell(change) {
  document.getElementById("quiet").hidden = true;
  const line = document.createElement("li");
  line.textContent = `${new Date().toLocaleTimeString()}  ${change.key}  ${change.calls} calls, ` +
    `${change.upserts} rows written, ${change.deletes} removed`;
  const list = document.getElementById("changes");
  list.prepend(line);
  while (list.childElementCount > kept) list.lastElementChild.remove();
}

const stream = new EventSource("/api/v1/events");
stream.addEventListener("change", (e) => tell(JSON.parse(e.data)));
stream.addEventListener("error", () => say("the flow does not answer", false));
setInterval(renew, 2000);
