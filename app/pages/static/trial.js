// One trial: its weights and numbers, why it ended so, and every epoch.
import { base, get } from "./api.js";
import { read, write } from "./address.js";
import { add, copyButton, fill, h, table } from "./dom.js";
import { drawn, epochAxis, figure, plain, redraw } from "./figures.js";
import { watch } from "./live.js";
import { duration, metricName, metricValue, moment, number, readInPercent, unitOf } from "./numbers.js";
import { settingStyle, theme } from "./palette.js";
import { badge, broken, ready, reasonText } from "./parts.js";
import { ruleTitle } from "./settings.js";

const { study: name, trial: number_ } = document.documentElement.dataset;
const content = document.getElementById("content");
const top = h("div", {});
const plots = h("div", { class: "grid" });
const held = { trial: null };
let figures = [];

async function load() {
  const [study, trial] = await Promise.all([get(`/v1/studies/${name}`), get(`/v1/studies/${name}/trials/${number_}`)]);
  readInPercent(study.in_percent);
  held.trial = trial;
  fill(top, facts(held.trial));
  if (!figures.length && held.trial.intermediate_values.length) {
    figures = [curve(), moving()].filter(Boolean);
    fill(plots, figures.map((each) => each.element));
  }
  redraw();
}

function facts(trial) {
  const show = (place, value, format = number) => trial.not_finite[place] ?? format(value);
  const metrics = [...new Set([...Object.keys(trial.metrics.validation), ...Object.keys(trial.metrics.train), ...Object.keys(trial.metrics.test)])];
  const splits = ["validation", "test", "train"].filter((split) => Object.keys(trial.metrics[split]).length);
  const reason = reasonText(trial.reason);
  // A trial whose weights move has others at its end; a rule that moves them sets none that may be copied.
  const last = trial.intermediate_values.filter((epoch) => Object.keys(epoch.weights ?? {}).length).at(-1)?.weights ?? null;
  const seconds = trial.intermediate_values.reduce((sum, epoch) => sum + epoch.seconds, 0);
  return [
    h("p", {}, badge(trial.state), " ", trial.rule ? ruleTitle(trial.rule) : trial.role, h("span", { class: "muted" }, ` · ${trial.seeds.length > 1 ? `means over seeds ${trial.seeds.join(", ")}` : `seed ${trial.seed}`} · ${trial.epochs} epochs in ${duration(seconds)}${trial.engine ? ` · ${trial.engine}` : ""}${trial.worker ? ` on ${trial.worker}` : ""}${trial.attempt > 1 ? ` · attempt ${trial.attempt}` : ""}${trial.ended_at ? ` · ended ${moment(trial.ended_at)}` : ""}`)),
    reason ? h("p", { class: trial.state === "FAILED" || trial.state === "DIVERGED" ? "problem" : "note" }, reason) : null,
    h("p", {}, "Objective ", h("strong", {}, show("objective.value", trial.objective.value)), trial.objective.feasible === false ? " (breaks a constraint)" : "", bySeed(trial, show), h("span", { class: "muted" }, " · "), h("a", { href: `${base}/studies/${name}?t=${trial.number}#curves` }, "beside the others")),
    h("div", { class: "grid two" },
      h("div", { class: "card" }, h("h2", {}, "Weights"),
        table("Weights", [{ label: "Weight of" }, { label: last ? "set" : "used", right: true }, ...(last ? [{ label: "last epoch", right: true }] : []), { label: "drawn", right: true }],
          [...Object.keys(trial.weights).map((path) => [path, number(trial.weights[path]), ...(last ? [number(last[path])] : []), number(trial.parameters[path])]), ...beside(trial, last)], { class: "small" }),
        last && trial.rule ? null : h("p", { class: "buttons" }, copyButton("Copy as JSON", JSON.stringify(trial.weights, null, 2)))),
      metrics.length ? h("div", { class: "card" }, h("h2", {}, "Terms and metrics"),
        table("Terms and metrics", [{ label: "Path" }, ...splits.map((split) => ({ label: split, right: true }))], metrics.map((path) => [path, ...splits.map((split) => show(`metrics.${split}.${path}`, trial.metrics[split][path], (value) => metricValue(path, value)))]), { class: "small" })) : null),
    trial.engine_why ? h("p", { class: "note" }, `Trained ${trial.engine}: ${trial.engine_why}.`) : null,
  ];
}

