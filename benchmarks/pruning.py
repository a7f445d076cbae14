"""What pruning saves: one study without a pruner and with one, through the real service. Epochs, seconds, and what was confirmed.

The study is `examples/digits_overlay.json`: 40 search trials of 25 epochs, judged by how much each task loses against being trained
alone; the best three are trained again on fresh seeds.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from benchmarks.options import Options
from benchmarks.problems import OVERLAID, Problem
from benchmarks.scripts import ROOT
from benchmarks.table import Ratio, Table
from benchmarks.through_the_service import Service, serving
from benchmarks.turns import Measured, Row, Way, in_turn
from steelyard.documents import Trial

RUNS = 3
WITHOUT = "no pruner"
PRUNERS = (WITHOUT, "hyperband", "successive_halving")
CAPTION = (
    "{workload}, aggregate {aggregate}, {trials} search trials of {epochs} epochs, TPE, one worker, warm. Epochs are those of the "
    "search trials. The search lasts from the start of the first of these to the end of the last; training, from the start of the "
    "first baseline or reference, and its cohorts hold these too. Confirmed is the winner's mean on fresh seeds. "
    "Run i has seed i in all rows."
)
COLUMNS = (
    "epochs",
    "seconds of the search",
    "seconds of training until it is over",
    "seconds of each cohort until then (trials)",
    "confirmed",
    "standard deviation",
    "ends of search trials",
    "seconds",
)


def table(options: Options, aggregate: str = "delta_m") -> Table:
    """Measure every pruner in turn, and set its epochs and its confirmed value in relation to the study without one."""
    document = _study(aggregate, quick=options.quick)
    trials, epochs = document["search"]["trials"], document["training"]["epochs"]
    names = PRUNERS[:2] if options.quick else PRUNERS
    rows = in_turn([_way(document, name) for name in names], options.runs_or(RUNS))
    caption = CAPTION.format(workload=document["workload"]["name"], aggregate=aggregate, trials=trials, epochs=epochs)
    header = ("", *COLUMNS)
    return Table("pruning", caption, header, tuple(map(_line, rows)), tuple(_ratios(rows)), record=[asdict(row) for row in rows])


def _study(aggregate: str, *, quick: bool) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "examples" / "digits_overlay.json").read_text())
    document["objective"]["aggregate"] = aggregate
    if quick:
        document["search"] |= {"trials": 8, "confirmation": {"top": 1, "seeds": 2}, "references": {"seeds": 1}}
        document["training"]["epochs"] = 4
    return document


def _way(document: Mapping[str, Any], name: str) -> Way:
    """Return the study under one pruner, in a service of its own."""
    pruner = None if name == WITHOUT else {"name": name}
    trials, training = document["search"]["trials"], document["training"]
    problem = Problem(
        name="pruning",
        workload=document["workload"]["name"],
        options={},
        tasks=OVERLAID,
        epochs=training["epochs"],
        batch_size=training["batch_size"],
        trials=trials,
        peer_trials=trials,
    )

    def measure(run: int) -> Measured:
        with serving(problem, workers=1) as service:
            search = {**document["search"], "pruner": pruner, "seed": run}
            return _run(service, {**document, "name": f"pruning-{run}", "search": search})

    return Way(name, trials, measure)


def _run(service: Service, document: Mapping[str, Any]) -> Measured:
    """Run a study; return its search trials' epochs and ends, and what was confirmed."""
    client, began = service.client, time.perf_counter()
    study = client.wait(client.submit(document), progress=False)
    best = client.best(study)
    seconds = time.perf_counter() - began
    trials = list(client.trials(study))
    searched = [trial for trial in trials if trial["role"] == "search"]
    confirmation = best["confirmation"]
    value = confirmation["candidates"][f"trial {best['trial']}"]["value"]
    shown = {
        "epochs": sum(trial["epochs"] for trial in searched),
        "searched": _lasted(searched, searched),
        "trained": _lasted(trials, searched),
        "cohorts": _cohorts(trials),
        "ends": dict(Counter(trial["state"] for trial in searched)),
        "confirmed": value["mean"],
        "std": value["std"],
        "n": value["n"],
        "optimism": confirmation["optimism"],
        "verdict": confirmation["verdict"],
        "weights": best["weights"],
    }
    return Measured(seconds, shown)


def _lasted(first: Sequence[Trial], last: Sequence[Trial]) -> float:
    """Return the seconds from when the first of the trials `first` was started to when the last of `last` has ended."""
    starts = [datetime.fromisoformat(at) for trial in first if (at := trial["started_at"])]
    ends = [datetime.fromisoformat(at) for trial in last if (at := trial["ended_at"])]
    return (max(ends) - min(starts)).total_seconds()


def _cohorts(trials: Sequence[Trial]) -> list[tuple[int, float]]:
    """Return how many trials each cohort before the confirmation trained, and for how many seconds, in their order."""
    found: dict[int, list[Trial]] = {}
    for trial in trials:
        if trial["role"] != "confirmation":
            found.setdefault(trial["cohort"] or 0, []).append(trial)
    return [(len(each), _lasted(each, each)) for _, each in sorted(found.items())]


def _line(row: Row) -> tuple[str, ...]:
    def each(name: str, form: str) -> str:
        return " ".join(format(details[name], form) for details in row.details)

    ends = " / ".join(", ".join(f"{count} {state}" for state, count in sorted(one["ends"].items())) for one in row.details)
    seconds = " ".join(f"{one:.1f}" for one in row.seconds)
    cohorts = " / ".join(", ".join(f"{lasts:.1f} ({count})" for count, lasts in one["cohorts"]) for one in row.details)
    lasted = (each("searched", ".1f"), each("trained", ".1f"), cohorts)
    return (row.name, each("epochs", "d"), *lasted, each("confirmed", ".1f"), each("std", ".1f"), ends, seconds)


def _ratios(rows: Sequence[Row]) -> list[Ratio]:
    whole, *others = rows
    found = []
    for row in others:
        share, lasts, trains = (_mean(row, name) / _mean(whole, name) for name in ("epochs", "searched", "trained"))
        lead = _mean(row, "confirmed") - _mean(whole, "confirmed")
        noise = _mean(whole, "std")
        noise_text = f"(one training's noise: {noise:.1f})"
        text = f"{row.name}: {share:.0%} of the epochs; confirmed {lead:+.1f} against {WITHOUT} {noise_text}"
        found.append(Ratio(f"epochs, {row.name} / {WITHOUT}", share, text))
        found.append(Ratio(f"seconds, {row.name} / {WITHOUT}", lasts, f"{row.name}: {lasts:.0%} of the search's seconds"))
        text = f"{row.name}: {trains:.0%} of the seconds of training until the search is over"
        found.append(Ratio(f"seconds of training, {row.name} / {WITHOUT}", trains, text))
    return found


def _mean(row: Row, name: str) -> float:
    return statistics.fmean(details[name] for details in row.details)
