// What has been spent, what is left, and what more trials may still gain.
import { duration, number, shortNames } from "./numbers.js";
import { isStranded, reasonText, timeLeft } from "./parts.js";
import { objectiveName } from "./settings.js";

// Whether more trials may still gain something.
export function worth(view) {
  const { study } = view;
  const [known, wider] = [moreTrials(view), widerRange(view)];
  if (!study.ended) return sentences([known ? known.replace(/^(perhaps|hardly):/, "$1, so far:") : "not known yet: too few search trials to tell"]);
  const more = known || (view.points && !wider ? "not known: too few search trials to tell" : "");
  return sentences([wider && more ? `in this range ${more}` : more, wider, spent(view)]);
}

// How long a study that has not ended still takes, or what it waits for.
export function untilWhen(view) {
  const { study } = view;
  const left = isStranded(study) ? `it waits: ${reasonText(study.reason)}` : timeLeft(study) || "how long it takes is not known yet";
  return sentences([left, spent(view)]);
}

const spent = ({ cohorts }) => (cohorts ? `${duration(cohorts.trained_seconds)} of training spent` : "");

const sentences = (texts) => texts.filter(Boolean).map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(" ");

const edgesOf = (view) => Object.entries(view.sensitivity?.ranges ?? {}).filter(([, range]) => range.edge?.suggested).map(([path, range]) => ({ path, ...range.edge }));

// The sentences that name a range to search next, as the verdict has them.
export const edges = (view) => edgesOf(view).map((edge) => edge.sentence);

// What to search next, where the range may have been the limit: said beside what more trials of the same range gain.
function widerRange(view) {
  const found = edgesOf(view);
  if (!found.length) return "";
  const names = shortNames(Object.keys(view.best?.weights ?? {}));
  const next = found.map(({ path, suggested }) => `${names[path] ?? path} ${suggested.values ? `with ${suggested.values.map((value) => number(value)).join(", ")}` : `from ${number(suggested.low)} to ${number(suggested.high)}`}`);
  const why = found.every((edge) => edge.end === "both") ? "every value that was searched is as good" : "the best lies at the end of what was searched";
  return `in another range perhaps: ${why}; search ${next.join(" and ")} next`;
}

const FEWEST = 8; // search trials of which the last half says something

// By what the last half of the search gained.
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
