// Say when something has changed: by the stream that all tabs share, by polling where there is none.
import { base, isReport } from "./api.js";
import { h } from "./dom.js";

const POLL_MS = 5000;
const SLOW_MS = 30000;
const TOGETHER_MS = 700;
const REST = 5; // a page rests so many times as long as it took to look: a great study's trials may end faster than it can be drawn
const watchers = new Set();
let state = "waiting"; // what is shown
let stream = "waiting"; // how the stream stands
let timer = null;

// `changed` is called after hints for `study` (null: any), with rests between, and now and then while `busy()` says so.
export function watch(study, changed, busy = () => false, what = "This study") {
  if (isReport) return;
  const watcher = { study, changed, busy, what, due: null, asked: Date.now(), took: 0, running: false };
  watchers.add(watcher);
  if (timer === null) begin();
}

function begin() {
  timer = setInterval(tick, 1000);
  addEventListener("online", () => all());
  document.addEventListener("visibilitychange", () => document.hidden || all());
  try {
    const worker = new SharedWorker(document.body.dataset.stream, { name: "steelyard" });
    worker.onerror = () => show((stream = "polling"));
    worker.port.onmessage = (event) => hear(event.data);
    worker.port.start();
    addEventListener("pagehide", () => worker.port.postMessage("leave"));
    addEventListener("pageshow", (event) => event.persisted && location.reload());
  } catch {
    show((stream = "polling"));
  }
}

function hear(message) {
  if (message.state) {
    const anew = message.state === "live" && stream !== "live"; // what happened before the stream is told by nobody
    stream = message.state;
    if (anew) all();
    if (state !== "unreachable" || stream !== "live") show(stream);
  }
  if (message.study) for (const watcher of watchers) if (watcher.study === null || watcher.study === message.study) hint(watcher);
}

function all() {
  for (const watcher of watchers) hint(watcher);
}

// A tab that is not seen asks for nothing: it catches up as soon as it is.
function hint(watcher) {
  if (document.hidden) return;
  watcher.due ??= setTimeout(() => run(watcher), Math.max(Math.max(TOGETHER_MS, REST * watcher.took) - (Date.now() - watcher.asked), 60));
}

async function run(watcher) {
  if (watcher.running) {
    watcher.due = setTimeout(() => run(watcher), TOGETHER_MS);
    return;
  }
  watcher.due = null;
  watcher.running = true;
  const began = Date.now();
  try {
    await watcher.changed();
    if (state === "unreachable") show(stream);
  } catch (error) {
    if (error.status === 404) end(watcher);
    else show("unreachable");
  } finally {
    watcher.asked = Date.now();
    watcher.took = watcher.asked - began;
    watcher.running = false;
  }
}

function tick() {
  if (document.hidden) return;
  const streaming = stream === "live";
  for (const watcher of watchers) {
    const wait = streaming && !watcher.busy() ? SLOW_MS : POLL_MS;
    if (!watcher.running && watcher.due === null && Date.now() - watcher.asked > wait) run(watcher);
  }
}

// What was watched has been deleted: say so, and ask no more.
function end(watcher) {
  watchers.delete(watcher);
  clearTimeout(watcher.due);
  show("deleted");
  document.getElementById("main").prepend(h("p", { class: "problem", role: "alert" }, `${watcher.what} has been deleted; what is shown is as it was. `, h("a", { href: `${base}/` }, "All studies")));
}

const SHOWN = { live: "live", waiting: "", lost: "reconnecting", polling: "every 5 s", unreachable: "service unreachable", deleted: "deleted" };

function show(now) {
  state = now;
  const place = document.getElementById("live");
  if (!place) return;
  place.dataset.state = now;
  if (place.textContent !== SHOWN[now]) place.textContent = SHOWN[now];
}
