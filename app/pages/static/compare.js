// Equal, yours, tuned: each metric and the objective over fresh seeds, and what the tuned setting leads by.
import { fill, h } from "./dom.js";
import { figure, plain, room } from "./figures.js";
import { metricName, metricValue, number, percent, signed, unitOf } from "./numbers.js";
import { theme } from "./palette.js";
import { ARROWS, directionOf, metricsOf, objectiveInFull, objectiveName } from "./settings.js";

const ROW = 30;

export function compare(view, body) {
  let known = "";
  return () => {
    const confirmation = view.confirmation;
    if (!confirmation || !Object.keys(confirmation.settings).length || !view.settings.length) return false;
    const paths = metricsOf(view);
    const key = `${paths} ${Boolean(confirmation.winner)} ${Object.keys(confirmation.settings)}`;
    if (key === known) return true;
    known = key;
    const panels = paths.map((path) => metricFigure(view, path));
    if (confirmation.winner) panels.unshift(valueFigure(view));
    const leads = confirmation.winner && Object.values(confirmation.against).some((each) => each.value) ? leadFigure(view) : null;
    fill(body,
      h("p", { class: "note" }, `Dots are seeds, the mark is their mean, the bar its ${percent(confirmation.level)} interval. ${confirmation.split[0].toUpperCase()}${confirmation.split.slice(1)} split.${others(view)}`),
      h("div", { class: panels.length + (leads ? 1 : 0) === 4 ? "grid two" : "grid" }, leads ? leads.element : null, panels.map((each) => each.element)));
    return true;
  };
}

// Which settings have their means from other seeds than the tuned one: baselines that were left behind, or decided early.
function others(view) {
  const tuned = view.confirmation.settings[view.confirmation.winner];
  if (!tuned) return "";
  const differ = shown(view).filter((each) => String(view.confirmation.settings[each.name].judged_on) !== String(tuned.judged_on));
  const named = differ.map((each) => {
    const { judged_on: seeds } = view.confirmation.settings[each.name];
    return `${each.title} on ${seeds.length}${seeds.some((seed) => tuned.judged_on.includes(seed)) ? "" : " others, which chose"}`;
  });
  return named.length ? ` Not every setting trained on the ${tuned.judged_on.length} seeds of the tuned weights: ${named.join("; ")}. Leads are of common seeds.` : "";
}

const shown = (view) => view.settings.filter((each) => view.confirmation.settings[each.name]);

// Rows of settings, the first on top; seeds as dots, mean and interval above them.
function dots(view, of, estimate, factor) {
  const rows = shown(view);
  const data = [];
  const [measured, bars] = [[], []];
  rows.forEach((each, index) => {
    const y = rows.length - 1 - index;
    const judged = view.confirmation.settings[each.name].judged_on.map(String);
    const series = Object.entries(of(each) ?? {}).filter(([seed, value]) => value !== null && judged.includes(seed));
    const stated = estimate(each);
    measured.push(...series.map(([, value]) => value * factor));
    data.push({ type: "scatter", mode: "markers", x: series.map(([, value]) => value * factor), y: series.map((_, place) => y + (place % 2 ? 0.16 : -0.16)), text: series.map(([seed]) => `${plain(each.title)}, seed ${seed}`), hovertemplate: "%{text}<br>%{x:.4g}<extra></extra>", marker: { color: each.color, size: 6, opacity: 0.42 } });
    if (stated?.mean !== null && stated !== null && stated !== undefined) {
      const half = stated.low === null ? 0 : (stated.high - stated.low) / 2 * factor;
      measured.push(stated.mean * factor);
      bars.push({ title: each.title, low: stated.mean * factor - half, high: stated.mean * factor + half });
      data.push({ type: "scatter", mode: "markers", x: [stated.mean * factor], y: [y], error_x: { type: "data", array: [half], color: each.color, thickness: 2, width: 5 }, hovertemplate: `${plain(each.title)}: %{x:.4g} ± ${number(half, 3)}<extra></extra>`, marker: { color: each.color, size: 11, symbol: each.symbol, line: { color: theme().panel, width: 1.5 } } });
    }
  });
  const labels = { tickmode: "array", tickvals: rows.map((_, index) => rows.length - 1 - index), ticktext: rows.map((each) => plain(each.title)), range: [-0.6, rows.length - 0.4], showgrid: false, zeroline: false, fixedrange: true, ticks: "" };
  return { data, yaxis: labels, height: 70 + ROW * rows.length, ...room(measured, bars) };
}

