// What changes with the weights: each metric from what the user has to what is recommended, and which task pays.
import { h } from "./dom.js";
import { metricBound, metricChange, metricName, metricRange, metricValue, percent } from "./numbers.js";
import { ARROWS, directionOf, isConfirmed, judgedOf, leaderOf, metricsOf, optimizedOf, recommendedOf, searchSeeds, yardstick } from "./settings.js";

// Which settings are compared: {from, to, tuned}. `to` is what is recommended. `from` is what the user has, if both trained on two
// fresh seeds, else a baseline of which that is so; null where it is what is recommended. `tuned` is the tuned setting where it is not
// `to`.
export function comparison(view) {
  const usual = yardstick(view.settings);
  const tuned = view.settings.find((each) => each.key === "tuned");
  if (!isConfirmed(view)) {
    const to = leaderOf(view) ?? tuned ?? { key: "tuned", trial: view.best.trial };
    return { from: usual && usual.trial !== view.best.trial ? usual : null, to, tuned: null };
  }
  const chosen = recommendedOf(view);
  const to = chosen ?? tuned;
  const met = (each) => each && (each === to || Object.keys(view.confirmation.recommended_against[each.name]?.metrics ?? {}).length > 0);
  const baselines = view.settings.filter((each) => each.key !== "tuned");
  const yours = baselines.find((each) => each.key === "current");
  const from = [yours, chosen, usual, ...baselines].find(met) ?? usual;
  return { from: from === to ? null : from, to, tuned: chosen ? tuned : null };
}

