// Curves of chosen trials by term and metric; below them the weights in force where they move.
import { find, isReport } from "./api.js";
import { read, write } from "./address.js";
import { fill, h } from "./dom.js";
import { epochAxis, figure, plain } from "./figures.js";
import { metricName, number, unitOf } from "./numbers.js";
import { settingStyle } from "./palette.js";
import { metricsOf, searchSeedsFirst } from "./settings.js";

const DASHES = ["solid", "dash", "dot", "dashdot"];

export function curves(view, body) {
  const held = { curves: [], trials: [], moving: new Map() };
  let asked = "";
  let plot = null;
  let below = null;
  return () => {
    if (!view.points?.columns.number.length) return false;
    const numbers = wanted(view);
    if (!numbers.length) return Boolean(plot);
    if (!plot) {
      plot = metricPlot(view, held);
      below = weightPlot(view, held);
      below.element.hidden = true;
      fill(body, plot.element, below.element);
    }
    load();
    return true;

    async function load() {
      const key = `${numbers} ${view.study.times.updated_at} ${view.study.progress.epochs}`;
      if (key === asked) return;
      asked = key;
      try {
        const [found, epochs] = await Promise.all([find(isReport ? `${view.at}/curves` : `${view.at}/curves?trials=${numbers.join(",")}`), moving(view, numbers)]);
        if (key !== asked) return; // others have been chosen meanwhile
        held.curves = (found?.curves ?? []).filter((curve) => numbers.includes(curve.trial) && curve.epochs.length);
        held.moving = epochs;
      } catch {
        asked = ""; // the next change asks again
        return;
      }
      below.element.hidden = held.moving.size === 0;
      await Promise.all([plot.update(), below.update()]);
    }
  };
}

function wanted(view) {
  return [...new Set(view.chosen ?? view.defaults())].slice(0, 20);
}

function terms(view) {
  const { columns } = view.points;
  const measured = Object.keys(columns).filter((key) => key.startsWith("validation.")).map((key) => key.slice(11));
  return [...metricsOf(view), ...measured.filter((path) => !metricsOf(view).includes(path))];
}

function chosenPath(view) {
  const paths = terms(view);
  return paths.includes(read("term")) ? read("term") : paths[0];
}

// The weights in force by epoch, of the trials whose weights move.
async function moving(view, numbers) {
  const scheduled = Object.keys(view.best?.schedules ?? {}).length > 0;
  const asked = numbers.filter((number_) => scheduled || view.settings.some((each) => each.trial === number_ && each.moves));
  const found = await Promise.all(asked.map((number_) => find(`${view.at}/trials/${number_}`)));
  const epochs = found.map((trial) => (trial?.intermediate_values ?? []).filter((epoch) => Object.keys(epoch.weights ?? {}).length));
  return new Map(asked.map((number_, place) => [number_, epochs[place]]).filter(([, each]) => each.length));
}

function look(view, number_, place) {
  const setting = view.settings.find((each) => each.trial === number_);
  return setting ? { color: setting.color, title: setting.title, dash: "solid" } : { color: settingStyle("", place).color, title: `trial ${number_}`, dash: DASHES[Math.floor(place / 5) % DASHES.length] };
}

function metricPlot(view, held) {
  const picker = h("select", { "aria-label": "Term or metric", "data-key": "term", onchange: (event) => { write({ term: event.target.value }); self.update(); } },
    terms(view).map((path) => h("option", { value: path, selected: path === chosenPath(view) }, path)));
  const self = figure({
    id: "curves-plot", file: `${view.name}-curves`, title: "By epoch", height: 340, class: "wide", controls: h("span", { class: "controls" }, picker),
    draw: () => {
      const path = chosenPath(view);
      const unit = unitOf(path);
      const data = held.curves.map((curve, place) => {
        const style = look(view, curve.trial, place);
        return { type: "scatter", mode: "lines", name: plain(style.title), x: curve.epochs, y: (curve.values[path] ?? []).map((value) => (value === null ? null : value * unit.factor)), line: { color: style.color, width: 2, dash: style.dash }, hovertemplate: `${plain(style.title)}, epoch %{x}: %{y:.4g}<extra></extra>` };
      });
      return { data, layout: { height: 340, showlegend: true, margin: { l: 60, r: 14, t: 34, b: 42 }, xaxis: epochAxis(view.study.definition.training.epochs), yaxis: { title: `${plain(metricName(path))}${unit.suffix ? ", %" : ""}`, zeroline: false }, uirevision: path }, note: data.length ? `${searchSeedsFirst(view.study)}, validation split. Click a mark above, or choose rows of the table below, to draw other trials.` : "No epoch is stored of the trials chosen." };
    },
    rows: () => {
      const epochs = [...new Set(held.curves.flatMap((curve) => curve.epochs))].sort((a, b) => a - b);
      const path = chosenPath(view);
      return { columns: ["Epoch", ...held.curves.map((curve, place) => look(view, curve.trial, place).title)], rows: epochs.map((epoch) => [epoch, ...held.curves.map((curve) => number(curve.values[path]?.[curve.epochs.indexOf(epoch)]))]) };
    },
  });
  return self;
}

function weightPlot(view, held) {
  const lines = () => [...held.moving].flatMap(([number_, epochs], place) => {
    const style = look(view, number_, place);
    return Object.keys(epochs[0].weights).map((path, index) => ({ title: `${style.title}: ${path}`, epochs: epochs.map((epoch) => epoch.epoch), values: epochs.map((epoch) => epoch.weights[path]), color: style.color, dash: DASHES[index % DASHES.length] }));
  });
  return figure({
    id: "curves-weights", file: `${view.name}-weights-in-force`, title: "Weights in force", height: 240, class: "wide",
    draw: () => ({ data: lines().map((line) => ({ type: "scatter", mode: "lines", name: plain(line.title), x: line.epochs, y: line.values, line: { color: line.color, dash: line.dash, width: 2 }, hovertemplate: `${plain(line.title)}, epoch %{x}: %{y:.4g}<extra></extra>` })), layout: { height: 240, showlegend: true, margin: { l: 60, r: 14, t: 34, b: 42 }, xaxis: epochAxis(view.study.definition.training.epochs), yaxis: { title: "weight", zeroline: false } } }),
    rows: () => ({ columns: ["Weight", ...(lines()[0]?.epochs ?? []).map((epoch) => `epoch ${epoch}`)], rows: lines().map((line) => [line.title, ...line.values.map((value) => number(value))]) }),
  });
}

