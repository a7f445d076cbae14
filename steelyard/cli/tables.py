"""Draw studies, trials and catalogs as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from steelyard.cli.fitting import FittingTable
from steelyard.documents import ParetoFront, Study, Trial
from steelyard.formatting import because, done, duration, figure, has_front, memory, number, plain, warnings_of, worth

MOST_COLUMNS = 6


def table_of(*columns: str, right: Sequence[str] = ()) -> FittingTable:
    """Return an empty table with these columns, those in `right` for numbers."""
    return FittingTable(list(map(plain, columns)), list(map(plain, right)))


def fields(pairs: Sequence[tuple[str, str]]) -> Table:
    """Return names and values below each other, without those that are empty."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, value in pairs:
        if value:
            table.add_row(plain(name), plain(value))
    return table


def studies_table(studies: Sequence[Study]) -> FittingTable:
    """Draw one line a study."""
    ranked = any(map(priority_of, studies))
    extra = ("priority",) if ranked else ()
    table = table_of("study", "state", *extra, "trials", "best", "left", "created", right=(*extra, "trials", "best", "left"))
    for study in studies:
        progress, best = study["progress"], study["best"]
        left = "" if study["ended"] or progress["seconds_left"] is None else duration(progress["seconds_left"])
        created = moment(study["times"].get("created_at"))
        trials = f"{done(study)}/{progress['planned']}"
        rank = (str(priority_of(study)),) if ranked else ()
        table.add_row(plain(study["name"]), study["state"], *rank, trials, worth(study, "best") if best else "-", left, created)
    return table


def priority_of(study: Study) -> int:
    """Return a study's priority, which services of earlier versions do not say."""
    return int(study["definition"].get("priority", 0))


def study_table(study: Study) -> Table:
    """Draw one study."""
    progress, best = study["progress"], study["best"]
    counts = ", ".join(f"{count} {state.lower()}" for state, count in progress["trials"].items() if count)
    definition = study["definition"]
    left = None if study["ended"] else progress["seconds_left"]
    pairs = [
        ("study", study["name"]),
        ("state", study["state"]),
        ("because", because(study["reason"])),
        ("workload", str((definition.get("workload") or {}).get("name", ""))),
        ("priority", str(priority_of(study) or "")),
        ("workload version", (study.get("workload_version") or "")[:12]),
        ("trials", f"{done(study)} of {progress['planned']} done" + (f" ({counts})" if counts else "")),
        ("epochs", f"{progress['epochs']} of {progress['epochs_planned']}"),
        ("left", "" if left is None else f"about {duration(left)}"),
        ("best", f"trial {best['number']}, worth {worth(study, 'best')}" if best else _no_best(study)),
        *((name.removesuffix("_at"), moment(at)) for name, at in study["times"].items()),
        ("description", str(definition.get("description") or "")),
        ("labels", ", ".join(f"{key}={value}" for key, value in (definition.get("labels") or {}).items())),
        *(("warning", warning) for warning in warnings_of(study)),
    ]
    return fields(pairs)


def _no_best(study: Study) -> str:
    return f"a front: steelyard pareto {study['name']}" if has_front(study) else "none yet"


def trials_table(trials: Sequence[Trial]) -> FittingTable:
    """Draw one line a trial: role, state, value, objective metrics, searched weights."""
    metrics = _keys(trial["objective"]["values"] for trial in trials)
    weights = _keys(trial["parameters"] for trial in trials) or _keys(trial["weights"] for trial in trials)
    titles = [*metrics, *(f"weight {path}" for path in weights)]
    table = table_of("trial", "role", "state", "value", *titles, "reason", right=("trial", "value", *titles))
    for trial in trials:
        used = {**trial["weights"], **trial["parameters"]}
        table.add_row(
            str(trial["number"]),
            " ".join(filter(None, (trial["role"], trial["rule"]))),
            trial["state"],
            worth(trial),
            *(figure(trial, "objective", "values", path) for path in metrics),
            *(number(used.get(path)) for path in weights),
            plain(because(trial["reason"])),
        )
    return table


def front_table(front: ParetoFront) -> FittingTable:
    """Draw one line a trial of the front: what picks it, its optimised metrics, its weights."""
    metrics = {path: f"{path} {'↑' if way == 'maximize' else '↓'}" for path, way in front["metrics"].items()}
    weights = _keys(trial["weights"] for trial in front["trials"])
    titles = [*metrics.values(), *(f"weight {path}" for path in weights)]
    table = table_of("trial", "role", "pick", *titles, right=("trial", *titles))
    for trial in front["trials"]:
        table.add_row(
            str(trial["number"]),
            " ".join(filter(None, (trial["role"], trial["rule"]))),
            ", ".join(pick for pick, picked in front["picks"].items() if picked == trial["number"]),
            *(number(trial["values"].get(path)) for path in metrics),
            *(number(trial["weights"].get(path)) for path in weights),
        )
    return table


