// What each searched parameter does: value against it, the range that is as good as the best, and how much it matters.
import { fill, h, table } from "./dom.js";
import { clip, clippedNote, figure, plain } from "./figures.js";
import { metricName, number, unitOf } from "./numbers.js";
import { theme } from "./palette.js";
import { metricsOf, objectiveName } from "./settings.js";
import { read, write } from "./address.js";

export function weights(view, body) {
  let known = "";
  const sentence = h("div", {});
  return () => {
    const paths = (view.points?.parameters ?? []).filter((path) => new Set(searchedIndices(view, path).map((index) => valuesOf(view, path)[index])).size > 1);
    if (!paths.length || !choices(view).some((choice) => valued(view, choice).some((value) => value !== null))) return false;
    const matters = view.sensitivity;
    fill(sentence, ranges(matters), importance(view, matters, paths));
    if (known !== paths.join()) {
      known = paths.join();
      const plots = paths.map((path) => slice(view, path));
      if (paths.length > 1) plots.push(contour(view, paths));
      const picker = h("select", { "aria-label": "What is drawn against each weight", "data-key": "drawn", onchange: (event) => { write({ drawn: event.target.value === choices(view)[0] ? "" : event.target.value }); plots.forEach((each) => each.update()); } },
        choices(view).map((choice) => h("option", { value: choice, selected: choice === chosen(view) }, choice === OBJECTIVE ? objectiveName(view) : metricName(choice))));
      fill(body, sentence, h("p", { class: "filters" }, h("label", {}, "Drawn: ", picker)), h("div", { class: plots.length === 2 || plots.length === 4 ? "grid two" : "grid" }, plots.map((each) => each.element)));
    }
    return true;
  };
}

const OBJECTIVE = "objective";

// What may be drawn against a weight: the objective where it is one number, and each metric.
function choices(view) {
  const scalar = view.study.definition.objective.aggregate !== "pareto";
  return [...(scalar ? [OBJECTIVE] : []), ...metricsOf(view)];
}

function chosen(view) {
  return choices(view).includes(read("drawn")) ? read("drawn") : choices(view)[0];
}

function valued(view, choice) {
  if (choice === OBJECTIVE) return view.points.columns.objective;
  const { factor } = unitOf(choice);
  return (view.points.columns[`validation.${choice}`] ?? []).map((value) => (value === null ? null : value * factor));
}

function titleOf(view) {
  return chosen(view) === OBJECTIVE ? objectiveName(view) : metricName(chosen(view)) + (unitOf(chosen(view)).suffix ? ", %" : "");
}

function ranges(matters) {
  const told = Object.values(matters?.ranges ?? {}).filter((range) => range.sentence);
  if (told.length) return h("ul", { class: "plain" }, told.map((range) => h("li", {}, `${range.sentence[0].toUpperCase()}${range.sentence.slice(1)}.`)));
  return matters?.noise?.why ? h("p", { class: "note" }, `No range is known: ${matters.noise.why}.`) : null;
}

function importance(view, matters, paths) {
  const told = matters?.importance ?? {};
  if (!Object.keys(told).length || paths.length < 2) return null;
  const metrics = metricsOf(view).filter((metric) => paths.some((path) => told[path]?.metrics?.[metric] !== undefined));
  const bar = (share) => (share === null || share === undefined ? "–" : h("span", { class: "share" }, h("span", { class: "bar", style: `width:${(share * 100).toFixed(0)}%` }), h("span", {}, `${(share * 100).toFixed(0)} %`)));
  return table("How much each matters", [{ label: "Parameter" }, { label: "objective" }, ...metrics.map((metric) => ({ label: metricName(metric) }))], paths.filter((path) => told[path]).map((path) => [path, bar(told[path].objective), ...metrics.map((metric) => bar(told[path].metrics[metric]))]), { class: "small", caption: true });
}

// The term whose weight a parameter's range is of: its own, but where losses that share a weight are normalised.
const termOf = (view, path) => view.sensitivity?.ranges?.[path]?.of ?? path;

const labelOf = (view, path) => (termOf(view, path) === path ? path : `${termOf(view, path)} (by ${path})`);

// A parameter's values in the units of its range: as used where it is a weight, as drawn otherwise.
function valuesOf(view, path) {
  const { columns } = view.points;
  return columns[`weights.${termOf(view, path)}`] ?? columns[`parameters.${path}`] ?? [];
}

function isLog(values) {
  const positive = values.filter((value) => typeof value === "number" && value > 0);
  return positive.length > values.filter((value) => value !== null).length * 0.8 && Math.max(...positive) / Math.min(...positive) > 30;
}

function searchedIndices(view, path) {
  const { columns } = view.points;
  const values = valuesOf(view, path);
  const drawn = valued(view, chosen(view));
  return columns.number.map((_, index) => index).filter((index) => columns.role[index] === "search" && typeof drawn[index] === "number" && typeof values[index] === "number");
}

