// The answer: change the weights or not, what is gained in the user's units, which task pays, and the weights to copy.
import { base, isReport } from "./api.js";
import { write } from "./address.js";
import { copyButton, fill, h, table } from "./dom.js";
import { duration, metricBound, metricChange, metricName, metricRange, metricValue, number, percent, shortNames } from "./numbers.js";
import { badge, progressBar, reasonText, standing, trialLink } from "./parts.js";
import { ARROWS, besideWeights, directionOf, isConfirmed, leaderOf, metricsOf, objectiveName, optimizedOf, recommendedOf, searchSeeds, weightOf, yardstick } from "./settings.js";

export function head(view) {
  const { study } = view;
  const labels = Object.entries(study.definition.labels);
  const waits = reasonText(study.reason);
  return [
    h("div", { class: "title" }, h("h1", {}, study.name), badge(study.state), labels.map(([key, value]) => h("span", { class: "label" }, value ? `${key}: ${value}` : key)), h("span", { class: "grow" }),
      isReport ? null : h("span", { class: "downloads" },
        h("a", { href: `${base}/v1/studies/${study.name}/export?format=csv`, download: `${study.name}.csv` }, "CSV"),
        h("a", { href: `${base}/studies/${study.name}/report.html`, download: `${study.name}.html` }, "Report"))),
    study.definition.description ? h("p", { class: "muted" }, study.definition.description) : null,
    study.ended && study.state === "COMPLETE" ? null : h("div", { class: "standing" }, progressBar(study), h("span", {}, standing(study))),
    waits ? h("p", { class: study.state === "FAILED" ? "problem" : "note", role: study.state === "FAILED" ? "alert" : null }, waits) : null,
    study.warnings.length ? h("details", { class: "warnings", "data-key": "warnings" }, h("summary", {}, study.warnings.length === 1 ? "1 warning" : `${study.warnings.length} warnings`), h("ul", {}, study.warnings.map((text) => h("li", {}, text)))) : null,
  ];
}

export function verdict(view, body) {
  return () => {
    fill(body, view.best ? answer(view) : none(view));
  };
}

function none(view) {
  const { study, refusal } = view;
  const closest = refusal?.document.closest;
  const text = study.state === "FAILED" ? "No answer: the study failed." : study.ended ? "No answer: no training is complete and keeps the constraints."
    : study.progress.trials.COMPLETE ? "No answer yet: nothing that is complete has a value so far." : study.progress.trials.RUNNING ? "No answer yet: the first trainings run." : "No answer yet: nothing has been trained.";
  return h("div", { class: "card answer" }, h("p", { class: "headline" }, text),
    closest ? h("p", {}, "Closest to the constraints: ", trialLink(study.name, closest.trial), `, which misses ${Object.entries(closest.violations).map(([path, by]) => `${path} by ${number(by)}`).join(", ")}.`) : null,
    study.ended ? null : h("p", { class: "muted" }, "This page follows by itself."));
}

// What the changes are held against: what the user has, if the tuned setting met it on fresh seeds; else the baseline that is
// recommended, or another that it met.
function opponent(view) {
  const usual = yardstick(view.settings);
  if (!isConfirmed(view)) return usual;
  const met = (each) => each && view.confirmation.against[each.name]?.value;
  const yours = usual?.key === "current" ? usual : null;
  return [yours, recommendedOf(view), usual, ...view.settings.filter((each) => each.key !== "tuned")].find(met) ?? usual;
}

// A setting in words, as the verdict has it.
function inWords(view, setting) {
  if (setting.key === "current") return "your weights";
  if (setting.key === "tuned") return "the tuned weights";
  return view.confirmation?.settings?.[setting.name]?.told_as ?? `${setting.title}${setting.moves ? "" : " weights"}`;
}

const CALLS = {
  better: { tone: "good", text: "Use the tuned weights: they are better." },
  worse: { tone: "bad", text: "Do not use the tuned weights: others are better." },
  as_good: { tone: "", text: "The tuned weights gain nothing beyond noise." },
  not_enough: { tone: "", text: "Not enough trainings to tell whether the tuned weights are better." },
};

