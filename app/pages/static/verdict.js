// The answer: change the weights or not, what is gained in the user's units, which task pays, and the weights to copy.
import { base, isReport } from "./api.js";
import { write } from "./address.js";
import { copyButton, fill, h, table } from "./dom.js";
import { changes, comparison, inWords, pays } from "./comparison.js";
import { metricAmount, metricName, number, shortNames } from "./numbers.js";
import { badge, isStranded, progressBar, reasonText, standing, trialLink } from "./parts.js";
import { besideWeights, isConfirmed, leaderOf, recommendedOf, searchSeeds, weightOf, yardstick } from "./settings.js";
import { edges, untilWhen, worth } from "./worth.js";

export function head(view) {
  const { study } = view;
  const labels = Object.entries(study.definition.labels);
  const waits = reasonText(study.reason);
  const warnings = study.warnings.filter((text) => !(study.times.started_at && text.startsWith("no worker has published"))); // its preparation checked it
  return [
    h("div", { class: "title" }, h("h1", {}, study.name), badge(study.state), labels.map(([key, value]) => h("span", { class: "label" }, value ? `${key}: ${value}` : key)), h("span", { class: "grow" }),
      isReport ? null : h("span", { class: "downloads" },
        h("a", { href: `${base}/v1/studies/${study.name}/export?format=csv`, download: `${study.name}.csv` }, "CSV"),
        h("a", { href: `${base}/studies/${study.name}/report.html`, download: `${study.name}.html` }, "Report"))),
    study.definition.description ? h("p", { class: "muted" }, study.definition.description) : null,
    study.ended && study.state === "COMPLETE" ? null : h("div", { class: "standing" }, progressBar(study), h("span", {}, standing(study))),
    waits ? h("p", { class: study.state === "FAILED" ? "problem" : "note", role: study.state === "FAILED" ? "alert" : null }, waits) : null,
    warnings.length ? h("details", { class: "warnings", "data-key": "warnings" }, h("summary", {}, warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`), h("ul", {}, warnings.map((text) => h("li", {}, text)))) : null,
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
  const text = isStranded(study) ? `No answer yet: ${reasonText(study.reason)}.` : study.state === "FAILED" ? "No answer: the study failed." : study.ended ? "No answer: no training is complete and keeps the constraints."
    : study.progress.trials.COMPLETE ? `No answer yet: nothing that is complete ${study.bounds.length ? "keeps the constraints" : "has a value"} so far.` : study.progress.trials.RUNNING ? "No answer yet: the first trainings run." : "No answer yet: nothing has been trained.";
  return h("div", { class: "card answer" }, h("p", { class: "headline" }, text),
    closest ? h("p", {}, "Closest to the constraints: ", trialLink(study.name, closest.trial), `, which misses ${Object.entries(closest.violations).map(([path, by]) => `the bound on ${metricName(path)} by ${metricAmount(path, by)}`).join(", ")}.`) : null,
    study.ended ? null : h("p", { class: "muted" }, "This page follows by itself."));
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

// Whether a setting's means over fresh seeds miss a bound, as the confirmation says.
const breaks = (confirmation, name) => Boolean(confirmation.settings[name]?.breaks.length);

// The baseline that goes first since it keeps a constraint which the tuned setting breaks: it is recommended, and not for its value.
function keeper(view) {
  const { confirmation } = view;
  const chosen = recommendedOf(view);
  if (!chosen || !["worse", "not_enough"].includes(confirmation.call)) return null;
  if (!breaks(confirmation, confirmation.winner) || breaks(confirmation, chosen.name)) return null;
  if (confirmation.call === "worse" && confirmation.against[chosen.name]?.value?.high < 0) return null;
  return chosen;
}

// The headline and whether it is good news: change the weights or not, and why in a few words.
function headline(view, pair) {
  const { best, confirmation, study } = view;
  if (view.front) return { tone: "", text: isConfirmed(view) ? `A trade-off: trial ${best.trial} is the compromise that fresh seeds confirm.` : `A trade-off: no setting is best in all; this is the ${(view.picked ?? "").replaceAll("_", " ")}.` };
  if (!isConfirmed(view)) {
    const leader = leaderOf(view);
    const [who, verb] = leader ? [leader.key === "current" ? "your weights" : `${leader.title} weights`, "lead"] : [`trial ${best.trial}`, "leads"];
    return { tone: "", text: study.ended ? `${who[0].toUpperCase()}${who.slice(1)} ${verb} on ${searchSeeds(study)}; nothing is confirmed.` : `So far ${who} ${verb}, on ${searchSeeds(study)}.` };
  }
  const { call } = confirmation;
  if (call === null) return { tone: "", text: alone(view) };
  if (keeper(view)) {
    const [they, keep] = pair.to.moves ? ["it", "keeps"] : ["they", "keep"];
    return { tone: call === "worse" ? "bad" : "", text: `${instead(view, pair)}: ${they} ${keep} a constraint that the tuned weights ${call === "worse" ? "break" : "may break"}.` };
  }
  const broken = (setting) => breaks(confirmation, setting.name);
  const fails = pair.from?.key === "current" && broken(pair.from) && !broken(pair.to);
  if (pair.tuned) {
    const better = pair.from && confirmation.recommended_against[pair.from.name]?.value?.low > 0;
    const named = pair.from?.key === "current" ? "yours" : pair.from && inWords(view, pair.from);
    const [first, last] = fails ? ["yours break a constraint, and ", ""] : better ? [`better than ${named}; `, ""] : ["", pair.from ? `; whether that beats ${named} is not certain` : ""];
    if (first || call !== "not_enough") return { tone: first ? "good" : "", text: `${instead(view, pair)}: ${first}${INSTEAD[call]}${last}.` };
    return CALLS.not_enough;
  }
  if (fails) return { tone: "good", text: "Use the tuned weights: yours break a constraint." };
  if (call === "better" && broken(pair.to)) return { tone: "", text: "The tuned weights are better, but they break a constraint." };
  const against = pair.from;
  const gain = against && confirmation.against[against.name]?.value;
  if (call in BESIDES && gain?.low > 0) {
    return { tone: "good", text: `Use the tuned weights: they are better than ${against.key === "current" ? "yours" : inWords(view, against)}; ${BESIDES[call]}` };
  }
  return CALLS[call] ?? { tone: "", text: `Trial ${best.trial} won on fresh seeds.` };
}

// What is known of a confirmed setting that met no baseline.
function alone({ best, confirmation, study }) {
  const { value, breaks: missed } = confirmation.settings[confirmation.winner];
  const unit = study.definition.objective.aggregate === "delta_m" ? " %" : "";
  const worth = `Trial ${best.trial} is worth ${number(value.mean)}${unit} on ${value.n} fresh seeds`;
  return `${worth}${missed.length ? ", and breaks a constraint there" : ""}; no baseline could be held against it.`;
}

// What to do where a baseline is recommended.
const instead = (view, { to }) => (to.key === "current" ? "Keep your weights" : `Use ${inWords(view, to)}`);

// Why a baseline is recommended, by the verdict on the tuned weights.
const INSTEAD = {
  worse: "the tuned weights are worse",
  as_good: "tuning gains nothing beyond noise",
  not_enough: "it is not certain that tuning gains more",
};

// Recommendations that say no more than the headline does.
const REPEATS = [/^Use the tuned weights of trial \d+(; it is not certain that they are better)?\.$/, /: (as good as|better than) the tuned weights\. They need no search\.$/];

function answer(view) {
  const pair = comparison(view);
  const said = headline(view, pair);
  const { recommended } = view.best;
  const told = !recommended || (/^(Use|Keep) /.test(said.text) && REPEATS.some((sentence) => sentence.test(recommended.sentence)));
  return [
    h("div", { class: `card answer ${said.tone}` },
      h("p", { class: "headline" }, said.text),
      told ? null : h("p", { class: "sentence recommended" }, recommended.sentence),
      changes(view, pair),
      h("dl", { class: "facts answers" }, answers(view, pair).filter(([, text]) => text).map(([question, text]) => [h("dt", {}, question), h("dd", {}, text)])),
      view.confirmation?.verdict && isConfirmed(view) ? h("p", { class: "sentence full" }, inFull(view)) : null,
      picker(view)),
    weightsCard(view),
  ];
}

// What else is asked before weights are changed.
function answers(view, pair) {
  const { study } = view;
  const differs = ["the weights", ...besideWeights(view)].join(" and ");
  return [
    ["Which task pays", pays(view, pair)],
    ["Same data and recipe", led(`Yes: the same rows, epochs and optimizer for every setting; only ${differs} differ.`)],
    ...(study.ended ? [] : [["Until when", led(untilWhen(view))]]),
    ["Is more worth it", led(worth(view))],
  ];
}

// An answer whose first words, which say it in short, stand out.
function led(text) {
  const end = text.search(/[:.]( |$)/);
  return end < 0 ? text : [h("strong", {}, text.slice(0, end)), text.slice(end)];
}

// The verdict as a sentence: its arrows as such, on one line with what they are of. Which range to search next is said above.
function inFull(view) {
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const whole = edges(view).reduce((text, edge) => text.replace(` ${capital(edge)}.`, ""), view.confirmation.verdict);
  return capital(whole).replaceAll(" -> ", "\u00a0→\u00a0").replaceAll(" %", "\u00a0%").replace(/(?<=[ (])-(?=\d)/g, "−");
}

function picker(view) {
  if (!view.front) return null;
  const picks = Object.entries(view.front.picks).filter(([, number_]) => number_ !== null);
  return h("p", {}, "Shown: ", h("select", { "aria-label": "Which of the front", "data-key": "pick", onchange: (event) => { write({ pick: event.target.value }); view.reload(); } },
    picks.map(([pick, trial]) => h("option", { value: pick, selected: pick === view.picked }, `${pick.replaceAll("_", " ")} (trial ${trial})`))));
}

function weightsCard(view) {
  const { best } = view;
  const usual = yardstick(view.settings);
  const names = shortNames(Object.keys(best.weights));
  const chosen = recommendedOf(view);
  const others = [...new Set([usual, chosen].filter((each) => each && each.trial !== best.trial))];
  const strong = (text, is) => (is ? h("strong", {}, text) : text);
  const rows = Object.keys(best.weights).map((path) => [h("span", { title: path }, names[path]), ...others.map((each) => strong(weightOf(each, path), each === chosen)), strong(number(best.weights[path]) + (path in best.schedules ? " (scheduled)" : ""), !chosen)]);
  const beside = Object.keys(best.parameters).filter((path) => !(path in best.weights) && !(path in best.shared) && !path.includes(".schedule."));
  for (const path of beside) rows.push([path.replace(/^optimizer\./, ""), ...others.map(() => "–"), strong(number(best.parameters[path]), !chosen)]);
  const leader = leaderOf(view);
  const title = chosen ? `Recommended: ${chosen.title}` : leader ? `The best so far: ${leader.title}` : isConfirmed(view) || view.study.ended ? "The tuned weights" : "The best weights so far";
  return h("div", { class: "card take" },
    h("h3", {}, title, h("span", { class: "muted" }, ` trial ${chosen?.trial ?? best.trial}`)),
    table("Weights", [{ label: "Weight of" }, ...others.map((each) => ({ label: each.title, right: true })), { label: leader?.title ?? "tuned", right: true }], rows, { class: "small" }),
    chosen ? [taking(view, chosen), copying("tuned", copies(best))] : h("p", { class: "buttons" }, copyButton("Copy as Python", copies(best).python), copyButton("Copy as JSON", copies(best).json)),
    h("p", { class: "note" }, wrapped(chosen ? `Of the tuned weights (trial ${best.trial}): ${best.note}` : best.note)),
    isReport ? null : h("p", { class: "downloads" },
      h("a", { href: `${base}/v1/studies/${best.study.name}/best${pickQuery(view)}`, download: "best-weights.json" }, "best-weights.json"),
      h("a", { href: `${base}/studies/${best.study.name}/train.py${pickQuery(view)}`, download: "train.py" }, "train.py")));
}

// A sentence with code, whose lines may end after a bracket: no name is cut that fits a line.
const wrapped = (text) => text.split(/(?<=\()/).flatMap((part, index) => (index ? [h("wbr"), part] : [part]));

// The weights of a baseline that is recommended in place of the tuned ones, to copy; a rule that moves them has none.
function taking(view, chosen) {
  const { recommended } = view.best;
  if (!recommended.weights) return h("p", { class: "note" }, `${chosen.title[0].toUpperCase()}${chosen.title.slice(1)} moves the weights in training: there are none to copy.`);
  const [name, weights] = recommended.loss_weights ? ["loss_weights", recommended.loss_weights] : ["weights", recommended.weights];
  return copying(chosen.title, { python: `${name} = ${python(weights)}\n`, json: JSON.stringify(weights, null, 2) }, "primary");
}

// One of several settings to copy, in a row of its own.
function copying(title, texts, look = "") {
  const button = (form, text, style) => copyButton(form, text, style, `Copy ${title} as ${form}`);
  return h("p", { class: "copies" }, h("span", {}, `Copy ${title}`), button("Python", texts.python, look), button("JSON", texts.json));
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
