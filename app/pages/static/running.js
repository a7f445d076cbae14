// What runs now, folded: cohorts, the log, and the verbs.
import { isReport, recentEvents, send } from "./api.js";
import { fill, h, say, table } from "./dom.js";
import { duration, moment } from "./numbers.js";
import { trialLink } from "./parts.js";

const LOG = 60;
const VERBS = {
  pause: { label: "Pause", states: ["QUEUED", "RUNNING"], hint: "Begin no new trainings; those that run finish." },
  resume: { label: "Resume", states: ["PAUSED"], hint: "Go on." },
  stop: { label: "Stop", states: ["QUEUED", "RUNNING", "PAUSED"], hint: "Let what runs finish, then end the study.", ask: "Stop it? What runs finishes, then the study ends." },
  cancel: { label: "Cancel", states: ["QUEUED", "RUNNING", "PAUSED", "STOPPING"], hint: "End the study at once, with what runs.", ask: "Cancel it? What runs now is lost." },
  extend: { label: "Extend", states: ["RUNNING", "PAUSED", "COMPLETE"], hint: "Search more trials." },
  retry: { label: "Retry", states: ["FAILED", "COMPLETE", "STOPPED", "RUNNING", "PAUSED"], hint: "Train failed trials again." },
};

export function running(view, body) {
  if (isReport) return () => false;
  const steer = h("div", {});
  const cohorts = h("div", {});
  const log = h("div", {});
  const folded = h("details", { class: "fold" }, h("summary", {}, "Cohorts, log, pause and stop"), steer, h("h3", {}, "In training"), cohorts, h("h3", {}, "Log"), log);
  fill(body, folded);
  let asking = null;
  let logged = "";

  async function act(verb, body_) {
    try {
      if (verb === "extend") await send("PATCH", view.at, body_);
      else await send("POST", `${view.at}/${verb}`);
      say(verb === "extend" ? "Extended" : VERBS[verb].label);
    } catch (error) {
      say(error.message);
    }
    asking = null;
    await view.reload().catch((error) => say(error.message));
  }

  function buttons() {
    if (asking === "extend") return extending();
    if (asking) return h("div", { class: "ask", role: "alertdialog", "aria-label": VERBS[asking].label }, h("span", {}, VERBS[asking].ask), h("button", { type: "button", class: "danger", "data-key": "sure", onclick: () => act(asking) }, `Yes, ${VERBS[asking].label.toLowerCase()}`), h("button", { type: "button", onclick: () => put(null) }, "No"));
    const failed = view.study.progress.trials.FAILED > 0 || view.study.state === "FAILED";
    return h("div", { class: "buttons" }, Object.entries(VERBS).filter(([verb, each]) => each.states.includes(view.study.state) && (verb !== "retry" || failed)).map(([verb, each]) =>
      h("button", { type: "button", title: each.hint, "data-key": verb, onclick: () => (each.ask || verb === "extend" ? put(verb) : act(verb)) }, each.label)));
  }

  function put(verb) {
    asking = verb;
    fill(steer, buttons());
    steer.querySelector(verb ? "input, button" : "button")?.focus();
  }

  function extending() {
    const now = view.study.definition.search.trials;
    const input = h("input", { type: "number", min: now + 1, value: Math.ceil(now * 1.5), "aria-label": "Search trials in all", "data-key": "extend to" });
    return h("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); act("extend", { trials: Number(input.value) }); } }, h("label", {}, `Search trials in all (now ${now}): `, input), h("button", { type: "submit", class: "primary" }, "Extend"), h("button", { type: "button", onclick: () => put(null) }, "No"));
  }

  async function tell() {
    if (!folded.open) return;
    const key = `${view.study.times.updated_at} ${view.study.progress.epochs} ${JSON.stringify(view.study.progress.trials)}`;
    if (key === logged) return;
    logged = key;
    const events = (await recentEvents(view.name, LOG)).reverse();
    fill(log, events.length ? table("Log", [{ label: "When" }, { label: "What" }, { label: "Why" }], events.map((event) => [moment(event.body.at), said(view.name, event), event.body.reason?.message ?? ""]), { class: "small" }) : h("p", { class: "muted" }, "Nothing yet."));
  }
  folded.addEventListener("toggle", () => { logged = ""; tell(); });

  return () => {
    if (!asking) fill(steer, buttons());
    fill(cohorts, training(view));
    tell();
  };
}

function said(name, { kind, body }) {
  if (kind === "trial.state") return [trialLink(name, body.number), ` ${body.state.toLowerCase()}${body.attempt > 1 ? `, attempt ${body.attempt}` : ""}`];
  if (kind === "study.state") return `study ${body.state.toLowerCase()}`;
  if (kind === "study.created") return "study submitted";
  if (body.priority !== undefined) return `priority set to ${body.priority}`;
  if (body.rescored) return `${body.rescored} trials scored anew: what the objective is relative to is measured`;
  if ("stop" in body) return "stopping rule of the search changed";
  return body.trials ? `study extended to ${body.trials} trials` : "labels or description changed";
}

function training(view) {
  const cohorts = view.cohorts?.cohorts ?? [];
  if (!cohorts.length) return h("p", { class: "muted" }, view.study.ended ? "Nothing: the study has ended." : "Nothing at this moment.");
  const columns = [{ label: "Worker" }, { label: "Trials" }, { label: "Engine" }, { label: "Epoch", right: true }, { label: "Left", right: true }, { label: "Last wrote", right: true }];
  return table("In training", columns, cohorts.map((each) => [
    each.worker,
    each.purpose === "preflight" ? "preparing the study" : each.trials.map((trial, place) => [place ? ", " : "", trialLink(view.name, trial.number, trial.rule ?? String(trial.number))]),
    { cell: each.engine ?? "–", title: each.engine_why },
    each.trials.length ? `${Math.max(...each.trials.map((trial) => trial.epochs))} of ${each.epochs_planned}` : "–",
    each.seconds_left === null ? "–" : duration(each.seconds_left),
    `${duration(each.lease_age_seconds)} ago`,
  ]), { class: "small" });
}
