// Make elements. Text is only ever set as text: no name, label or message of a user becomes markup.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key === "style") element.style.cssText = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  return add(element, children);
}

export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

// Replace what is in an element. What was opened stays open, what was scrolled sideways stays so, and the keyboard's focus stays
// where a control with the same key was and is.
export function fill(element, ...children) {
  const focused = document.activeElement;
  const key = focused && element.contains(focused) ? focused.dataset.key : undefined;
  const opened = [...element.querySelectorAll("details[open][data-key]")].map((each) => each.dataset.key);
  const scrolled = [...element.querySelectorAll(".scroll")].filter((each) => each.scrollLeft).map((each) => [each.getAttribute("aria-label"), each.scrollLeft]);
  element.replaceChildren();
  add(element, children);
  for (const each of opened) element.querySelector(`details[data-key="${CSS.escape(each)}"]`)?.setAttribute("open", "");
  for (const [label, left] of scrolled) for (const each of element.querySelectorAll(".scroll")) if (each.getAttribute("aria-label") === label) each.scrollLeft = left;
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  return element;
}

// A table: columns are {label, right, title, sort, sorted}, cells text, nodes or {cell, class}. `stacked`: on a phone a cell a line.
export function table(caption, columns, rows, options = {}) {
  const head = columns.map((column) =>
    h("th", { scope: "col", class: column.right ? "num" : null, title: column.title, "aria-sort": column.sorted },
      column.sort ? h("button", { type: "button", class: "sort", onclick: column.sort, "data-key": `sort ${column.label}` }, column.label, column.sorted ? (column.sorted === "ascending" ? " ↑" : " ↓") : "") : column.label));
  const body = rows.map((row) => {
    const cells = row.cells ?? row;
    return h("tr", { class: row.class, onclick: row.onclick }, cells.map((cell, index) => {
      const tag = index === 0 && options.headed !== false ? "th" : "td";
      const shown = cell?.cell !== undefined ? cell.cell : cell;
      const css = [columns[index]?.right ? "num" : "", cell?.class ?? ""].join(" ").trim();
      return h(tag, { class: css || null, scope: tag === "th" ? "row" : null, title: cell?.title, "data-label": options.stacked ? columns[index].label : null }, shown);
    }));
  });
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", { class: options.class }, h("caption", { class: options.caption ? null : "hidden" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

let announcer = null;

// Say something to a screen reader, and to eyes for a moment.
export function say(text) {
  announcer ??= document.body.appendChild(h("div", { class: "toast", role: "status", "aria-live": "polite" }));
  announcer.textContent = text;
  announcer.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => announcer.classList.remove("shown"), 2500);
}

// `name` is what a screen reader says, where the label alone does not say what is copied.
export function copyButton(label, text, look = "", name = null) {
  const button = h("button", { type: "button", class: `copy ${look}`, "data-key": `copy ${name ?? label}`, "aria-label": name }, label);
  button.addEventListener("click", async () => {
    try {
      if (!navigator.clipboard) throw new Error("no clipboard");
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea", { class: "hidden", "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    say("Copied");
  });
  return button;
}
