"""A whole search: the scripts that Steelyard replaces, Steelyard through its service, and the bare engine, in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

from benchmarks import through_the_service
from benchmarks.options import Options
from benchmarks.problems import Problem
from benchmarks.scripts import Job, timed
from benchmarks.table import Ratio, Table, quicker, timed_table
from benchmarks.turns import Measured, Row, Way, in_turn

RUNS = 3
ONE_PROCESS, TWO_PROCESSES, KERAS_TUNER = "Optuna script", "Optuna script, 2 processes", "KerasTuner"
FLOOR = "bare engine"
CAPTION = (
    "{title}, epochs {epochs}, batch {batch_size}; validated every epoch. Peers are scripts that run already: imports, loading of "
    "data and a first batch are not timed. Steelyard is timed over HTTP (SQLite, workers warm, nothing of the model traced) from "
    "the first request to the best weights. Rows with fewer trials are compared by seconds a trial."
)


@dataclass
class Search:
    """One problem's search, measured. Remembers the last study of a single worker: the bare engine trains the same cohorts."""

    problem: Problem
    options: Options
    samplers: Sequence[str] = ("tpe",)
    again: bool = False
    _last: Measured | None = field(default=None, init=False)

    def table(self) -> Table:
        """Measure everything in turn, and set peers, service and floor in relation."""
        rows = in_turn([*self._peers(), *self._services(), *self._floor()], self.options.runs_or(RUNS))
        problem = self.problem
        caption = CAPTION.format(title=problem.title, epochs=problem.epochs, batch_size=problem.batch_size)
        return timed_table(problem.name, caption, rows, tuple(self._ratios(rows)))

    # The ways

    def _peers(self) -> Iterator[Way]:
        count = self.problem.trials if self.options.same_trials else self.options.peer_trials or self.problem.peer_trials
        if "script" in self.options.peers:
            yield Way(ONE_PROCESS, count, lambda run: timed("optuna_script", [self._job(count, run)]))
        if "two-processes" in self.options.peers:
            yield Way(TWO_PROCESSES, 2 * -(-count // 2), lambda run: self._two_processes(count, run))
        if "keras-tuner" in self.options.peers:
            if find_spec("keras_tuner") is None:
                raise SystemExit('KerasTuner is not installed: pip install -e ".[bench]", or leave it out by --peers')
            yield Way(KERAS_TUNER, count, lambda run: timed("keras_tuner_script", [self._job(count, run)]))

    def _job(self, trials: int, run: int) -> Job:
        return Job(problem=self.problem, trials=trials, seed=run)

    def _two_processes(self, trials: int, run: int) -> Measured:
        jobs = [Job(problem=self.problem, trials=-(-trials // 2), seed=run + 1000 * each, processes=2) for each in range(2)]
        return timed("optuna_script", jobs, _threads_a_process(2))

    def _services(self) -> Iterator[Way]:
        for workers in self.options.workers:
            for sampler in self.samplers:
                yield self._service(sampler, workers)
        if self.again:
            yield self._service(self.samplers[0], self.options.workers[0], studies_before=1)

    def _service(self, sampler: str, workers: int, studies_before: int = 0) -> Way:
        def measure(run: int) -> Measured:
            found = through_the_service.measured(
                self.problem, sampler=sampler, workers=workers, seed=run, studies_before=studies_before
            )
            if (sampler, workers, studies_before) == (self.samplers[0], 1, 0):
                self._last = found
            return found

        return Way(_service_name(sampler, workers, studies_before), self.problem.trials, measure)

    def _floor(self) -> Iterator[Way]:
        def measure(run: int) -> Measured:
            assert self._last is not None
            alike = {"cohorts": tuple(self._last.details["cohorts"]), "engine": self._last.details["engine"]}
            return timed("floor", [self._job(self.problem.trials, run).model_copy(update=alike)])

        if 1 in self.options.workers:
            yield Way(FLOOR, self.problem.trials, measure)

    # What comes of it

    def _ratios(self, rows: Sequence[Row]) -> Iterator[Ratio]:
        named = {row.name: row for row in rows}
        peers = [named[name] for name in (ONE_PROCESS, TWO_PROCESSES, KERAS_TUNER) if name in named]
        for service in (row for row in rows if row not in peers and row.name != FLOOR):
            yield from (quicker(service, than=peer) for peer in peers)
        scripts = [row for row in peers if row.name != KERAS_TUNER]
        if len(scripts) > 1:
            better = min(scripts, key=lambda row: row.seconds_a_trial)
            yield Ratio(
                "better script", better.seconds_a_trial, f"the better script: {better.name}, {better.seconds_a_trial:.3f} s a trial"
            )
        if FLOOR in named:
            whole = named[_service_name(self.samplers[0], 1)]
            share = named[FLOOR].median / whole.median
            yield Ratio("floor / whole", share, f"floor / whole: {share:.2f} ({FLOOR} against {whole.name})")


def _service_name(sampler: str, workers: int, studies_before: int = 0) -> str:
    text = f"Steelyard, {sampler}, {workers} worker{'s' if workers > 1 else ''}"
    return f"{text}, its second study" if studies_before else text


def _threads_a_process(processes: int) -> dict[str, str]:
    """Give every process its share of the cores, so that they do not stand in each other's way."""
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    return {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
