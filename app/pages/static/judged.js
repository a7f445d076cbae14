// How this was judged: rows, epochs, optimizer, seeds, versions, and the command that gives the number again.
import { fill, h } from "./dom.js";
import { count, duration, metricBound, moment, number, percent } from "./numbers.js";
import { timeLeft } from "./parts.js";
import { besideWeights, directionOf, objectiveInFull } from "./settings.js";

export function judged(view, body) {
  return () => {
    fill(body, h("dl", { class: "facts" }, facts(view).filter(([, value]) => value).map(([label, value]) => [h("dt", {}, label), h("dd", {}, value)])));
  };
}

function facts(view) {
  const { study, best, confirmation, workload, cohorts } = view;
  const { definition } = study;
  const { training, search, objective } = definition;
  const rows = workload?.description?.rows;
  const optimizer = training.optimizer;
  const setting = (config) => Object.entries(config ?? {}).map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : number(value)}`).join(", ");
  const versions = best?.versions ?? {};
  const tuned = confirmation?.settings?.[confirmation.winner];
  return [
    ["Objective", `${objectiveInFull(view)}: ${objective.metrics.map((entry) => `${entry.metric} (${entry.strategy === "constraint" ? bounds(entry) : entry.strategy === "store" ? "stored only" : directionOf(view, entry.metric)})`).join(", ")}; never of weighted losses`],
    ["Rows", rows ? Object.entries(rows).map(([split, rows_]) => `${count(rows_)} ${split}`).join(", ") : null],
    ["Training", `${training.epochs} epochs, batches of ${training.batch_size}, ${optimizer.name}${optimizer.config && Object.keys(optimizer.config).length ? ` (${setting(optimizer.config)})` : ""}; the numbers of the ${objective.epoch} epoch count`],
    ["Same recipe", `every setting is trained on the same rows, epochs and optimizer; under one seed they share the order of rows too. Only ${["the weights", ...besideWeights(view)].join(" and ")} differ`],
    ["Search", `${search.sampler.name}, ${search.trials} trials on ${search.seeds > 1 ? `${search.seeds} seeds each, ${search.seed} first` : `seed ${search.seed}`}, judged on validation`],
    ["Fresh seeds", tuned ? `${tuned.judged_on.length} not used for choosing (${tuned.judged_on.join(", ")}), judged on ${confirmation.split}` : search.confirmation ? "not trained yet" : "none: the study has no confirmation"],
    ["Confidence", confirmation?.winner ? `${percent(confirmation.level)} throughout: paired t intervals, those of the lead in the objective over all looks together; on seeds that chose, Bonferroni-corrected over ${confirmation.comparisons} finalists` : null],
    ["Workload", workload ? `${workload.name}${Object.keys(definition.workload.options).length ? ` ${JSON.stringify(definition.workload.options)}` : ""}${workload.digest ? `, description ${workload.digest.slice(0, 12)}` : ""}${workload.version ? `, version ${workload.version}` : ""}` : definition.workload.name],
    ["Versions", Object.entries(versions).filter(([, version]) => version).map(([name, version]) => `${name} ${version}`).join(", ")],
    ["Problem", `${study.problem_sha256.slice(0, 12)}: studies with the same one may be compared`],
    ["Time", [study.times.started_at ? `started ${moment(study.times.started_at)}` : "not started", study.times.ended_at ? `ended ${moment(study.times.ended_at)}` : "", cohorts ? `${duration(cohorts.trained_seconds)} of training` : "", timeLeft(study)].filter(Boolean).join(", ")],
    ["Again", best ? [h("code", {}, `steelyard best ${study.name} --script train.py`), " writes the Keras file that trains it again and compares the numbers."] : null],
  ];
}

function bounds(entry) {
  const shown = (bound) => (typeof bound === "object" ? JSON.stringify(bound) : metricBound(entry.metric, bound));
  return [entry.at_least !== null ? `at least ${shown(entry.at_least)}` : "", entry.at_most !== null ? `at most ${shown(entry.at_most)}` : ""].filter(Boolean).join(", ");
}