function ranked(view, paths) {
  const drawn = valued(view, chosen(view));
  return searchedIndices(view, paths[0]).sort((a, b) => drawn[b] - drawn[a]).slice(0, 50).map((index) => [`trial ${view.points.columns.number[index]}`, ...paths.map((path) => number(valuesOf(view, path)[index])), number(drawn[index])]);
}

function slice(view, path) {
  return figure({
    id: `weight-${path.replaceAll(/[^\w]/g, "-")}`, file: `${view.name}-${path}`, title: path, height: 300,
    draw: () => drawSlice(view, path),
    rows: () => ({ columns: ["Trial", path, titleOf(view)], rows: ranked(view, [path]) }),
    onclick: (point) => Number.isInteger(point.customdata) && view.choose(point.customdata),
  });
}

function drawSlice(view, path) {
  const { columns } = view.points;
  const colors = theme();
  const values = valuesOf(view, path);
  const drawn = valued(view, chosen(view));
  const scored = chosen(view) === OBJECTIVE;
  const range = view.sensitivity?.ranges?.[path];
  const log = isLog(values);
  const indices = searchedIndices(view, path).filter((index) => !log || values[index] > 0);
  const at = (value) => (log ? Math.log10(value) : value);
  const data = [];
  const shapes = [];
  const term = termOf(view, path);
  const curve = (scored ? range?.curve ?? [] : []).filter((point) => point.mean !== null && (!log || point.at > 0));
  const good = range?.values ?? null; // of a choice: its values, between which there are none
  const shaded = !good && typeof range?.low === "number" && range.low < range.high;
  const left = shaded && (log && range.low <= 0 ? Math.min(...indices.map((index) => values[index]), ...curve.map((point) => point.at), range.high) : range.low); // zero is not on a logarithmic axis
  if (shaded) shapes.push({ type: "rect", xref: "x", x0: left, x1: range.high, yref: "paper", y0: 0, y1: 1, fillcolor: colors.band, line: { width: 0 }, layer: "below" });
  if (curve.length) {
    data.push({ type: "scatter", mode: "lines", x: [...curve.map((point) => point.at), ...curve.map((point) => point.at).reverse()], y: [...curve.map((point) => point.high), ...curve.map((point) => point.low).reverse()], fill: "toself", fillcolor: colors.band2, line: { width: 0 }, hoverinfo: "skip" });
    data.push({ type: "scatter", mode: "lines", x: curve.map((point) => point.at), y: curve.map((point) => point.mean), line: { color: colors.ink, width: 2 }, hovertemplate: "curve: %{y:.4g}<extra></extra>" });
  }
  data.push({ type: "scatter", mode: "markers", x: indices.map((index) => values[index]), y: indices.map((index) => drawn[index]), customdata: indices.map((index) => columns.number[index]), text: indices.map((index) => `trial ${columns.number[index]}`), hovertemplate: "%{text}<br>%{x:.4g}<br>%{y:.4g}<extra></extra>", marker: { size: indices.length > 300 ? 5 : 7, opacity: indices.length > 300 ? 0.6 : 1, color: "rgba(0,0,0,0)", line: { color: colors.muted, width: 1.2 } } });
  const least = view.sensitivity?.noise?.least;
  if (scored && typeof least === "number") shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: least, y1: least, line: { color: colors.zero, width: 1, dash: "dot" } });
  const annotations = [];
  view.settings.filter((each) => ["tuned", "current", "equal"].includes(each.key)).forEach((each, place) => {
    const value = each.key === "tuned" ? view.best?.weights[term] ?? view.best?.parameters[path] : each.weights?.[term];
    if (typeof value !== "number" || (log && value <= 0)) return;
    shapes.push({ type: "line", xref: "x", x0: value, x1: value, yref: "paper", y0: 0, y1: 1, line: { color: each.color, width: 1.6, dash: each.key === "tuned" ? "solid" : "dash" } });
    annotations.push({ xref: "x", x: at(value), yref: "paper", y: 1, yanchor: "bottom", yshift: place * 12, text: plain(each.title), showarrow: false, font: { size: 11, color: each.color } });
  });
  const clipped = clip(indices.map((index) => drawn[index]));
  const notes = [shaded ? `Shaded: ${number(range.low, 3)} to ${number(range.high, 3)} is as good as the winner.` : good?.length ? `As good as the winner: ${good.map((value) => number(value, 3)).join(", ")}.` : "", scored && typeof least === "number" ? "Dotted: the winner's value less one training's luck; single trials above it may be lucky." : "", clippedNote(titleOf(view), clipped), log && indices.length < searchedIndices(view, path).length ? "Zero is not on a logarithmic scale." : ""];
  return { data, layout: { height: 300, margin: { l: 60, r: 14, t: 46, b: 44 }, shapes, annotations, xaxis: { type: log ? "log" : "linear", title: plain(labelOf(view, path)), dtick: log ? 1 : undefined, exponentformat: "power", tickfont: { size: log ? 10.5 : 12 }, zeroline: false }, uirevision: chosen(view), yaxis: { title: plain(titleOf(view)), zeroline: false, ...(clipped.range ? { range: clipped.range } : {}) } }, note: notes.filter(Boolean).join(" ") };
}

