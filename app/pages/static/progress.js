// How the search went: best so far by trial and by time, phases as bands; and what luck had added to the winner.
import { read, write } from "./address.js";
import { fill, h } from "./dom.js";
import { clip, clippedNote, figure, plain, room } from "./figures.js";
import { count, moment, number } from "./numbers.js";
import { settingStyle, theme } from "./palette.js";
import { objectiveName, searchSeeds, searchSeedsFirst } from "./settings.js";

export function progress(view, body) {
  let made = false;
  let biased = null;
  const place = h("div", {});
  return () => {
    if (!view.points?.columns.objective.some((value) => value !== null)) return false;
    if (!made) {
      made = true;
      fill(body, h("div", { class: "grid two" }, history(view).element, place));
    }
    const finalists = confirmed(view);
    if (finalists.length && biased !== finalists.length) {
      biased = finalists.length;
      fill(place, bias(view).element);
    }
    return true;
  };
}

function history(view) {
  const by = h("select", { "aria-label": "Horizontal axis", "data-key": "history by", onchange: (event) => { write({ by: event.target.value === "trial" ? "" : event.target.value }); self.update(); } },
    ["trial", "time"].map((each) => h("option", { value: each, selected: read("by", "trial") === each }, `by ${each}`)));
  const self = figure({
    id: "history-plot", file: `${view.name}-history`, title: "Best so far", height: 320, controls: h("span", { class: "controls" }, by),
    draw: () => drawHistory(view, read("by") === "time"),
    rows: () => ({ columns: ["Best so far", objectiveName(view), "at"], rows: view.points.best_so_far.map((each) => [`trial ${each.number}`, number(each.value), moment(each.ended_at)]) }),
    onclick: (point) => Number.isInteger(point.customdata) && view.choose(point.customdata),
  });
  return self;
}

function drawHistory(view, byTime) {
  const { columns, best_so_far: best, phases } = view.points;
  const colors = theme();
  const x = (index) => (byTime ? columns.ended_at[index] : columns.number[index]);
  const indices = columns.number.map((_, index) => index).filter((index) => columns.objective[index] !== null && columns.role[index] !== "reference" && (!byTime || columns.ended_at[index]));
  const last = byTime ? columns.ended_at.filter(Boolean).sort().at(-1) : Math.max(...columns.number);
  const steps = best.map((each) => (byTime ? each.ended_at : each.number));
  const inOrder = byTime ? [...best].sort((a, b) => a.ended_at.localeCompare(b.ended_at)) : best;
  const rising = inOrder.filter((each, place) => inOrder.slice(0, place).every((earlier) => earlier.value < each.value));
  const data = [
    { type: "scatter", mode: "markers", x: indices.map(x), y: indices.map((index) => columns.objective[index]), customdata: indices.map((index) => columns.number[index]), text: indices.map((index) => columns.rule[index] ? plain(columns.rule[index]) : `trial ${columns.number[index]}`), hovertemplate: "%{text}: %{y:.4g}<extra></extra>", marker: { size: 6, color: "rgba(0,0,0,0)", line: { color: colors.faint, width: 1.2 } } },
    { type: "scatter", mode: "lines", x: [...rising.map((each) => (byTime ? each.ended_at : each.number)), ...(rising.length ? [last] : [])], y: [...rising.map((each) => each.value), ...(rising.length ? [rising.at(-1).value] : [])], line: { shape: "hv", width: 2.2, color: settingStyle("tuned").color }, hovertemplate: "best so far %{y:.4g}<extra></extra>" },
  ];
  const shapes = [];
  const annotations = [];
  if (!byTime) phases.filter((phase) => phase.role !== "confirmation" || phase.first <= last).forEach((phase, place) => {
    if (place % 2 === 0) shapes.push({ type: "rect", xref: "x", x0: phase.first - 0.5, x1: phase.last + 0.5, yref: "paper", y0: 0, y1: 1, fillcolor: colors.band, line: { width: 0 }, layer: "below" });
    if (phase.last - phase.first >= (last + 1) * 0.12) annotations.push({ xref: "x", x: (phase.first + phase.last) / 2, yref: "paper", y: 1, yanchor: "bottom", text: plain(phase.role), showarrow: false, font: { size: 11, color: colors.muted } });
  });
  const clipped = clip(indices.map((index) => columns.objective[index]));
  const sampled = view.points.sampled ? `${indices.length} of ${count(view.points.trials)} trials are drawn.` : "";
  return { data, layout: { height: 320, shapes, annotations, margin: { l: 60, r: 14, t: 26, b: 42 }, xaxis: { title: byTime ? "when it ended" : "trial", zeroline: false, showgrid: false, ...(byTime ? {} : { range: [-0.5, last + 0.5] }) }, yaxis: { title: plain(objectiveName(view)), zeroline: false, ...(clipped.range ? { range: clipped.range } : {}) }, uirevision: `history ${byTime} ${steps.length > 0}` }, note: [`${searchSeedsFirst(view.study)}, validation split.`, sampled, clippedNote("Objective", clipped)].filter(Boolean).join(" ") };
}