// What is said beside the winner's lead over what the user has, where it does not lead every baseline that it met.
const BESIDES = {
  worse: "others are better still.",
  as_good: "so are others, which need no search.",
  not_enough: "it is not certain that they beat every baseline.",
};

// Whether a setting's means over fresh seeds miss a bound of the confirmation.
function breaks(confirmed, name) {
  return (confirmed?.constraints ?? []).some((each) => {
    const mean = confirmed.candidates[name]?.metrics[each.metric]?.mean;
    return typeof mean === "number" && ((each.at_least !== null && mean < each.at_least) || (each.at_most !== null && mean > each.at_most));
  });
}

// The baseline that goes first since it keeps a constraint which the tuned setting breaks: it is recommended, and not for its value.
function keeper(view) {
  const { best, confirmation } = view;
  const pick = best.recommended?.pick ?? "";
  if (!pick.startsWith("baseline:") || !["worse", "not_enough"].includes(confirmation.call)) return null;
  const key = pick.slice("baseline:".length);
  if (!breaks(best.confirmation, confirmation.winner) || breaks(best.confirmation, key)) return null;
  if (confirmation.call === "worse" && confirmation.against[key]?.value?.high < 0) return null;
  const setting = view.settings.find((each) => each.key === key);
  const name = key === "current" ? "your" : setting?.title ?? key;
  return setting?.moves ? `${name} keeps` : `${name} weights keep`;
}

// The headline and whether it is good news: the verdict in a few words.
function headline(view, against) {
  const { best, confirmation, study } = view;
  if (view.front) return { tone: "", text: isConfirmed(view) ? `A trade-off: trial ${best.trial} is the compromise that fresh seeds confirm.` : `A trade-off: no setting is best in all; this is the ${(view.picked ?? "").replaceAll("_", " ")}.` };
  if (!isConfirmed(view) || !against) {
    const leader = leaderOf(view);
    const [who, verb] = leader ? [leader.key === "current" ? "your weights" : `${leader.title} weights`, "lead"] : [`trial ${best.trial}`, "leads"];
    return { tone: "", text: study.ended ? `${who[0].toUpperCase()}${who.slice(1)} ${verb} on ${searchSeeds(study)}; nothing is confirmed.` : `So far ${who} ${verb}, on ${searchSeeds(study)}.` };
  }
  const keeping = keeper(view);
  if (keeping) return confirmation.call === "worse" ? { tone: "bad", text: `Do not use the tuned weights: they break a constraint that ${keeping}.` } : { tone: "", text: `The tuned weights may break a constraint that ${keeping}.` };
  const gain = confirmation.against[against.name]?.value;
  if (confirmation.call in BESIDES && gain?.low > 0) {
    return { tone: "good", text: `The tuned weights are better than ${against.key === "current" ? "yours" : against.title}; ${BESIDES[confirmation.call]}` };
  }
  const instead = confirmation.call === "as_good" ? recommendedOf(view) : null;
  if (instead && instead.key !== "tuned") {
    return { tone: "", text: `${instead.key === "current" ? "Keep your weights" : `Use ${inWords(view, instead)}`}: tuning gains nothing beyond noise.` };
  }
  return CALLS[confirmation.call] ?? { tone: "", text: `Trial ${best.trial} won on fresh seeds.` };
}

function answer(view) {
  const { confirmation } = view;
  const against = besides(view, opponent(view));
  const said = headline(view, against);
  const sentence = view.best.recommended?.sentence;
  return [
    h("div", { class: `card answer ${said.tone}` },
      h("p", { class: "headline" }, said.text),
      sentence ? h("p", { class: "sentence recommended" }, sentence) : null,
      changes(view, against),
      h("dl", { class: "facts answers" }, answers(view, against).filter(([, text]) => text).map(([question, text]) => [h("dt", {}, question), h("dd", {}, text)])),
      confirmation?.verdict && isConfirmed(view) ? h("p", { class: "sentence full" }, inFull(confirmation.verdict)) : null,
      picker(view)),
    weightsCard(view, besides(view, yardstick(view.settings))),
  ];
}

