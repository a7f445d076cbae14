// All studies: filtered, sorted and paged by the service.
import { base, find, get, send } from "./api.js";
import { read, write } from "./address.js";
import { add, fill, h, say, table } from "./dom.js";
import { watch } from "./live.js";
import { ago, DASH, moment, number } from "./numbers.js";
import { badge, broken, isStranded, progressBar, ready, reasonText, standing, studyLink } from "./parts.js";
import { STATES, isYours, searchSeeds } from "./settings.js";

const content = document.getElementById("content");
const PAGE = 25;
const tokens = [""];
const verdicts = new Map();
let page = 0;
let shown = null;
const SORTS = { "-created": "newest first", created: "oldest first", "-updated": "latest change first", name: "by name" };

const search = h("input", { type: "search", placeholder: "name, workload or label", "aria-label": "Find studies", value: read("q") });
const state = select("State", { "": "all states", ...STATES }, read("state"), "state");
const order = select("Order", SORTS, read("sort", "-created"), "sort");
const list = h("div", { id: "studies" });
const pager = h("div", { class: "pager" });

function select(label, choices, chosen, key) {
  return h("select", { "aria-label": label, "data-key": label, onchange: (event) => anew({ [key]: event.target.value }) },
    Object.entries(choices).map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

function anew(changes) {
  write(changes);
  tokens.length = 1;
  page = 0;
  return loadOrSay();
}

let typed = null;
search.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => anew({ q: search.value.trim() }), 250);
});

function query() {
  const wanted = new URLSearchParams({ page_size: PAGE, order_by: read("sort", "-created") });
  if (read("q")) wanted.set("search", read("q"));
  if (read("state")) wanted.set("state", read("state"));
  if (tokens[page]) wanted.set("page_token", tokens[page]);
  return `/v1/studies?${wanted}`;
}

let turns = 0;

async function load() {
  const turn = (turns += 1);
  const found = await get(query());
  if (turn !== turns) return; // another list has been asked for meanwhile
  shown = found;
  draw();
  await Promise.all(shown.studies.map(judge));
  if (turn === turns) draw();
}

const loadOrSay = () => load().catch((error) => say(error.message));

// The verdict in short, of what is confirmed; it changes only with the study.
async function judge(study) {
  const key = `${study.name} ${study.times.updated_at}`;
  if (verdicts.has(key) || study.state !== "COMPLETE" || !study.definition.search.confirmation) return;
  const found = await find(`/v1/studies/${study.name}/confirmation`).catch(() => undefined); // one that fails costs its verdict alone
  if (found !== undefined) verdicts.set(key, found?.winner ? inShort(found) : null);
}

const CALLS = {
  better: { text: "better than the baselines", tone: "good" },
  worse: { text: "worse than a baseline", tone: "bad" },
  as_good: { text: "as good as a baseline", tone: "" },
  not_enough: { text: "not enough trainings to tell", tone: "" },
};

function inShort(found) {
  const { trial, value, breaks } = found.settings[found.winner];
  const said = CALLS[found.call] ?? { text: "confirmed", tone: "" };
  const call = found.call === "better" && breaks.length ? { text: `${said.text}, but breaks a constraint`, tone: "" } : said;
  return { ...call, text: `${call.text}${instead(found)}`, trial, value: value?.mean, seeds: value?.n };
}

// What to use where that is not the winner.
function instead({ recommended, winner, settings }) {
  if (recommended === winner) return "";
  return isYours(settings, recommended) ? ": keep yours" : `: use ${settings[recommended].told_as}`;
}

function draw() {
  const filtered = Boolean(read("q") || read("state"));
  if (!shown.studies.length && !filtered && page === 0) {
    fill(content, empty());
    return;
  }
  if (!content.contains(list)) fill(content, h("div", { class: "filters", role: "search" }, search, state, order), list, pager);
  fill(list, shown.studies.length ? studies() : h("p", { class: "empty" }, "No study matches."));
  fill(pager, tokens.length > 1 || shown.next_page_token ? [
    h("button", { type: "button", "data-key": "previous", disabled: page === 0, onclick: () => turn(-1) }, "← Previous"),
    h("span", { class: "muted" }, `Page ${page + 1}`),
    h("button", { type: "button", "data-key": "next", disabled: !shown.next_page_token, onclick: () => turn(1) }, "Next →"),
  ] : []);
}

function turn(by) {
  if (by > 0) tokens[page + 1] = shown.next_page_token;
  page += by;
  return loadOrSay();
}

// A front has no one value.
function valued(study, value) {
  const { aggregate } = study.definition.objective;
  return aggregate === "pareto" ? DASH : number(value) + (aggregate === "delta_m" && typeof value === "number" ? " %" : "");
}

function studies() {
  const columns = [{ label: "Study" }, { label: "State" }, { label: "Verdict" }, { label: "Winner", right: true }, { label: "Value", right: true }, { label: "Progress" }, { label: "Workload" }, { label: "Labels" }, { label: "Age", right: true }];
  const rows = shown.studies.map((study) => {
    const verdict = verdicts.get(`${study.name} ${study.times.updated_at}`);
    const waits = !study.ended || study.state === "FAILED" ? reasonText(study.reason) : "";
    return [
      [studyLink(study.name), study.definition.priority ? h("small", { class: "muted" }, ` priority ${study.definition.priority}`) : ""],
      badge(study.state),
      { cell: verdict?.text ?? (isStranded(study) ? "no worker yet" : study.definition.objective.aggregate === "pareto" && study.ended ? "a front" : study.best ? "not confirmed" : "–"), class: `verdict ${verdict?.tone ?? "muted"}` },
      verdict ? `trial ${verdict.trial}` : study.best ? `trial ${study.best.number}` : "–",
      verdict ? { cell: valued(study, verdict.value), title: `mean of ${verdict.seeds} fresh seeds` } : { cell: valued(study, study.best?.objective.value), title: `${searchSeeds(study)}, validation` },
      h("span", { class: "stack", title: standing(study) }, progressBar(study), h("small", { class: "muted" }, waits || standing(study))),
      study.definition.workload.name,
      Object.entries(study.definition.labels).map(([key, value]) => h("span", { class: "label" }, value ? `${key}: ${value}` : key)),
      { cell: ago(study.times.created_at), title: moment(study.times.created_at) },
    ];
  });
  return table("Studies", columns, rows, { class: "list" });
}

function empty() {
  const submit = h("button", { type: "button", class: "primary", onclick: () => example(submit) }, "Submit the example");
  return h("section", { class: "first" },
    h("h2", {}, "No study yet"),
    h("ol", {},
      h("li", {}, "Write a definition to start from: ", h("code", {}, "steelyard init")),
      h("li", {}, "Name your model's outputs, their losses and the metrics that count in ", h("code", {}, "study.json")),
      h("li", {}, "Search its weights: ", h("code", {}, "steelyard submit study.json"))),
    h("p", {}, submit, " the digit and its parity on 1,797 small images: about a minute on two cores."));
}

async function example(button) {
  button.disabled = true;
  try {
    const study = await send("POST", "/v1/studies", await get("/example.json"));
    location.href = `${base}/studies/${study.name}`;
  } catch (error) {
    say(error.message);
    button.disabled = false;
  }
}

load().then(() => watch(null, load, () => shown.studies.some((study) => !study.ended))).catch((error) => add(content, [broken(error)])).finally(ready);
