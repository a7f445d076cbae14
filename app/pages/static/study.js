// One study: the answer first, then what it rests on.
import { find, get } from "./api.js";
import { read, readNumbers, write } from "./address.js";
import { add, fill, h } from "./dom.js";
import { drawn, prepare, redraw } from "./figures.js";
import { watch } from "./live.js";
import { readInPercent } from "./numbers.js";
import { broken, ready } from "./parts.js";
import { settingsOf } from "./settings.js";
import { compare } from "./compare.js";
import { curves } from "./curves.js";
import { judged } from "./judged.js";
import { progress } from "./progress.js";
import { running } from "./running.js";
import { tradeoff } from "./tradeoff.js";
import { trials } from "./trials.js";
import { head, verdict } from "./verdict.js";
import { weights } from "./weights.js";

const name = document.documentElement.dataset.study;
const at = `/v1/studies/${name}`;
const content = document.getElementById("content");
const MOST = 800;

// All that the sections show. `chosen` are the trials that are drawn out of the crowd; null means the settings' own.
export const view = { name, at, study: null, best: null, refusal: null, confirmation: null, points: null, sensitivity: null, cohorts: null, workload: null, front: null, picked: null, settings: [], chosen: read("t") ? readNumbers("t") : null, choose };

const SECTIONS = [
  ["verdict", "Verdict", verdict],
  ["compare", "Side by side", compare],
  ["tradeoff", "Trade-off", tradeoff],
  ["weights", "Each weight", weights],
  ["history", "History", progress],
  ["curves", "Curves", curves],
  ["judged", "How it was judged", judged],
  ["running", "What runs", running],
  ["trials", "Trials", trials],
];
const made = [];

// All is asked for at once. `answered` is called when the answer is there: the points of a great study come later. What was asked
// for earlier and comes later is left: the latest load is waited for.
let loading = null;

function load(answered = () => {}) {
  const own = { promise: null };
  loading = own;
  own.promise = gather(own, answered);
  return own.promise;
}

async function gather(own, answered) {
  const asked = [find(`${at}/confirmation`), find(`${at}/cohorts`), find(`${at}/points?most=${MOST}`), get("/v1/workloads").catch(() => null)];
  for (const each of asked) each.catch(() => {}); // told where it is awaited
  const [confirmation, cohorts, points, workloads] = asked;
  const study = await get(at);
  const front = study.definition.objective.aggregate === "pareto";
  const hopeless = !study.best && !(study.ended && study.progress.trials.COMPLETE > 0);
  const found = { study, best: null, refusal: null, front: null, picked: null };
  const answer = front ? pick(found) : hopeless ? null : find(`${at}/best`, (refusal) => (found.refusal = refusal));
  const matters = front && study.state === "COMPLETE" ? find(`${at}/sensitivity`) : null;
  [found.best, found.confirmation, found.sensitivity, found.cohorts] = await Promise.all([answer, confirmation, matters, cohorts]);
  found.sensitivity ??= found.best?.sensitivity ?? null;
  found.workload = (await workloads)?.workloads.find((each) => each.name === study.definition.workload.name) ?? null;
  if (loading !== own) return loading.promise;
  Object.assign(view, found);
  readInPercent(study.in_percent);
  view.settings = settingsOf(view);
  answered();
  found.points = await points;
  if (loading !== own) return loading.promise;
  view.points = found.points;
  view.settings = settingsOf(view);
}

// Of a front, one is shown: the one asked for, else the confirmed one, else the knee.
async function pick(found) {
  found.front = await find(`${at}/pareto`);
  const picks = found.front?.trials.length ? Object.keys(found.front.picks).filter((each) => found.front.picks[each] !== null) : [];
  found.picked = picks.includes(read("pick")) ? read("pick") : picks.includes("confirmed") ? "confirmed" : picks[0] ?? null;
  return found.picked ? find(`${at}/best?pick=${encodeURIComponent(found.picked)}`) : null;
}

function build() {
  const top = h("div", { class: "head" });
  const links = h("nav", { class: "sections", "aria-label": "Sections" });
  fill(content, top, links);
  for (const [id, title, make] of SECTIONS) {
    const section = h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title));
    const body = h("div", { class: "body" });
    section.append(body);
    content.append(section);
    made.push({ id, title, section, body, update: make(view, body, section) });
  }
  made.top = top;
  made.links = links;
}

export function show() {
  fill(made.top, head(view));
  for (const each of made) each.section.hidden = each.update() === false;
  fill(made.links, made.filter((each) => !each.section.hidden).map((each) => h("a", { href: `#${each.id}`, "data-key": `to ${each.id}` }, each.title)));
}

// Draw these trials out of the crowd, everywhere, and keep them in the address.
function choose(number, on = null) {
  const chosen = new Set(view.chosen ?? defaults());
  if (on ?? !chosen.has(number)) chosen.add(number);
  else chosen.delete(number);
  view.chosen = [...chosen];
  write({ t: view.chosen.join(",") });
  show();
  redraw();
}

export function defaults() {
  return view.settings.length ? view.settings.slice(0, 3).map((each) => each.trial) : (view.points?.columns.number ?? []).slice(0, 5);
}

view.defaults = defaults;
view.reload = () => load().then(show).then(redraw);

// What tells that a trial or the study has changed; between such changes only the epochs move.
const marks = (study) => JSON.stringify([study.state, study.times, study.progress.trials, study.progress.planned, study.best, study.reason]);

async function refresh() {
  const study = await get(at);
  if (marks(study) === marks(view.study)) {
    view.study = study;
    if (!study.ended) view.cohorts = await find(`${at}/cohorts`);
    fill(made.top, head(view));
    for (const each of made) if (["curves", "running"].includes(each.id)) each.update();
    return;
  }
  await load();
  show();
  redraw();
}

load(() => {
  build();
  fill(made.top, head(view));
  for (const each of made) each.section.hidden = each.id !== "verdict" || each.update() === false;
  prepare();
}).then(async () => {
  show();
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  await drawn();
  watch(name, refresh, () => !view.study.ended);
}).catch((error) => add(content, [broken(error)])).finally(ready);