// What else is asked before weights are changed.
function answers(view, against) {
  const { study } = view;
  const differs = ["the weights", ...besideWeights(view)].join(" and ");
  return [
    ["Which task pays", pays(view, against)],
    ["Same data and recipe", `Yes: the same rows, epochs and optimizer for every setting; only ${differs} differ.`],
    [study.ended ? "Is more worth it" : "Until when", time(view)],
  ];
}

// The setting to compare with; null where it is the one that is shown.
const besides = (view, setting) => (setting && setting.trial === view.best.trial ? null : setting);

// The verdict as a sentence: its arrows as such, on one line with what they are of.
const inFull = (text) => (text[0].toUpperCase() + text.slice(1)).replaceAll(" -> ", "\u00a0→\u00a0").replaceAll(" %", "\u00a0%");

// Each metric from what the user has to the tuned setting, with the paired interval where it is confirmed.
function changes(view, against) {
  const { best, confirmation } = view;
  const paths = metricsOf(view).filter((path) => path in best.objective.values || optimizedOf(view).includes(path));
  const tuned = isConfirmed(view) ? confirmation.settings[confirmation.winner] : null;
  const other = tuned && against ? confirmation.settings[against.name] : null;
  const seeds = tuned ? (other ?? tuned).judged_on.filter((seed) => tuned.seeds.includes(seed)) : [];
  const cards = paths.map((path) => {
    const now = tuned ? meanOn(tuned, other, path, seeds) : best.objective.values[path] ?? best.metrics.validation[path];
    const before = other ? meanOn(other, tuned, path, seeds) : tuned ? null : best.baselines[against?.key]?.metrics.validation[path];
    const gain = against && tuned ? confirmation.against[against.name]?.metrics[path] : null;
    return change(path, directionOf(view, path), before, now, gain, bound(view, path));
  });
  const shown = leaderOf(view) ?? { key: "tuned" };
  const who = against ? `${inWords(view, against)} → ${inWords(view, shown)}` : inWords(view, shown);
  const where = tuned ? `means over ${seeds.length} fresh seeds${other ? " that both trained on" : ""}, ${confirmation.split} split${other ? `; in brackets the ${percent(confirmation.level)} interval of the paired difference` : ""}` : `${searchSeeds(view.study)}, validation split: whether it is really better is not known`;
  return [h("p", { class: "note from" }, h("strong", {}, who[0].toUpperCase() + who.slice(1)), `: ${where}.`), h("div", { class: "changes" }, cards)];
}

// The constraint on a metric in words, and whether the winner keeps it on fresh seeds; null where there is none.
function bound(view, path) {
  const entry = view.study.bounds.find((each) => each.metric === path);
  if (!entry) return null;
  const limits = [["at least", entry.at_least], ["at most", entry.at_most]].filter(([, limit]) => limit !== null).map(([word, limit]) => `${word} ${metricBound(path, limit)}`);
  const held = isConfirmed(view) ? view.best.confirmation?.constraints.find((each) => each.metric === path) : null;
  const text = `must be ${limits.join(" and ") || "within a bound that is not measured yet"}`;
  return held ? { text: `${text}: held on ${held.held} of ${held.n} seeds`, kept: held.held === held.n } : { text, kept: true };
}

