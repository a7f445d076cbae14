// Settings side by side: equal weights, yours, the tuned ones, and what else was trained for comparison.
import { number } from "./numbers.js";
import { settingStyle } from "./palette.js";

const TITLES = { current: "yours", equal: "equal", inverse_initial_loss: "inverse loss", uncertainty: "uncertainty", dwa: "DWA", random: "random", gradnorm: "GradNorm", famo: "FAMO", imtl_l: "IMTL-L" };
const FIRST = ["equal", "current", "tuned"];

export function ruleTitle(rule) {
  return TITLES[rule] ?? rule.replaceAll("_", " ").replace(":", " ");
}

// Every setting to compare, in reading order: {key, name, title, trial, weights, moves, color, symbol}. `name` is its key in the
// confirmation; one that `moves` its weights in training has no fixed ones. A baseline that stands for yours there has the key of yours,
// and what another one stands for is no setting of its own.
export function settingsOf(view) {
  const { best, confirmation } = view;
  const found = [];
  const told = confirmation?.winner;
  // Before fresh seeds the best trial may be a baseline: then nothing is tuned yet.
  const leading = told ? null : Object.keys(best?.baselines ?? {}).find((name) => best.baselines[name].trial === best.trial);
  const winner = best && confirmation?.settings?.[told]?.trial !== best.trial ? `trial ${best.trial}` : told;
  const tuned = confirmation?.settings?.[winner];
  if ((best || tuned) && !leading) found.push({ key: "tuned", name: winner, title: "tuned", trial: best?.trial ?? tuned.trial, weights: best?.weights ?? tuned.weights, moves: false });
  const baselines = best?.baselines ?? {};
  const names = new Set([...Object.keys(baselines), ...Object.keys(confirmation?.settings ?? {}).filter((name) => confirmation.settings[name].role === "baseline")]);
  const stoodFor = new Set(Object.values(confirmation?.settings ?? {}).flatMap((each) => each.stands_for));
  for (const name of names) {
    if (name === winner || stoodFor.has(name)) continue;
    const from = baselines[name] ?? confirmation.settings[name];
    const key = isYours(confirmation?.settings, name) ? "current" : name;
    const same = key !== name ? ruleTitle(name) : key === "current" && sameAsEqual(from.weights, names) ? "equal" : "";
    found.push({ key, name, title: same ? `${ruleTitle(key)} (${same})` : ruleTitle(name), trial: from.trial, weights: from.weights, moves: from.moves });
  }
  const worth = (each) => confirmation?.settings?.[each.name]?.value?.mean ?? baselines[each.name]?.objective?.value ?? -Infinity;
  const place = (each) => (FIRST.includes(each.key) ? FIRST.indexOf(each.key) : FIRST.length);
  found.sort((a, b) => place(a) - place(b) || worth(b) - worth(a));
  let other = 0;
  return found.map((each) => ({ ...each, ...settingStyle(each.key, FIRST.includes(each.key) ? 0 : other++) }));
}

// Whether what a setting of the confirmation has are the user's weights: its own rule, or what it stands for.
export function isYours(settings, name) {
  return name === "current" || Boolean(settings?.[name]?.stands_for.includes("current"));
}

// A setting's weight of a term, in words where a rule moves it.
export function weightOf(setting, path) {
  return setting?.moves ? "moves" : number(setting?.weights?.[path]);
}

// The baseline that is recommended in place of the tuned weights; null where they are.
export function recommendedOf(view) {
  const pick = view.best?.recommended?.pick ?? "";
  return pick.startsWith("baseline:") ? view.settings.find((each) => each.name === pick.slice("baseline:".length)) ?? null : null;
}

// What is searched beside the weights of terms: a learning rate, say.
export function besideWeights(view) {
  const columns = view.points?.columns ?? {};
  return (view.points?.parameters ?? []).filter((path) => !(`weights.${path}` in columns) && !(path in (view.study.definition.weights ?? {})));
}

function sameAsEqual(weights, names) {
  return !names.has("equal") && Object.values(weights ?? {}).length > 0 && Object.values(weights).every((value) => value === 1);
}

// What the search's numbers are of: one seed, or means over several where the definition asks for them.
export function searchSeeds(study) {
  const { seeds } = study.definition.search;
  return seeds > 1 ? `means over ${seeds} seeds` : "one seed";
}

export function searchSeedsFirst(study) {
  const text = searchSeeds(study);
  return text[0].toUpperCase() + text.slice(1);
}

// What the tuned setting is held against: what the user has today, else equal weights, else the best baseline.
export function yardstick(settings) {
  return settings.find((each) => each.key === "current") ?? settings.find((each) => each.key === "equal") ?? settings.find((each) => each.key !== "tuned") ?? null;
}

// The baseline that is the best trial of a search that is not confirmed; null where a search trial is.
export function leaderOf(view) {
  return view.settings.some((each) => each.key === "tuned") ? null : view.settings.find((each) => each.trial === view.best?.trial) ?? null;
}

// Whether the tuned setting that is shown is the one that fresh seeds confirm.
export function isConfirmed(view) {
  const tuned = view.settings.find((each) => each.key === "tuned");
  return Boolean(tuned && view.confirmation?.winner === tuned.name);
}

// The metrics that the objective looks at, the optimised ones first.
export function metricsOf(view) {
  const named = [...optimizedOf(view), ...objectiveOf(view).map((entry) => entry.metric)];
  return [...new Set([...named, ...Object.keys(view.points?.metrics ?? {})])];
}

export function optimizedOf(view) {
  return objectiveOf(view).filter((entry) => entry.strategy === "optimize").map((entry) => entry.metric);
}

// Those and what is constrained: all that a study looks at.
export function judgedOf(view) {
  return objectiveOf(view).filter((entry) => entry.strategy !== "store").map((entry) => entry.metric);
}

const objectiveOf = (view) => view.study.definition.objective.metrics;

export function directionOf(view, path) {
  return objectiveOf(view).find((entry) => entry.metric === path)?.direction ?? view.points?.metrics?.[path] ?? view.confirmation?.directions?.[path] ?? "minimize";
}

export const ARROWS = { maximize: "↑", minimize: "↓" };

export function objectiveName(view) {
  const aggregate = view.study.definition.objective.aggregate;
  if (aggregate === "pareto") return "compromise";
  return { delta_m: "mean change, %", mean: "mean of the metrics", worst: "worst metric" }[aggregate] ?? aggregate;
}

// The same with what a mean change is held against.
export function objectiveInFull(view) {
  return view.study.definition.objective.aggregate === "delta_m" ? "mean change against each task trained alone, %" : objectiveName(view);
}

export function importantPaths(view) {
  return view.points?.parameters ?? [];
}

export const STATES = { QUEUED: "queued", RUNNING: "running", PAUSED: "paused", STOPPING: "stopping", COMPLETE: "complete", STOPPED: "stopped", CANCELLED: "cancelled", FAILED: "failed" };
export const ENDS = ["COMPLETE", "PRUNED", "FAILED", "DIVERGED", "CANCELLED"];

export function doneOf(study) {
  return ENDS.reduce((sum, state) => sum + (study.progress.trials[state] ?? 0), 0);
}

export function shareOf(study) {
  if (study.state === "COMPLETE") return 1;
  const progress = study.progress;
  return Math.min(1, Math.max(doneOf(study) / Math.max(progress.planned, 1), Math.min(progress.epochs / Math.max(progress.epochs_planned, 1), 0.99)));
}
