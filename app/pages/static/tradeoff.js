// Two metrics against each other: search trials hollow (one seed, validation), repeated settings solid (fresh seeds, test).
import { read, write } from "./address.js";
import { fill, h, table } from "./dom.js";
import { clip, clippedNote, figure, plain, room } from "./figures.js";
import { count, metricName, metricValue, number, percent, unitOf } from "./numbers.js";
import { theme } from "./palette.js";
import { trialLink } from "./parts.js";
import { ARROWS, directionOf, metricsOf, searchSeeds, searchSeedsFirst, weightOf, yardstick } from "./settings.js";

export function tradeoff(view, body) {
  let plot = null;
  let lines = null;
  const side = h("div", { class: "beside", "aria-live": "polite" });
  let opened = null;
  let known = "";
  const axes = () => {
    const paths = metricsOf(view);
    const x = paths.includes(read("x")) ? read("x") : paths[0];
    const y = paths.includes(read("y")) && read("y") !== x ? read("y") : paths.find((path) => path !== x);
    return { x, y, paths };
  };
  const open = (number_) => {
    opened = number_;
    fill(side, details(view, opened, () => { opened = null; fill(side); }));
  };
  return () => {
    const { paths } = axes();
    if (paths.length < 2 || paths.slice(0, 2).some((path) => !column(view, path).some((value) => value !== null))) return false;
    if (known !== paths.join()) {
      known = paths.join();
      plot = scatter(view, axes, open);
      lines = paths.length > 2 ? parallel(view, paths, open) : null;
      fill(body, h("div", { class: "with-side" }, h("div", {}, plot.element, lines?.element), side));
    } else {
      if (opened !== null) open(opened);
    }
    return true;
  };
}

const MOST_LINES = 200; // of trials in the view of all metrics, the front beside them

const column = (view, path) => view.points.columns[`validation.${path}`] ?? [];

function scatter(view, axes, open) {
  const picker = (key) => {
    const chosen = axes()[key];
    return h("select", { "aria-label": `Metric of the ${key === "x" ? "horizontal" : "vertical"} axis`, "data-key": `axis ${key}`, onchange: (event) => { write({ [key]: event.target.value }); self.update(); } },
      axes().paths.map((path) => h("option", { value: path, selected: path === chosen }, metricName(path))));
  };
  const controls = axes().paths.length > 2 ? h("span", { class: "controls" }, picker("x"), " against ", picker("y")) : null;
  const self = figure({
    id: "tradeoff-plot", file: `${view.name}-trade-off`, title: "Task against task", height: 440, controls, class: "wide",
    draw: () => drawScatter(view, axes()), rows: () => rowsOf(view, axes()),
    onclick: (point) => Number.isInteger(point.customdata) && open(point.customdata),
  });
  return self;
}

function axisOf(view, path, values) {
  const unit = unitOf(path);
  const better = directionOf(view, path) === "maximize" ? "higher is better" : "lower is better";
  return { title: `${plain(metricName(path))}${unit.suffix ? ", %" : ""} (${better})`, ...(values.range ? { range: values.range } : {}), zeroline: false };
}

