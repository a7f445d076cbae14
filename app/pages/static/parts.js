// Small parts that several pages show.
import { base, isReport } from "./api.js";
import { h } from "./dom.js";
import { count, duration } from "./numbers.js";
import { doneOf, shareOf, STATES } from "./settings.js";

export function badge(state) {
  return h("span", { class: `badge ${state}` }, STATES[state] ?? state.toLowerCase());
}

export function progressBar(study) {
  const { progress } = study;
  const text = `${count(doneOf(study))} of ${count(progress.planned)} trials`;
  return h("span", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(shareOf(study) * 100), "aria-label": text, title: text },
    h("span", { class: `bar ${study.state}`, style: `width:${(shareOf(study) * 100).toFixed(1)}%` }));
}

export function standing(study) {
  const { progress } = study;
  const parts = [`${count(doneOf(study))} of ${count(progress.planned)} trials`];
  if (progress.trials.RUNNING && !isStranded(study)) parts.push(`${progress.trials.RUNNING} running`);
  if (timeLeft(study)) parts.push(timeLeft(study));
  return parts.join(" · ");
}

// How long a study still takes; empty where that is not known, or where it has ended. One that is paused takes none meanwhile.
export function timeLeft(study) {
  const left = study.progress.seconds_left;
  if (study.ended || left === null || study.state === "STOPPING") return "";
  return `about ${duration(left)} ${study.state === "PAUSED" ? "to train once it is resumed" : "left"}`;
}

// Whether nobody is there who could train it.
export const isStranded = (study) => study.reason?.code === "no_live_worker";

export function studyLink(name, text = name) {
  return isReport ? text : h("a", { href: `${base}/studies/${encodeURIComponent(name)}` }, text);
}

export function trialLink(name, number, text = `trial ${number}`) {
  return isReport ? text : h("a", { href: `${base}/studies/${encodeURIComponent(name)}/trials/${number}` }, text);
}

export function reasonText(reason) {
  return reason ? `${reason.message || reason.code}${reason.at ? ` (at ${reason.at})` : ""}` : "";
}

export function broken(error) {
  return h("p", { class: "problem", role: "alert" }, `This could not be shown: ${error.message}`);
}

// The page is there: what waits for it (a test, a benchmark) may look.
export function ready() {
  performance.mark("ready");
  document.body.dataset.ready = "";
}