// A setting in words, as the verdict has it.
export function inWords(view, setting) {
  if (setting.key === "current") return "your weights";
  if (setting.key === "tuned") return "the tuned weights";
  return view.confirmation?.settings?.[setting.name]?.told_as ?? `${setting.title}${setting.moves ? "" : " weights"}`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// Each metric from what the user has to what is recommended, with the paired interval where it is confirmed.
export function changes(view, { from, to, tuned }) {
  const { best, confirmation } = view;
  const paths = metricsOf(view).filter((path) => path in best.objective.values || optimizedOf(view).includes(path));
  const settings = isConfirmed(view) ? confirmation.settings : null;
  const [after, before, other] = [to, from, tuned].map((each) => (each && settings?.[each.name]) ?? null);
  const seeds = after ? (before ?? other ?? after).judged_on.filter((seed) => after.seeds.includes(seed)) : [];
  const cards = paths.map((path) => {
    const now = after ? meanOn(after, before ?? other, path, seeds) : best.objective.values[path] ?? best.metrics.validation[path];
    const then = before ? meanOn(before, after, path, seeds) : after ? null : best.baselines[from?.key]?.metrics.validation[path];
    return change(view, path, { bounds: bounds(view, path, { from, to }, { before, after }), now, then, gain: from && after ? confirmation.recommended_against[from.name]?.metrics[path] : null, beside: besideIt(view, path, to, other) });
  });
  const who = from ? `${inWords(view, from)} → ${inWords(view, to)}` : inWords(view, to);
  const chose = before && seeds.some((seed) => !(other ?? after).judged_on.includes(seed)) ? " and that chose the finalists" : "";
  const where = after ? `means over ${seeds.length} fresh seeds${before ? ` that both trained on${chose}` : ""}, ${confirmation.split} split${before || other ? `; in brackets the ${percent(confirmation.level)} interval of the paired difference` : ""}` : `${searchSeeds(view.study)}, validation split: whether it is really better is not known`;
  return [h("p", { class: "note from" }, h("strong", {}, capital(who)), `: ${where}.`), h("div", { class: "changes" }, cards)];
}

// The tuned setting's metric beside that of a baseline which is recommended; null where they are the same.
function besideIt(view, path, to, tuned) {
  const gain = tuned ? view.confirmation.against[to.name]?.metrics[path] : null;
  if (!gain || gain.difference === 0) return null;
  return { text: `tuned instead: ${changed(path, gain)}${gain.better === null ? ", within noise" : ""}`, worse: gain.better === false };
}

const changed = (path, gain) => `${metricChange(path, gain.difference)} (${metricRange(path, gain.low, gain.high)})`;

function change(view, path, { now, then, gain, beside, bounds: limits }) {
  const direction = directionOf(view, path);
  const tone = gain ? (gain.better === true ? "good" : gain.better === false ? "bad" : "") : "";
  const word = gain ? (gain.better === true ? "gains" : gain.better === false ? "pays" : gain.low === gain.high && gain.difference !== 0 ? "not certain: the same on all seeds" : "within noise") : "";
  return h("div", { class: `change ${tone}`, "data-metric": path },
    h("span", { class: "metric", title: `${path}, ${direction === "maximize" ? "higher" : "lower"} is better` }, metricName(path), " ", h("span", { "aria-hidden": "true" }, ARROWS[direction])),
    h("span", { class: "values" }, then === undefined || then === null ? null : [h("span", { class: "muted" }, metricValue(path, then)), h("span", { class: "to", "aria-label": "to" }, " → ")], h("strong", {}, metricValue(path, now))),
    gain ? h("span", { class: "by" }, changed(path, gain)) : null,
    word ? h("span", { class: "word" }, word) : null,
    beside ? h("span", { class: `by beside ${beside.worse ? "broken" : ""}` }, beside.text) : null,
    limits.map((each) => h("span", { class: `by ${each.kept ? "" : "broken"}` }, each.text)));
}

// The constraint on a metric in words, and on how many fresh seeds it is kept, by what the user has too where that breaks it.
function bounds(view, path, { from, to }, { before, after }) {
  const measured = after ? view.best.confirmation?.constraints : null; // what is relative to a baseline is measured on their split
  const entry = (measured ?? view.study.bounds).find((each) => each.metric === path);
  if (!entry) return [];
  const limits = [["at least", entry.at_least], ["at most", entry.at_most]].filter(([, limit]) => limit !== null).map(([word, limit]) => `${word} ${metricBound(path, limit)}`);
  const text = `must be ${limits.join(" and ") || "within a bound that is not measured yet"}`;
  if (!after || !limits.length) return [{ text, kept: true }];
  const [now, then] = [kept(after, entry), before ? kept(before, entry) : null];
  const found = [{ text: `${text}: kept on ${now.held} of ${now.n} seeds`, kept: now.held === now.n }];
  if (then && then.held < then.n) found.push({ text: `${inWords(view, from)} ${from.moves ? "keeps" : "keep"} it on ${then.held} of ${then.n}`, kept: false });
  return found;
}

// On how many of the seeds that a setting is judged by it keeps a bound: a number that is not finite keeps none.
function kept(setting, { metric, at_least: least, at_most: most }) {
  const keeps = (value) => typeof value === "number" && (least === null || value >= least) && (most === null || value <= most);
  const values = setting.judged_on.map((seed) => setting.metrics[metric]?.[seed]);
  return { held: values.filter(keeps).length, n: values.length };
}

// A setting's mean of one metric over the seeds on which the other has it too: what paired differences are of.
function meanOn(setting, other, path, seeds) {
  const has = (each, seed) => typeof each.metrics[path]?.[seed] === "number";
  const values = seeds.filter((seed) => has(setting, seed) && (!other || has(other, seed))).map((seed) => setting.metrics[path][seed]);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

// Which task pays: surely, where its interval says so; perhaps, where it lost on average.
export function pays(view, { from, to, tuned }) {
  const { study, confirmation } = view;
  if (!isConfirmed(view)) return study.ended ? "Not known: nothing is confirmed on fresh seeds." : study.definition.search.confirmation ? "Not known yet: fresh seeds tell it at the end." : "Not known: the study trains on no fresh seeds.";
  const stays = !from && tuned !== null;
  const gains = stays ? confirmation.against[to.name]?.metrics : from ? confirmation.recommended_against[from.name]?.metrics : null;
  const text = gains ? paying(view, gains, inWords(view, stays ? tuned : to), stays) : "";
  return text ? h("span", { class: "pays" }, capital(text)) : null;
}

function paying(view, gains, whom, stays) {
  const all = judgedOf(view);
  const paths = all.filter((path) => gains[path]);
  if (!paths.length) return "";
  const losing = paths.filter((path) => gains[path].better === false);
  const perhaps = paths.filter((path) => gains[path].better === null && (directionOf(view, path) === "maximize") === gains[path].difference < 0 && gains[path].difference !== 0);
  const names = (list) => list.map(metricName).join(" and ");
  const open = perhaps.length ? `; ${names(perhaps)} may (${perhaps.map((path) => metricChange(path, gains[path].difference)).join(", ")}, within noise)` : "";
  if (stays) return losing.length ? `none, as nothing changes; ${names(losing)} would pay for ${whom}.` : "none: nothing changes.";
  const changes = losing.map((path) => metricChange(path, gains[path].difference)).join(", ");
  const sure = losing.length ? `${names(losing)} ${losing.length === 1 ? "pays" : "pay"} for ${whom} (${changes})` : "no task surely pays";
  return losing.length || perhaps.length || paths.length < all.length ? `${sure}${open}.` : "no task pays: none is worse.";
}