function confirmed(view) {
  return Object.entries(view.confirmation?.settings ?? {}).filter(([, each]) => each.role !== "reference" && each.searched !== null && each.value && each.value.mean !== null);
}

// The search's score of each repeated setting beside its mean on fresh seeds: the distance is luck, choice, and the other split.
function bias(view) {
  return figure({
    id: "history-bias", file: `${view.name}-selection-bias`, title: "What the search promised, and what fresh seeds say", height: 320,
    draw: () => {
      const found = confirmed(view).sort((a, b) => a[1].value.mean - b[1].value.mean);
      const colors = theme();
      const titles = found.map(([name, each]) => plain(name === view.confirmation.winner ? `tuned (${name})` : view.settings.find((setting) => setting.name === name)?.title ?? each.told_as));
      const data = found.map(([name, each], y) => {
        const color = view.settings.find((setting) => setting.name === name)?.color ?? colors.muted;
        return { type: "scatter", mode: "lines", x: [each.searched, each.value.mean], y: [y, y], line: { color, width: 2 }, hoverinfo: "skip", showlegend: false };
      });
      data.push({ type: "scatter", mode: "markers", name: `search: ${searchSeeds(view.study)}, validation`, x: found.map(([, each]) => each.searched), y: found.map((_, y) => y), marker: { size: 10, color: colors.panel, line: { color: colors.ink, width: 1.6 } }, hovertemplate: "search %{x:.4g}<extra></extra>" });
      data.push({ type: "scatter", mode: "markers", name: `fresh seeds, ${view.confirmation.split}`, x: found.map(([, each]) => each.value.mean), y: found.map((_, y) => y), error_x: { type: "data", array: found.map(([, each]) => (each.value.low === null ? 0 : (each.value.high - each.value.low) / 2)), color: colors.muted, thickness: 1.3, width: 4 }, marker: { size: 10, color: colors.ink }, hovertemplate: "fresh seeds %{x:.4g}<extra></extra>" });
      const { range, note: beyond } = room(found.flatMap(([, each]) => [each.searched, each.value.mean]), found.map(([, each], y) => ({ title: titles[y], low: each.value.low ?? each.value.mean, high: each.value.high ?? each.value.mean })));
      const optimism = view.best?.confirmation?.optimism;
      const note = typeof optimism === "number" ? `Selection bias: the search scored the winner ${number(Math.abs(optimism), 3)} ${optimism >= 0 ? "higher" : "lower"} than fresh seeds do.` : "";
      return { data, layout: { height: 320, showlegend: true, margin: { l: 110, r: 14, t: 34, b: 42 }, xaxis: { title: plain(objectiveName(view)), zeroline: false, ...(range ? { range } : {}) }, yaxis: { tickmode: "array", tickvals: found.map((_, y) => y), ticktext: titles, range: [-0.6, found.length - 0.4], showgrid: false, zeroline: false, ticks: "", fixedrange: true } }, note: [note, beyond].filter(Boolean).join(" ") };
    },
    rows: () => ({ columns: ["Setting", "search", "fresh seeds", "difference"], rows: confirmed(view).map(([name, each]) => [name, number(each.searched), number(each.value.mean), number(each.searched - each.value.mean)]) }),
  });
}
