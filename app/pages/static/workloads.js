// What may be searched: each workload's outputs and options, or why it cannot be described.
import { get } from "./api.js";
import { add, fill, h, table } from "./dom.js";
import { watch } from "./live.js";
import { ago, count } from "./numbers.js";
import { broken, ready } from "./parts.js";

const content = document.getElementById("content");

async function load() {
  const { workloads } = await get("/v1/workloads");
  fill(content, workloads.length ? workloads.map(card) : h("p", { class: "empty" }, "No workload is registered."));
}

function card(workload) {
  const { description, error } = workload;
  const body = error ? h("p", { class: "problem" }, `It cannot be described: ${error.message}${error.at ? ` (at ${error.at})` : ""}`)
    : description ? described(workload, description)
      : h("p", { class: "muted" }, workload.workers ? "No worker has described it yet." : "Not described yet: no live worker can train it.");
  return h("section", { class: "card workload", id: workload.name },
    h("h2", {}, workload.name, " ", h("span", { class: `badge ${workload.workers ? "COMPLETE" : "QUEUED"}` }, workload.workers === 1 ? "1 worker" : `${workload.workers} workers`)),
    body);
}

const shape = (entry) => `(${(entry.shape ?? []).map((size) => size ?? "rows").join(", ")})`;

function described(workload, description) {
  const tensors = ["inputs", "outputs", "targets"].flatMap((kind) =>
    Object.entries(description[kind] ?? {}).map(([name, entry]) => [name, kind.slice(0, -1), shape(entry), entry.dtype ?? "–"]));
  const facts = [];
  if (description.rows) facts.push(Object.entries(description.rows).map(([split, rows]) => `${count(rows)} rows to ${split === "train" ? "train" : split === "test" ? "test" : "validate"}`).join(", "));
  if (description.trainable_parameters) facts.push(`${count(description.trainable_parameters)} trainable parameters`);
  for (const kind of ["losses", "metrics", "penalties"]) if (description[kind]?.length) facts.push(`own ${kind}: ${description[kind].map((each) => each.name ?? each).join(", ")}`);
  if (workload.version) facts.push(`version ${workload.version.slice(0, 8)}`);
  if (workload.published_at) facts.push(`described ${ago(workload.published_at)}`);
  const options = Object.entries(description.options?.properties ?? {});
  return [
    h("p", { class: "muted" }, facts.join(" · ")),
    table(`Tensors of ${workload.name}`, [{ label: "Name" }, { label: "Kind" }, { label: "Shape" }, { label: "Type" }], tensors, { class: "small" }),
    options.length ? table(`Options of ${workload.name}`, [{ label: "Option" }, { label: "Meaning" }, { label: "Default" }],
      options.map(([name, option]) => [name, option.description ?? option.title ?? "–", JSON.stringify(option.default ?? null)]), { class: "small", caption: true }) : null,
  ];
}

load().then(() => watch(null, load)).catch((error) => add(content, [broken(error)])).finally(ready);