function drawScatter(view, { x, y }) {
  const { columns } = view.points;
  const colors = theme();
  const [fx, fy] = [unitOf(x).factor, unitOf(y).factor];
  const xs = column(view, x);
  const ys = column(view, y);
  const place = (test) => columns.number.map((_, index) => index).filter((index) => columns.role[index] !== "reference" && xs[index] !== null && ys[index] !== null && test(index));
  const hover = (index) => `${columns.rule[index] ? plain(columns.rule[index]) : `trial ${columns.number[index]}`}<br>${plain(metricName(x))} ${metricValue(x, xs[index])}<br>${plain(metricName(y))} ${metricValue(y, ys[index])}`;
  const cloud = (name, indices, marker) => ({ type: "scatter", mode: "markers", name, x: indices.map((index) => xs[index] * fx), y: indices.map((index) => ys[index] * fy), customdata: indices.map((index) => columns.number[index]), text: indices.map(hover), hovertemplate: `%{text}<br>${searchSeeds(view.study)}, validation<extra></extra>`, marker });
  const searched = place((index) => columns.role[index] === "search");
  const front = place((index) => columns.front[index]).sort((a, b) => xs[a] - xs[b]);
  const chosen = new Set(view.chosen ?? []);
  const confirmed = repeated(view, x, y, fx, fy);
  const data = [
    cloud("search trials", searched, { size: searched.length > 300 ? 5 : 7, color: "rgba(0,0,0,0)", line: { color: colors.faint, width: 1.3 } }),
    { ...cloud("front", front, {}), mode: "lines", line: { color: colors.muted, width: 1.2, dash: "dot", shape: "linear" }, hoverinfo: "skip", hovertemplate: null },
  ];
  for (const each of view.settings) {
    const indices = place((index) => columns.number[index] === each.trial);
    data.push({ ...cloud(each.title, indices, { size: 11, symbol: `${each.symbol}-open`, color: each.color, line: { color: each.color, width: 2 } }), showlegend: !confirmed.length && indices.length > 0 });
  }
  const picked = place((index) => chosen.has(columns.number[index]));
  data.push({ ...cloud("chosen", picked, { size: 15, color: "rgba(0,0,0,0)", line: { color: colors.ink, width: 1.6 } }), hoverinfo: "skip", hovertemplate: null, showlegend: false });
  data.push(...confirmed);
  const solid = confirmed.map((trace) => [trace.x[0], trace.y[0]]);
  const limits = (values, axis) => {
    const all = [...values, ...solid.map((place) => place[axis])];
    const clipped = clip(all);
    const bars = confirmed.map((trace) => ({ title: trace.name, mean: [trace.x, trace.y][axis][0], half: [trace.error_x, trace.error_y][axis].array[0] }));
    const seen = clipped.range ? all.filter((value) => value >= clipped.range[0] && value <= clipped.range[1]) : all;
    const { range, note } = confirmed.length ? room(seen, bars.map(({ title, mean, half }) => ({ title, low: mean - half, high: mean + half }))) : { range: clipped.range, note: "" };
    const [below, above] = range ? [all.filter((value) => value < range[0]).length, all.filter((value) => value > range[1]).length] : [0, 0];
    return { range, below, above, note };
  };
  const xClip = limits([...searched, ...place((index) => columns.role[index] === "baseline")].map((index) => xs[index] * fx), 0);
  const yClip = limits([...searched, ...place((index) => columns.role[index] === "baseline")].map((index) => ys[index] * fy), 1);
  const odd = columns.number.filter((_, index) => columns.role[index] === "search" && columns.state[index] === "COMPLETE" && (xs[index] === null || ys[index] === null)).length;
  const notes = [
    confirmed.length ? `Two kinds of numbers share these axes: hollow marks are ${searchSeeds(view.study)} on validation, solid ones are means over fresh seeds on ${view.confirmation.split} with ${percent(view.confirmation.level)} intervals.` : `Every mark is one trial: ${searchSeeds(view.study)}, validation split.`,
    view.points.sampled ? `${searched.length} of ${count(view.points.trials)} trials are drawn; the front and the best are among them.` : "",
    clippedNote(metricName(x), xClip), clippedNote(metricName(y), yClip), xClip.note || yClip.note, odd ? `${odd} without a finite number are not drawn.` : "", "A click shows a trial.",
  ];
  return { data, layout: { height: 440, showlegend: true, margin: { l: 60, r: 14, t: 34, b: 48 }, xaxis: axisOf(view, x, xClip), yaxis: axisOf(view, y, yClip), uirevision: `${x} ${y}` }, note: notes.filter(Boolean).join(" ") };
}

function repeated(view, x, y, fx, fy) {
  const found = view.confirmation?.settings ?? {};
  return view.settings.filter((each) => [x, y].every((path) => typeof found[each.name]?.means[path]?.mean === "number")).map((each) => {
    const [mx, my] = [found[each.name].means[x], found[each.name].means[y]];
    const bar = (mean, factor) => ({ type: "data", array: [mean.low === null ? 0 : (mean.high - mean.low) / 2 * factor], color: each.color, thickness: 1.6, width: 3 });
    return { type: "scatter", mode: "markers", name: each.title, x: [mx.mean * fx], y: [my.mean * fy], error_x: bar(mx, fx), error_y: bar(my, fy), customdata: [each.trial], marker: { size: 12, symbol: each.symbol, color: each.color, line: { color: theme().panel, width: 1.5 } }, hovertemplate: `${plain(each.title)} (trial ${each.trial})<br>${plain(metricName(x))} ${metricValue(x, mx.mean)}<br>${plain(metricName(y))} ${metricValue(y, my.mean)}<br>mean of ${mx.n} fresh seeds, ${view.confirmation.split}<extra></extra>` };
  });
}

function rowsOf(view, { x, y }) {
  const { columns } = view.points;
  const rows = columns.number.map((number_, index) => [index, number_]).filter(([index]) => columns.front[index] || columns.role[index] !== "search")
    .map(([index, number_]) => [trialLink(view.name, number_, columns.rule[index] ?? `trial ${number_}`), columns.front[index] ? "yes" : "", metricValue(x, column(view, x)[index]), metricValue(y, column(view, y)[index])]);
  for (const each of view.settings) {
    const found = view.confirmation?.settings?.[each.name];
    if (found?.means[x] && found?.means[y]) rows.push([`${each.title}, ${found.judged_on.length} fresh seeds, ${view.confirmation.split}`, "", metricValue(x, found.means[x].mean), metricValue(y, found.means[y].mean)]);
  }
  return { columns: ["Front and baselines", "front", metricName(x), metricName(y)], rows };
}

