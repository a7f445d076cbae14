// A figure: a plot, its table for whoever cannot or will not see it, and its file as SVG and PNG.
import { h, say, table } from "./dom.js";
import { theme } from "./palette.js";

const figures = new Set();
let loading = null;

// Load plotly.js once, when the first figure is drawn: the answer above is read meanwhile.
function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: document.body.dataset.plotly });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.js could not be loaded"));
    document.head.append(script);
  });
  return loading;
}

// Load plotly.js as soon as the answer is on the screen.
export function prepare() {
  if (!window.Plotly) requestAnimationFrame(() => setTimeout(() => plotly().catch(() => {})));
}

// Text for a plot, whose labels know some markup: none of it comes from a name.
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';

function merged(layout, height) {
  const colors = theme();
  const axis = (own = {}) => ({ gridcolor: colors.line, zerolinecolor: colors.line, linecolor: colors.line, tickcolor: colors.line, automargin: true, ticks: "outside", ticklen: 4, ...own, title: { standoff: 8, font: { size: 12, color: colors.muted }, ...(typeof own.title === "string" ? { text: own.title } : own.title) } });
  const whole = { height, margin: { l: 54, r: 14, t: 10, b: 42 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: FONT, size: 12, color: colors.ink }, hovermode: "closest", showlegend: false, dragmode: "zoom", uirevision: "kept", legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 12 }, bgcolor: "rgba(0,0,0,0)" }, hoverlabel: { bgcolor: colors.panel, bordercolor: colors.faint, font: { family: FONT, size: 12, color: colors.ink }, align: "left" }, ...layout };
  for (const key of Object.keys(whole)) if (/^[xy]axis\d*$/.test(key)) whole[key] = axis(whole[key]);
  whole.xaxis ??= axis();
  whole.yaxis ??= axis();
  return whole;
}

// options: {id, title, height, controls, describe, draw() -> {data, layout, note}, rows() -> {columns, rows}, onclick(point)}
export function figure(options) {
  const plot = h("div", { class: "plot", style: `min-height:${options.height}px` });
  const note = h("p", { class: "note" });
  const tables = h("div", { class: "data", hidden: true });
  const toggle = h("button", { type: "button", class: "quiet", "aria-expanded": "false", "data-key": `table ${options.id}` }, "Table");
  const save = (format) => h("button", { type: "button", class: "quiet", "data-key": `${format} ${options.id}`, "aria-label": `${options.title} as ${format.toUpperCase()}`, onclick: () => download(format) }, format.toUpperCase());
  const element = h("figure", { class: `figure ${options.class ?? ""}`, id: options.id },
    h("figcaption", {}, h("span", { class: "name" }, options.title), options.controls, h("span", { class: "tools" }, toggle, save("svg"), save("png"))),
    h("div", { class: "canvas", role: "img", "aria-label": `${options.title}. The button Table shows it as a table.` }, plot), note, tables);
  const self = { element, plot, options, drawn: false, visible: false, update };
  toggle.addEventListener("click", () => {
    tables.hidden = !tables.hidden;
    toggle.setAttribute("aria-expanded", String(!tables.hidden));
    tabulate();
  });

  function tabulate() {
    if (tables.hidden) return;
    const { columns, rows } = options.rows();
    tables.replaceChildren(table(options.title, columns.map((label, index) => ({ label, right: index > 0 })), rows));
  }

  async function update() {
    if (!self.visible || !element.isConnected) return;
    try {
      const library = await plotly();
      const { data, layout, note: text } = options.draw();
      note.textContent = text ?? "";
      const height = layout.height ?? options.height;
      plot.style.minHeight = `${height}px`;
      await library.react(plot, data, merged(layout, height), { displaylogo: false, displayModeBar: false, responsive: true, doubleClick: "reset+autosize" });
    } catch (error) {
      note.textContent = `This figure could not be drawn: ${error.message}`;
      return;
    }
    if (!self.drawn && options.onclick) plot.on("plotly_click", (event) => event.points[0] && options.onclick(event.points[0]));
    self.drawn = true;
    element.dataset.drawn = "";
    tabulate();
  }

  async function download(format) {
    self.visible = true;
    await update();
    const url = await window.Plotly.toImage(plot, { format, width: plot.clientWidth, height: plot.clientHeight, scale: format === "png" ? 2 : 1 });
    h("a", { href: url, download: `${options.file ?? options.id}.${format}` }).click();
    say(`Saved as ${format.toUpperCase()}`);
  }
  figures.add(self);
  observer.observe(element);
  return self;
}

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    for (const each of figures) if (each.element === entry.target) show(each);
  }
}, { rootMargin: "300px" });

