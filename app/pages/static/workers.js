// Who is alive, and what it does.
import { find, get } from "./api.js";
import { add, fill, h, table } from "./dom.js";
import { watch } from "./live.js";
import { ago, count, DASH, duration, memory, moment } from "./numbers.js";
import { broken, ready, studyLink } from "./parts.js";

const content = document.getElementById("content");

async function load() {
  const { workers } = await get("/v1/workers");
  const busy = [...new Set(workers.filter((worker) => worker.alive && worker.study).map((worker) => worker.study))];
  const running = Object.fromEntries(await Promise.all(busy.map(async (name) => [name, await find(`/v1/studies/${name}/cohorts`)])));
  const order = (worker) => (worker.alive ? 0 : 1);
  workers.sort((a, b) => order(a) - order(b) || b.heartbeat_at.localeCompare(a.heartbeat_at));
  fill(content, workers.length ? shown(workers, running) : h("p", { class: "empty" }, "No worker was heard of within a day. Start one: ", h("code", {}, "steelyard worker")));
}

function doing(worker, running) {
  const cohort = running[worker.study]?.cohorts?.find((each) => each.worker === worker.name);
  if (!worker.study) return "–";
  if (!cohort) return studyLink(worker.study);
  const trials = cohort.trials.map((trial) => trial.number);
  const epoch = Math.max(0, ...cohort.trials.map((trial) => trial.epochs));
  const what = cohort.purpose === "preflight" ? "preparing it" : `${trials.length === 1 ? `trial ${trials[0]}` : trials.length ? `${trials.length} trials (${trials[0]}–${trials.at(-1)})` : "ending"}, epoch ${epoch} of ${cohort.epochs_planned}, ${cohort.engine}`;
  const left = cohort.seconds_left === null ? "" : `, ${duration(cohort.seconds_left)} left`;
  return [studyLink(worker.study), h("small", { class: "muted", title: cohort.engine_why }, ` ${what}${left}`)];
}

function note(...text) {
  return h("small", { class: "muted" }, text);
}

function held(worker) {
  return [memory(worker.memory_bytes), worker.peak_memory_bytes === null ? "" : [h("br"), note(`peak ${memory(worker.peak_memory_bytes)}`)]];
}

// What is warm, and whether it is tracing all the time.
function traced(worker) {
  const { traces } = worker;
  if (!traces) return DASH;
  const of = traces.work_seconds > 0 ? `, ${(100 * traces.seconds / traces.work_seconds).toFixed(0)}\u00a0% of its work` : "";
  const warm = traces.warm.map((each, place) => [place ? ", " : "", studyLink(each.study), ` (${each.graphs})`]);
  return [`${count(traces.kept)} warm`, warm.length ? note(": ", warm) : "", h("br"), note(`${count(traces.made)} traced in ${duration(traces.seconds)}${of}`)];
}

function shown(workers, running) {
  const columns = [{ label: "Worker" }, { label: "State" }, { label: "Works on" }, { label: "Memory", right: true, title: "Resident memory of the worker and its training process" }, { label: "Graphs", title: "What its training process has traced since it started, and what it keeps" }, { label: "Host" }, { label: "Version" }, { label: "Workloads" }, { label: "Started", right: true }, { label: "Last seen", right: true }];
  const rows = workers.map((worker) => ({
    class: worker.alive ? "" : "gone",
    cells: [worker.name, h("span", { class: `badge ${worker.alive ? (worker.state === "busy" ? "RUNNING" : "COMPLETE") : "CANCELLED"}` }, worker.alive ? worker.state : worker.state === "stopped" ? "stopped" : "lost"),
      doing(worker, running), held(worker), { cell: traced(worker), class: "graphs" }, [worker.host, h("br"), note(`process ${worker.pid}`)], worker.version, worker.workloads.map((name) => h("span", { class: "label" }, name)),
      { cell: ago(worker.started_at), title: moment(worker.started_at) }, { cell: ago(worker.heartbeat_at), title: moment(worker.heartbeat_at) }],
  }));
  return table("Workers", columns, rows, { class: "list stacked", stacked: true });
}

load().then(() => watch(null, load, () => true)).catch((error) => add(content, [broken(error)])).finally(ready);