def trial_table(trial: Trial) -> Table:
    """Draw one trial with its last numbers."""
    numbers = [
        (f"{split} {path}", figure(trial, "metrics", split, path))
        for split in ("train", "validation", "test")
        for path in trial["metrics"][split]
    ]
    pairs = [
        ("trial", str(trial["number"])),
        ("role", " ".join(filter(None, (trial["role"], trial["rule"])))),
        ("state", trial["state"]),
        ("because", because(trial["reason"])),
        ("value", worth(trial)),
        ("by seed", ", ".join(_by_seed(trial)) if len(trial["seeds"]) > 1 else ""),
        *((f"weight {path}", number(weight)) for path, weight in trial["weights"].items()),
        *numbers,
        ("epochs", f"{trial['epochs']}" + (f", the best is {trial['best_epoch']}" if trial["best_epoch"] is not None else "")),
        ("attempt", str(trial["attempt"])),
        ("worker", trial["worker"] or ""),
        ("workload version", (trial["workload_version"] or "")[:12]),
        ("started", moment(trial["started_at"])),
        ("ended", moment(trial["ended_at"])),
    ]
    return fields(pairs)


def _by_seed(trial: Trial) -> Iterator[str]:
    for seed, value in trial["by_seed"].items():
        yield f"{seed}: {trial['not_finite'].get(f'by_seed.{seed}') or number(value)}"


def catalog_table(kind: str, entries: Sequence[Mapping[str, Any]]) -> FittingTable:
    """Draw one line a name."""
    table = table_of(kind, "what it is", "arguments")
    for entry in entries:
        arguments = ", ".join(_argument(parameter) for parameter in entry.get("parameters", []))
        about = [str(entry[key]).rstrip(".") for key in ("summary", "formula", "direction") if entry.get(key)]
        later = [] if entry.get("available", True) else ["not yet"]
        table.add_row(plain(entry["name"]), plain("; ".join([*about, *later])), plain(arguments))
    return table


def workloads_table(workloads: Sequence[Mapping[str, Any]]) -> FittingTable:
    """Draw one line a workload, with its outputs where a worker has published them."""
    table = table_of("workload", "workers", "outputs", "options", right=("workers",))
    for workload in workloads:
        published = workload.get("description") or {}
        outputs = ", ".join(f"{name} {shape(output)}" for name, output in (published.get("outputs") or {}).items())
        options = ", ".join((published.get("options") or {}).get("properties") or {})
        error = f"cannot be described: {because(workload['error'])}" if workload.get("error") else ""
        table.add_row(
            plain(workload["name"]),
            str(workload.get("workers", "")),
            plain(error or outputs or "not published yet"),
            plain("" if error else options),
        )
    return table


def workers_table(workers: Sequence[Mapping[str, Any]]) -> FittingTable:
    """Draw one line a worker: what it does, its memory and the most it had, the graphs traced and the share of work that took."""
    titles = ("worker", "host", "pid", "state", "alive", "study", "memory", "peak", "traced", "tracing", "warm", "workloads")
    table = table_of(*titles, right=("pid", "memory", "peak", "traced", "tracing"))
    for worker in workers:
        alive = "yes" if worker["alive"] else "no"
        does = (worker["name"], worker["host"], worker["pid"], worker["state"], alive, worker["study"] or "")
        held = (memory(worker.get("memory_bytes")), memory(worker.get("peak_memory_bytes")))
        table.add_row(*map(plain, (*does, *held, *_traces(worker.get("traces")), ", ".join(worker["workloads"]))))
    return table


def _traces(traces: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Return how many graphs a training process has traced, the share of its work that took, and whose graphs are warm."""
    if traces is None:
        return "-", "-", ""
    share = f"{100 * traces['seconds'] / traces['work_seconds']:.0f} %" if traces["work_seconds"] else "-"
    return str(traces["made"]), share, ", ".join(f"{each['study']} ({each['graphs']})" for each in traces["warm"])


def aliases_table(aliases: Mapping[str, Mapping[str, str]]) -> FittingTable:
    """Draw one line an alias."""
    table = table_of("alias", "of", "means")
    for kind, names in aliases.items():
        for name, meant in names.items():
            table.add_row(plain(name), kind, plain(meant))
    return table


def moment(at: str | None) -> str:
    """Return a time of the service in the user's own time zone."""
    if not at:
        return ""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _argument(parameter: Mapping[str, Any]) -> str:
    return f"{parameter['name']} (required)" if parameter.get("required") else f"{parameter['name']}={parameter.get('default')!r}"


def _keys(mappings: Any) -> list[str]:
    """Return the first keys that occur, in the order of their first occurrence."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))[:MOST_COLUMNS]


def shape(output: Any) -> str:
    shape = output.get("shape") if isinstance(output, Mapping) else None
    return "[" + ", ".join("batch" if size is None and i == 0 else str(size or "?") for i, size in enumerate(shape or [])) + "]"