// A setting's mean of one metric over the seeds on which the other has it too: what paired differences are of.
function meanOn(setting, other, path, seeds) {
  const has = (each, seed) => typeof each.metrics[path]?.[seed] === "number";
  const values = seeds.filter((seed) => has(setting, seed) && (!other || has(other, seed))).map((seed) => setting.metrics[path][seed]);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function change(path, direction, before, now, gain, bounded) {
  const tone = gain ? (gain.better === true ? "good" : gain.better === false ? "bad" : "") : "";
  const word = gain ? (gain.better === true ? "gains" : gain.better === false ? "pays" : "within noise") : "";
  return h("div", { class: `change ${tone}`, "data-metric": path },
    h("span", { class: "metric", title: `${path}, ${direction === "maximize" ? "higher" : "lower"} is better` }, metricName(path), " ", h("span", { "aria-hidden": "true" }, ARROWS[direction])),
    h("span", { class: "values" }, before === undefined || before === null ? null : [h("span", { class: "muted" }, metricValue(path, before)), h("span", { class: "to", "aria-label": "to" }, " → ")], h("strong", {}, metricValue(path, now))),
    gain ? h("span", { class: "by" }, `${metricChange(path, gain.difference)} (${metricRange(path, gain.low, gain.high)})`) : null,
    word ? h("span", { class: "word" }, word) : null,
    bounded ? h("span", { class: `by ${bounded.kept ? "" : "broken"}` }, bounded.text) : null);
}

// Which task pays: surely, where its interval says so; perhaps, where it lost on average.
function pays(view, against) {
  if (!isConfirmed(view)) return view.study.ended ? "Not known: nothing is confirmed on fresh seeds." : view.study.definition.search.confirmation ? "Not known yet: fresh seeds tell it at the end." : "Not known: the study trains on no fresh seeds.";
  const gains = against ? view.confirmation.against[against.name]?.metrics : null;
  if (!gains) return null;
  const paths = optimizedOf(view).filter((path) => gains[path]);
  if (!paths.length) return null;
  const whole = paths.length === optimizedOf(view).length;
  const losing = paths.filter((path) => gains[path].better === false);
  const perhaps = paths.filter((path) => gains[path].better === null && (directionOf(view, path) === "maximize") === gains[path].difference < 0 && gains[path].difference !== 0);
  const names = (list) => list.map(metricName).join(" and ");
  const sure = losing.length ? `${names(losing)} ${losing.length === 1 ? "pays" : "pay"} for the tuned weights` : "No task surely pays";
  const open = perhaps.length ? `; ${names(perhaps)} may (${perhaps.map((path) => metricChange(path, gains[path].difference)).join(", ")}, within noise)` : "";
  const text = losing.length || perhaps.length || !whole ? `${sure}${open}.` : "No task pays: none is worse.";
  return h("span", { class: "pays" }, text[0].toUpperCase() + text.slice(1));
}

function picker(view) {
  if (!view.front) return null;
  const picks = Object.entries(view.front.picks).filter(([, number_]) => number_ !== null);
  return h("p", {}, "Shown: ", h("select", { "aria-label": "Which of the front", "data-key": "pick", onchange: (event) => { write({ pick: event.target.value }); view.reload(); } },
    picks.map(([pick, trial]) => h("option", { value: pick, selected: pick === view.picked }, `${pick.replaceAll("_", " ")} (trial ${trial})`))));
}

function weightsCard(view, against) {
  const { best } = view;
  const names = shortNames(Object.keys(best.weights));
  const chosen = recommendedOf(view);
  const others = [...new Set([against, chosen].filter((each) => each && each.trial !== best.trial))];
  const strong = (text, is) => (is ? h("strong", {}, text) : text);
  const rows = Object.keys(best.weights).map((path) => [h("span", { title: path }, names[path]), ...others.map((each) => strong(weightOf(each, path), each === chosen)), strong(number(best.weights[path]) + (path in best.schedules ? " (scheduled)" : ""), !chosen)]);
  const beside = Object.keys(best.parameters).filter((path) => !(path in best.weights) && !(path in best.shared) && !path.includes(".schedule."));
  for (const path of beside) rows.push([path.replace(/^optimizer\./, ""), ...others.map(() => "–"), strong(number(best.parameters[path]), !chosen)]);
  const leader = leaderOf(view);
  const title = chosen ? `Recommended: ${chosen.title}` : leader ? `The best so far: ${leader.title}` : isConfirmed(view) || view.study.ended ? "The tuned weights" : "The best weights so far";
  return h("div", { class: "card take" },
    h("h3", {}, title, h("span", { class: "muted" }, ` trial ${chosen?.trial ?? best.trial}`)),
    table("Weights", [{ label: "Weight of" }, ...others.map((each) => ({ label: each.title, right: true })), { label: leader?.title ?? "tuned", right: true }], rows, { class: "small" }),
    chosen ? taking(view, chosen) : null,
    h("p", { class: "buttons" }, copyButton(chosen ? "Copy tuned as Python" : "Copy as Python", copies(best).python), copyButton(chosen ? "Copy tuned as JSON" : "Copy as JSON", copies(best).json)),
    h("p", { class: "note" }, chosen ? `Of the tuned weights (trial ${best.trial}): ${best.note}` : best.note),
    isReport ? null : h("p", { class: "downloads" },
      h("a", { href: `${base}/v1/studies/${best.study.name}/best${pickQuery(view)}`, download: "best-weights.json" }, "best-weights.json"),
      h("a", { href: `${base}/studies/${best.study.name}/train.py${pickQuery(view)}`, download: "train.py" }, "train.py")));
}

// The weights of a baseline that is recommended in place of the tuned ones, to copy; a rule that moves them has none.
function taking(view, chosen) {
  const { recommended } = view.best;
  if (!recommended.weights) return h("p", { class: "note" }, `${chosen.title[0].toUpperCase()}${chosen.title.slice(1)} moves the weights in training: there are none to copy.`);
  const [name, weights] = recommended.loss_weights ? ["loss_weights", recommended.loss_weights] : ["weights", recommended.weights];
  return h("p", { class: "buttons" }, copyButton(`Copy ${chosen.title} as Python`, `${name} = ${python(weights)}\n`, "primary"), copyButton(`Copy ${chosen.title} as JSON`, JSON.stringify(weights, null, 2)));
}

const pickQuery = (view) => (view.picked ? `?pick=${encodeURIComponent(view.picked)}` : "");

// What the copy buttons give: numbers as REST gives them, not as they are shown.
export function copies(best) {
  if (best.loss_weights) return { json: JSON.stringify(best.loss_weights, null, 2), python: `loss_weights = ${python(best.loss_weights)}\n` + (Object.keys(best.penalty_weights).length ? `penalty_weights = ${python(best.penalty_weights)}\n` : "") };
  return { json: JSON.stringify(best.weights, null, 2), python: `weights = ${python(best.weights)}\n` };
}

export function python(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`).join(", ")}}`;
}

// What has been spent, what is left, and what more trials may still gain: by what the last half of them gained.
function time(view) {
  const { study, cohorts } = view;
  const left = study.ended ? "" : study.progress.seconds_left === null ? "How long it takes is not known yet" : `About ${duration(study.progress.seconds_left)} left`;
  const parts = [left, moreTrials(view), cohorts ? `${duration(cohorts.trained_seconds)} of training spent` : ""].filter(Boolean);
  return parts.length ? `${parts.join("; ").replace(/^./, (first) => first.toUpperCase())}.` : "";
}

const FEWEST = 8; // search trials of which the last half says something

function moreTrials(view) {
  const searched = view.points?.phases.filter((phase) => phase.role === "search") ?? [];
  if (!searched.length || (!view.study.ended && view.points.trials < 32)) return "";
  const { columns, best_so_far: improvements } = view.points;
  const numbers = columns.number.filter((_, index) => columns.role[index] === "search");
  if (numbers.length < FEWEST) return "";
  const half = numbers[Math.floor(numbers.length / 2)];
  if (view.front) {
    const late = columns.number.filter((number_, index) => columns.front[index] && columns.role[index] === "search" && number_ >= half).length;
    return late ? `perhaps: ${late} of the front's ${view.front.trials.length} trials came in the last half of the search` : "hardly: the last half of the search added nothing to the front";
  }
  const before = improvements.filter((each) => each.number < half).at(-1);
  if (!before) return "";
  const gained = improvements.at(-1).value - before.value;
  const noise = view.sensitivity?.noise?.std ?? view.best?.sensitivity?.noise?.std;
  const [what, unit] = view.study.definition.objective.aggregate === "delta_m" ? ["mean change", " points"] : [objectiveName(view), ""];
  const luck = noise ? `one seed differs from another by ${number(noise, 3)}${unit}` : "";
  if (!(gained > 0)) return `hardly: the last half of the search found nothing better${luck && ` (${luck})`}`;
  return `${gained <= noise ? "hardly" : "perhaps"}: the last half of the search raised the ${what} by ${number(gained, 3)}${unit}${luck && `, and ${luck}`}`;
}
