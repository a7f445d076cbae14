"""Never slower: settings through the engine against plain `fit`, each in a process of its own, in turn."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.options import Options
from benchmarks.problems import Problem
from benchmarks.scripts import Job, timed
from benchmarks.table import Table, quicker, timed_table
from benchmarks.turns import Row, Way, in_turn

RUNS = 5
CAPTION = (
    "{settings} setting{s} of {name}, {epochs} epochs of {rows} pictures, batch {batch_size}, in processes that have done their "
    "imports and loaded their data. Plain fit: build, compile, fit, one setting after another. Engine: prepare once a study "
    "(traces, choice of strategy), then train all settings as one cohort. An epoch: of all settings; the first one, which may "
    "trace, is left out."
)


def table(problem: Problem, options: Options) -> Table:
    """Measure `problem.trials` settings by `fit`, one after another, and by the engine as one cohort."""
    count = problem.trials

    def by_fit(run: int) -> Job:
        return Job(problem=problem, trials=count, seed=run)

    def by_engine(run: int) -> Job:
        return Job(problem=problem, trials=count, seed=run, cohorts=(count,))

    ways = [
        Way("plain fit", count, lambda run: timed("fit_script", [by_fit(run)])),
        Way("engine", count, lambda run: timed("floor", [by_engine(run)])),
    ]
    fit, engine = in_turn(ways, options.runs_or(RUNS))
    fit_epoch, engine_epoch, prepared = _epoch(fit), _epoch(engine), _prepared(engine)
    ratios = (quicker(prepared, than=fit), quicker(engine, than=fit), quicker(engine_epoch, than=fit_epoch))
    caption = CAPTION.format(
        settings=count,
        s="s" if count > 1 else "",
        name=problem.name,
        epochs=problem.epochs,
        rows=problem.options["rows"],
        batch_size=problem.batch_size,
    )
    return timed_table(problem.name, caption, (fit, prepared, engine, fit_epoch, engine_epoch), ratios)


def _epoch(row: Row) -> Row:
    """Return the row of one epoch of all settings, from what the programs reported."""
    return replace(row, name=f"{row.name}, an epoch", seconds=tuple(float(text["seconds_an_epoch"]) for text in row.details))


def _prepared(row: Row) -> Row:
    """Return the engine's row without what it does once a study."""
    pairs = zip(row.seconds, row.details, strict=True)
    return replace(row, name=f"{row.name}, once prepared", seconds=tuple(whole - text["prepare_seconds"] for whole, text in pairs))