const GRID = 26;
const MOST_SMOOTHED = 600;

// Two parameters at once: a smooth surface through the trials, left blank where there are none near.
function contour(view, paths) {
  const order = [...paths].sort((a, b) => (view.sensitivity?.importance?.[b]?.objective ?? 0) - (view.sensitivity?.importance?.[a]?.objective ?? 0));
  const [first, second] = order;
  return figure({
    id: "weight-contour", file: `${view.name}-contour`, title: `${first} and ${second}`, height: 300,
    draw: () => {
      const { columns } = view.points;
      const drawn = valued(view, chosen(view));
      const [xs, ys] = [valuesOf(view, first), valuesOf(view, second)];
      const [one, other] = [termOf(view, first), termOf(view, second)];
      const logs = [isLog(xs), isLog(ys)];
      const indices = searchedIndices(view, first).filter((index) => typeof ys[index] === "number" && (!logs[0] || xs[index] > 0) && (!logs[1] || ys[index] > 0)).slice(-MOST_SMOOTHED);
      const place = indices.map((index) => [logs[0] ? Math.log10(xs[index]) : xs[index], logs[1] ? Math.log10(ys[index]) : ys[index], drawn[index]]);
      const ends = [0, 1].map((axis) => [Math.min(...place.map((point) => point[axis])), Math.max(...place.map((point) => point[axis]))]);
      const width = ends.map(([low, high]) => (high - low || 1));
      const grid = ends.map(([low], axis) => Array.from({ length: GRID }, (_, step) => low + (width[axis] * step) / (GRID - 1)));
      const bandwidth = Math.max(0.06, 0.45 / Math.sqrt(Math.max(place.length, 1)));
      const z = grid[1].map((gy) => grid[0].map((gx) => {
        let [sum, weight] = [0, 0];
        for (const [x, y, value] of place) {
          const near = Math.exp(-(((x - gx) / width[0]) ** 2 + ((y - gy) / width[1]) ** 2) / (2 * bandwidth ** 2));
          sum += near * value;
          weight += near;
        }
        return weight > 0.25 ? sum / weight : null;
      }));
      const shown = ([low, high]) => ({ range: [low, high] });
      const back = (values, log) => (log ? values.map((value) => 10 ** value) : values);
      const colors = theme();
      const clipped = clip(place.map((point) => point[2]));
      return {
        data: [
          { type: "contour", x: back(grid[0], logs[0]), y: back(grid[1], logs[1]), z, connectgaps: false, colorscale: "Cividis", contours: { coloring: "heatmap", showlines: true }, line: { width: 0.4 }, ...(clipped.range ? { zmin: clipped.range[0], zmax: clipped.range[1] } : {}), colorbar: { thickness: 10, outlinewidth: 0, tickfont: { size: 10 } }, hovertemplate: "%{x:.3g}, %{y:.3g}: %{z:.4g}<extra></extra>" },
          { type: "scatter", mode: "markers", x: indices.map((index) => xs[index]), y: indices.map((index) => ys[index]), customdata: indices.map((index) => columns.number[index]), text: indices.map((index) => `trial ${columns.number[index]}: ${number(drawn[index])}`), hovertemplate: "%{text}<extra></extra>", marker: { size: 5, color: "rgba(255,255,255,0.55)", line: { color: "#111", width: 0.8 } } },
          ...view.settings.filter((each) => ["tuned", "current", "equal"].includes(each.key) && typeof each.weights?.[one] === "number" && typeof each.weights?.[other] === "number" && (!logs[0] || each.weights[one] > 0) && (!logs[1] || each.weights[other] > 0)).map((each) => ({ type: "scatter", mode: "markers", x: [each.weights[one]], y: [each.weights[other]], marker: { size: 12, symbol: each.symbol, color: each.color, line: { color: "#fff", width: 1.5 } }, hovertemplate: `${plain(each.title)}<extra></extra>` })),
        ],
        layout: { height: 300, margin: { l: 60, r: 10, t: 12, b: 44 }, xaxis: { type: logs[0] ? "log" : "linear", title: plain(labelOf(view, first)), dtick: logs[0] ? 1 : undefined, ...shown(ends[0]) }, yaxis: { type: logs[1] ? "log" : "linear", title: plain(labelOf(view, second)), dtick: logs[1] ? 1 : undefined, ...shown(ends[1]) } },
        note: `${titleOf(view)[0].toUpperCase()}${titleOf(view).slice(1)}, smoothed over ${indices.length < searchedIndices(view, first).length ? `the latest ${indices.length} trials drawn` : "the trials"} (dots); blank where none is near.`,
      };
    },
    rows: () => ({ columns: ["Trial", first, second, titleOf(view)], rows: ranked(view, [first, second]) }),
    onclick: (point) => Number.isInteger(point.customdata) && view.choose(point.customdata),
  });
}