// The objective under each seed, of a trial on several.
function bySeed(trial, show) {
  const values = Object.entries(trial.by_seed);
  return values.length > 1 ? h("span", { class: "muted" }, ` by seed: ${values.map(([seed, value]) => show(`by_seed.${seed}`, value)).join(", ")}`) : null;
}

// What was searched beside the weights of terms: a learning rate, a shared weight.
const beside = (trial, last) => Object.keys(trial.parameters).filter((path) => !(path in trial.weights)).map((path) => [path, "–", ...(last ? ["–"] : []), number(trial.parameters[path])]);

const paths = () => [...new Set(held.trial.intermediate_values.flatMap((epoch) => [...Object.keys(epoch.validation), ...Object.keys(epoch.train)]))];

function curve() {
  const chosen = () => (paths().includes(read("term")) ? read("term") : paths().find((path) => /accuracy|mse|mae/.test(path)) ?? paths()[0]);
  const picker = h("select", { "aria-label": "Term or metric", "data-key": "term", onchange: (event) => { write({ term: event.target.value }); self.update(); } }, paths().map((path) => h("option", { value: path, selected: path === chosen() }, path)));
  const self = figure({
    id: "trial-curve", file: `${name}-trial-${number_}`, title: "By epoch", height: 320, controls: h("span", { class: "controls" }, picker),
    draw: () => {
      const path = chosen();
      const unit = unitOf(path);
      const line = (split, color, dash) => ({ type: "scatter", mode: "lines", name: split, x: held.trial.intermediate_values.map((epoch) => epoch.epoch), y: held.trial.intermediate_values.map((epoch) => (typeof epoch[split][path] === "number" ? epoch[split][path] * unit.factor : null)), line: { color, dash, width: 2 }, hovertemplate: `${split}, epoch %{x}: %{y:.4g}<extra></extra>` });
      return { data: [line("validation", settingStyle("tuned").color, "solid"), line("train", theme().muted, "dot")].filter((each) => each.y.some((value) => value !== null)), layout: { height: 320, showlegend: true, margin: { l: 60, r: 14, t: 34, b: 42 }, xaxis: epochAxis(held.trial.epochs), yaxis: { title: `${plain(metricName(path))}${unit.suffix ? ", %" : ""}`, zeroline: false }, uirevision: path } };
    },
    rows: () => ({ columns: ["Epoch", "validation", "train"], rows: held.trial.intermediate_values.map((epoch) => [epoch.epoch, epoch.not_finite[`validation.${chosen()}`] ?? metricValue(chosen(), epoch.validation[chosen()]), epoch.not_finite[`train.${chosen()}`] ?? metricValue(chosen(), epoch.train[chosen()])]) }),
  });
  return self;
}

function moving() {
  const epochs = () => held.trial.intermediate_values.filter((epoch) => Object.keys(epoch.weights ?? {}).length);
  if (!epochs().length) return null;
  const terms = () => Object.keys(epochs()[0].weights);
  return figure({
    id: "trial-weights", file: `${name}-trial-${number_}-weights`, title: "Weights in force", height: 320,
    draw: () => ({ data: terms().map((path, place) => ({ type: "scatter", mode: "lines", name: plain(path), x: epochs().map((epoch) => epoch.epoch), y: epochs().map((epoch) => epoch.weights[path]), line: { color: settingStyle("", place).color, width: 2 }, hovertemplate: `${plain(path)}, epoch %{x}: %{y:.4g}<extra></extra>` })), layout: { height: 320, showlegend: true, margin: { l: 60, r: 14, t: 34, b: 42 }, xaxis: epochAxis(held.trial.epochs), yaxis: { title: "weight", zeroline: false } } }),
    rows: () => ({ columns: ["Epoch", ...terms().map(metricName)], rows: epochs().map((epoch) => [epoch.epoch, ...terms().map((path) => number(epoch.weights[path]))]) }),
  });
}

fill(content, top, plots);
load().then(async () => {
  await drawn();
  watch(name, load, () => !held.trial.ended, "This trial");
}).catch((error) => add(content, [broken(error)])).finally(ready);