// More than two metrics: each a vertical scale from worst to best, each trial a line.
function parallel(view, paths, open) {
  return figure({
    id: "tradeoff-lines", file: `${view.name}-all-metrics`, title: "All metrics, worst below and best above", height: 320, class: "wide",
    draw: () => {
      const { columns } = view.points;
      const colors = theme();
      const ranges = paths.map((path) => {
        const values = column(view, path).filter((value) => value !== null);
        return [Math.min(...values), Math.max(...values)];
      });
      const at = (path, index) => {
        const value = column(view, path)[index];
        const [low, high] = ranges[paths.indexOf(path)];
        if (value === null || high === low) return value === null ? null : 0.5;
        const share = (value - low) / (high - low);
        return directionOf(view, path) === "maximize" ? share : 1 - share;
      };
      const complete = columns.number.map((_, index) => index).filter((index) => columns.role[index] === "search" && columns.state[index] === "COMPLETE");
      const step = Math.max(complete.length / MOST_LINES, 1);
      const indices = complete.filter((index, place) => columns.front[index] || Math.floor(place / step) !== Math.floor((place - 1) / step));
      const crowd = { type: "scatter", mode: "lines", x: [], y: [], line: { color: colors.faint, width: 0.7 }, opacity: 0.5, hoverinfo: "skip", name: "search trials" };
      for (const index of indices) {
        paths.forEach((path, place) => { crowd.x.push(place); crowd.y.push(at(path, index)); });
        crowd.x.push(null);
        crowd.y.push(null);
      }
      const settings = view.settings.map((each) => {
        const index = columns.number.indexOf(each.trial);
        return index < 0 ? null : { type: "scatter", mode: "lines+markers", name: each.title, x: paths.map((_, place) => place), y: paths.map((path) => at(path, index)), customdata: paths.map(() => each.trial), text: paths.map((path) => `${plain(each.title)}: ${plain(metricName(path))} ${metricValue(path, column(view, path)[index])}`), hovertemplate: "%{text}<extra></extra>", line: { color: each.color, width: 2 }, marker: { color: each.color, size: 8, symbol: each.symbol } };
      }).filter(Boolean);
      return { data: [crowd, ...settings], layout: { height: 320, showlegend: true, margin: { l: 20, r: 20, t: 34, b: 40 }, xaxis: { tickmode: "array", tickvals: paths.map((_, place) => place), ticktext: paths.map((path) => plain(metricName(path))), range: [-0.3, paths.length - 0.7], showgrid: true }, yaxis: { showticklabels: false, range: [-0.05, 1.05], ticks: "", showgrid: false, zeroline: false } }, note: [`${searchSeedsFirst(view.study)}, validation split.`, indices.length < complete.length || view.points.sampled ? `${indices.length} of ${count(view.points.trials)} trials are drawn, the front among them.` : ""].filter(Boolean).join(" ") };
    },
    rows: () => ({ columns: ["Setting", ...paths.map(metricName)], rows: view.settings.map((each) => { const index = view.points.columns.number.indexOf(each.trial); return [each.title, ...paths.map((path) => metricValue(path, index < 0 ? null : column(view, path)[index]))]; }) }),
    onclick: (point) => Number.isInteger(point.customdata) && open(point.customdata),
  });
}

// A trial beside the plot: its weights and numbers, and whether its curves are drawn.
function details(view, trial, close) {
  const { columns } = view.points;
  const index = columns.number.indexOf(trial);
  const chosen = (view.chosen ?? view.defaults()).includes(trial);
  const against = yardstick(view.settings);
  const own = view.settings.find((each) => each.trial === trial);
  const weights = Object.keys(columns).filter((key) => key.startsWith("weights.")).map((key) => key.slice(8));
  return h("div", { class: "card", role: "group", "aria-label": `Trial ${trial}` },
    h("h3", {}, trialLink(view.name, trial), h("span", { class: "grow" }), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "×")),
    index < 0 ? null : [
      table(`Weights of trial ${trial}`, [{ label: "Weight of" }, { label: "value", right: true }, ...(against ? [{ label: against.title, right: true }] : [])], weights.map((path) => [path, own?.moves ? weightOf(own, path) : number(columns[`weights.${path}`][index]), ...(against ? [weightOf(against, path)] : [])]), { class: "small" }),
      table(`Metrics of trial ${trial}`, [{ label: "Metric" }, { label: "validation", right: true }], metricsOf(view).map((path) => [`${metricName(path)} ${ARROWS[directionOf(view, path)]}`, metricValue(path, column(view, path)[index])]), { class: "small" }),
    ],
    h("p", { class: "buttons" }, h("button", { type: "button", "data-key": "draw curves", onclick: () => view.choose(trial) }, chosen ? "Hide its curves" : "Draw its curves")));
}
