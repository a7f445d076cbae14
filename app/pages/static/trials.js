// The study's trials, sorted, filtered and paged by the service; only the columns in which they differ.
import { find, isReport } from "./api.js";
import { read, write } from "./address.js";
import { fill, h, say, table } from "./dom.js";
import { metricName, metricValue, number } from "./numbers.js";
import { badge, trialLink } from "./parts.js";
import { ruleTitle, weightOf } from "./settings.js";

const PAGE = 25;
const ROLES = { "": "all phases", search: "search", baseline: "baselines", reference: "references", confirmation: "fresh seeds" };
const STATES = { "": "all states", COMPLETE: "complete", RUNNING: "running", WAITING: "waiting", PRUNED: "pruned", FAILED: "failed", DIVERGED: "diverged", CANCELLED: "cancelled" };

export function trials(view, body) {
  if (isReport) return () => false;
  const tokens = [""];
  let page = 0;
  let asked = "";
  let shown = null;
  const list = h("div", { id: "trial-table" });
  const pager = h("div", { class: "pager" });
  const choice = (label, choices, key) => h("select", { "aria-label": label, "data-key": label, onchange: (event) => anew({ [key]: event.target.value }) }, Object.entries(choices).map(([value, text]) => h("option", { value, selected: value === read(key) }, text)));
  fill(body, h("div", { class: "filters" }, choice("Phase", ROLES, "phase"), choice("State", STATES, "state")), list, pager);

  const order = () => read("order", "number");

  function anew(changes) {
    write(changes);
    tokens.length = 1;
    page = 0;
    return load(true);
  }

  function sortBy(column) {
    const now = order();
    const first = column === "number" ? column : `-${column}`;
    const other = column === "number" ? `-${column}` : column;
    return anew({ order: now === first ? other : first === "number" ? "" : first });
  }

  async function load(now) {
    const wanted = new URLSearchParams({ view: "table", page_size: PAGE, order_by: order() });
    if (read("phase")) wanted.set("role", read("phase"));
    if (read("state")) wanted.set("state", read("state"));
    if (tokens[page]) wanted.set("page_token", tokens[page]);
    const key = `${wanted} ${JSON.stringify(view.study.progress)}`;
    if (!now && key === asked) return draw();
    asked = key;
    try {
      const found = await find(`${view.at}/trials?${wanted}`);
      if (key !== asked) return; // another page has been asked for meanwhile
      if (found) shown = found;
    } catch (error) {
      asked = ""; // the next change asks again
      say(error.message);
    }
    draw();
  }

  function draw() {
    if (!shown) return;
    fill(list, shown.columns.number.length ? rows(view, shown, order(), sortBy) : h("p", { class: "empty" }, "No trial matches."));
    fill(pager, page > 0 || shown.next_page_token ? [
      h("button", { type: "button", "data-key": "previous", disabled: page === 0, onclick: () => { page -= 1; load(true); } }, "← Previous"),
      h("span", { class: "muted" }, `Page ${page + 1}`),
      h("button", { type: "button", "data-key": "next", disabled: !shown.next_page_token, onclick: () => { tokens[page + 1] = shown.next_page_token; page += 1; load(true); } }, "Next →"),
    ] : []);
  }

  return () => {
    if (!Object.values(view.study.progress.trials).some(Boolean)) return false;
    load(false);
    return true;
  };
}

function rows(view, shown, order, sortBy) {
  const { columns, not_finite: odd } = shown;
  const count = columns.number.length;
  const weights = Object.keys(columns).filter((key) => key.startsWith("weights.") && (differ(columns[key]) || count === 1));
  const beside = Object.keys(columns).filter((key) => key.startsWith("parameters.") && !(`weights.${key.slice(11)}` in columns) && differ(columns[key]));
  const all = Object.keys(columns).filter((key) => key.startsWith("validation."));
  const counting = all.filter((key) => key.slice(11) in (view.points?.metrics ?? {}));
  const terms = all.filter((key) => !counting.includes(key) && differ(columns[key]));
  const scored = columns.objective.some((value) => value !== null) || Boolean(odd.objective) || view.study.definition.objective.aggregate !== "pareto";
  const sorted = (column) => (order === column ? "ascending" : order === `-${column}` ? "descending" : null);
  const plain = ["state", "epochs", "seed"].filter((key) => key === "state" || differ(columns[key]));
  const chosen = new Set(view.chosen ?? view.defaults());
  const measuredHead = (key) => ({ label: metricName(key.slice(11)), title: `${key.slice(11)} on validation`, sort: () => sortBy(key.slice(11)), sorted: sorted(key.slice(11)), right: true });
  const measuredCell = (index) => (key) => odd[key]?.[index] ?? metricValue(key.slice(11), columns[key][index]);
  const heads = [
    { label: "Draw", title: "Draw its curves" }, { label: "Trial", sort: () => sortBy("number"), sorted: sorted("number"), right: true },
    { label: "Phase" },
    ...(scored ? [{ label: "Objective", sort: () => sortBy("objective"), sorted: sorted("objective"), right: true }] : []), // a phone shows so many
    ...plain.map((key) => ({ label: { state: "State", epochs: "Epochs", seed: "Seed" }[key], right: key !== "state" })),
    ...counting.map(measuredHead),
    ...weights.map((key) => ({ label: `× ${key.slice(8)}`, title: "weight", right: true })),
    ...beside.map((key) => ({ label: key.slice(11), right: true })),
    ...terms.map(measuredHead),
    ...(columns.reason.some(Boolean) ? [{ label: "Why" }] : []),
  ];
  const cells = (index) => {
    const trial = columns.number[index];
    const show = (key, format) => odd[key]?.[index] ?? format(columns[key][index]);
    const moving = columns.rule[index] ? view.settings.find((each) => each.name === columns.rule[index]) : null;
    return [
      h("input", { type: "checkbox", checked: chosen.has(trial), "aria-label": `Draw trial ${trial}`, "data-key": `draw ${trial}`, onchange: (event) => view.choose(trial, event.target.checked) }),
      trialLink(view.name, trial, trial),
      columns.rule[index] ? ruleTitle(columns.rule[index]) : columns.role[index],
      ...(scored ? [show("objective", (value) => number(value, undefined, true))] : []),
      ...plain.map((key) => (key === "state" ? badge(columns.state[index]) : columns[key][index])),
      ...counting.map(measuredCell(index)),
      ...weights.map((key) => (moving?.moves ? weightOf(moving) : number(columns[key][index]))),
      ...beside.map((key) => number(columns[key][index])),
      ...terms.map(measuredCell(index)),
      ...(columns.reason.some(Boolean) ? [columns.reason[index] ?? ""] : []),
    ];
  };
  return table("Table of trials", heads, columns.number.map((_, index) => ({ cells: cells(index), class: chosen.has(columns.number[index]) ? "chosen" : "" })), { class: "list small", headed: false });
}

const differ = (values) => new Set(values).size > 1;