function rowsOf(view, of, estimate, show) {
  const seeds = [...new Set(shown(view).flatMap((each) => view.confirmation.settings[each.name].judged_on))];
  return {
    columns: ["Setting", "mean", "low", "high", ...seeds.map((seed) => `seed ${seed}`)],
    rows: shown(view).map((each) => {
      const stated = estimate(each);
      return [each.title, show(stated?.mean), show(stated?.low), show(stated?.high), ...seeds.map((seed) => show(view.confirmation.settings[each.name].judged_on.includes(seed) ? (of(each) ?? {})[seed] : null))];
    }),
  };
}

function metricFigure(view, path) {
  const direction = directionOf(view, path);
  const unit = unitOf(path);
  const from = (each) => view.confirmation.settings[each.name];
  const of = (each) => from(each)?.metrics[path];
  const estimate = (each) => from(each)?.means[path];
  return figure({
    id: `compare-${path.replaceAll(".", "-")}`, file: `${view.name}-${path}`, title: `${metricName(path)} ${ARROWS[direction]}`, height: 70 + ROW * shown(view).length,
    draw: () => {
      const { data, yaxis, height, range, note } = dots(view, of, estimate, unit.factor);
      return { data, note, layout: { height, margin: { l: 90, r: 14, t: 6, b: 40 }, yaxis, xaxis: { ...(range ? { range } : {}), tickformat: ".6~g", title: `${unit.suffix ? "%, " : ""}${direction === "maximize" ? "higher" : "lower"} is better` } } };
    },
    rows: () => rowsOf(view, of, estimate, (value) => metricValue(path, value)),
  });
}

function valueFigure(view) {
  const from = (each) => view.confirmation.settings[each.name];
  const of = (each) => from(each)?.values;
  const estimate = (each) => from(each)?.value;
  return figure({
    id: "compare-objective", file: `${view.name}-objective`, title: "The objective ↑", height: 70 + ROW * shown(view).length,
    draw: () => {
      const { data, yaxis, height, range, note } = dots(view, of, estimate, 1);
      return { data, layout: { height, margin: { l: 90, r: 14, t: 6, b: 40 }, yaxis, xaxis: { ...(range ? { range } : {}), title: `${plain(objectiveName(view))}, higher is better` } }, note: [objectiveInFull(view) === objectiveName(view) ? "" : `The ${objectiveInFull(view)}.`, note].filter(Boolean).join(" ") };
    },
    rows: () => rowsOf(view, of, estimate, (value) => number(value)),
  });
}

function leadFigure(view) {
  const settings = () => shown(view).filter((each) => view.confirmation.against[each.name]?.value);
  return figure({
    id: "compare-leads", file: `${view.name}-leads`, title: "What the tuned weights lead by", height: 70 + ROW * settings().length,
    draw: () => {
      const rows = settings();
      const colors = theme();
      const data = rows.map((each, index) => {
        const gain = view.confirmation.against[each.name].value;
        const color = gain.low > 0 ? colors.good : gain.high < 0 ? colors.bad : colors.muted;
        return { type: "scatter", mode: "markers", x: [gain.difference], y: [rows.length - 1 - index], error_x: { type: "data", symmetric: false, array: [gain.high - gain.difference], arrayminus: [gain.difference - gain.low], color, thickness: 2.5, width: 6 }, marker: { color, size: 10, symbol: each.symbol }, hovertemplate: `against ${plain(each.title)}: %{x:.4g} (${signed(gain.low)} to ${signed(gain.high)})<extra></extra>` };
      });
      const ends = rows.flatMap((each) => [view.confirmation.against[each.name].value.low, view.confirmation.against[each.name].value.high, 0]);
      const pad = (Math.max(...ends) - Math.min(...ends)) * 0.06;
      return { data, layout: { height: 70 + ROW * rows.length, margin: { l: 90, r: 14, t: 6, b: 40 }, shapes: [{ type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: { color: colors.zero, width: 1.5, dash: "dot" } }],
        xaxis: { title: `${plain(objectiveName(view))}: tuned minus the other`, range: [Math.min(...ends) - pad, Math.max(...ends) + pad] },
        yaxis: { tickmode: "array", tickvals: rows.map((_, index) => rows.length - 1 - index), ticktext: rows.map((each) => plain(each.title)), range: [-0.6, rows.length - 0.4], showgrid: false, zeroline: false, fixedrange: true, ticks: "" } },
      note: "Right of the dotted line the tuned weights are better. An interval that crosses it is within noise." };
    },
    rows: () => ({ columns: ["Against", "difference", "low", "high", "seeds"], rows: settings().map((each) => { const gain = view.confirmation.against[each.name].value; return [each.title, signed(gain.difference), signed(gain.low), signed(gain.high), gain.n]; }) }),
  });
}