function show(each) {
  each.visible = true;
  return each.update();
}

// Draw what is in view now; resolves when it is drawn. The rest is drawn when it comes near.
export async function drawn() {
  const near = [...figures].filter((each) => each.element.isConnected && each.element.getBoundingClientRect().top < innerHeight + 300);
  await Promise.all(near.map(show));
}

// Let go of a figure that is no longer on the page, with what plotly.js keeps of it.
function forget(each) {
  figures.delete(each);
  observer.unobserve(each.element);
  if (each.drawn) window.Plotly.purge(each.plot);
}

export function redraw() {
  for (const each of figures) {
    if (each.element.isConnected) each.update();
    else forget(each);
  }
}

addEventListener("themechange", redraw);
addEventListener("beforeprint", () => {
  for (const each of figures) each.visible = true;
  redraw();
});
matchMedia("print").addEventListener("change", redraw);

// An axis of epochs: no ticks between them.
export function epochAxis(last) {
  return { title: "epoch", zeroline: false, ...(last <= 12 ? { dtick: 1 } : {}) };
}

// Limits for an axis that one far point does not spoil: beyond twice the middle half's width points are left out, and counted.
export function clip(values) {
  const finite = values.filter((value) => typeof value === "number" && Number.isFinite(value)).sort((a, b) => a - b);
  if (finite.length < 8) return { range: null, below: 0, above: 0 };
  const at = (share) => finite[Math.floor(share * (finite.length - 1))];
  const reach = 2 * (at(0.75) - at(0.25) || (finite.at(-1) - finite[0]) / 4 || 1);
  const low = Math.max(finite[0], at(0.25) - reach);
  const high = Math.min(finite.at(-1), at(0.75) + reach);
  const below = finite.filter((value) => value < low).length;
  const above = finite.filter((value) => value > high).length;
  if (!below && !above) return { range: null, below, above };
  const pad = (high - low) * 0.06 || 1;
  return { range: [low - pad, high + pad], below, above };
}

// Limits for an axis of means with intervals: one of two seeds is so wide that it would leave no room for what is measured, so no
// bar takes more than the width of all that is. `bars` are {title, low, high}; those that reach beyond are named in the note.
export function room(values, bars) {
  const finite = values.filter((value) => Number.isFinite(value));
  if (!finite.length) return { range: null, note: "" };
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const width = most - least || Math.abs(most) * 0.02 || 1;
  const known = bars.filter((bar) => Number.isFinite(bar.low) && Number.isFinite(bar.high));
  const low = Math.max(least - width, Math.min(least, ...known.map((bar) => bar.low)));
  const high = Math.min(most + width, Math.max(most, ...known.map((bar) => bar.high)));
  const pad = (high - low) * 0.06 || width;
  const range = [low - pad, high + pad];
  const cut = known.filter((bar) => bar.low < range[0] || bar.high > range[1]).map((bar) => bar.title);
  return { range, note: cut.length ? `${cut.length === 1 ? "The bar" : "The bars"} of ${cut.join(", ")} ${cut.length === 1 ? "is" : "are"} longer than shown.` : "" };
}

export function clippedNote(name, clipped) {
  const parts = [clipped.below ? `${clipped.below} below` : "", clipped.above ? `${clipped.above} above` : ""].filter(Boolean);
  return parts.length ? `${name[0].toUpperCase()}${name.slice(1)}: ${parts.join(", ")} the part shown; double-click shows all.` : "";
}
