"""A study through a real `steelyard serve`: HTTP, SQLite, and workers that are warm when the first request comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.floor import cohorts_text
from benchmarks.problems import Problem
from benchmarks.scripts import ROOT
from benchmarks.turns import Measured
from steelyard.client import Client
from steelyard.documents import Trial

PATIENCE = 180.0
END_SECONDS = 35.0
LOG_LINES = 30
QUIET_SECONDS = 0.5
QUIET_SHARE = 0.1
"""Processes are at rest when together they use less of one core than this."""


class Service:
    """One running service as its user sees it, and as the machine does."""

    def __init__(self, url: str, process: subprocess.Popen[str], workers: int, folder: str = "") -> None:
        self.client = Client(url)
        self.folder = folder  # of its database
        self._process = psutil.Process(process.pid)
        self._workers = workers

    def wait_until_warm(self, workload: str) -> None:
        """Wait until a worker has published the workload, and every worker's child is done with its imports and data."""
        _until(lambda: self._published(workload), f"the workload {workload} is published")
        _until(lambda: len(self.training_children()) == self._workers and self._at_rest(), "all workers are warm")

    def _published(self, workload: str) -> bool:
        return any(entry["name"] == workload and entry["published_at"] for entry in self.client.workloads())

    def _at_rest(self) -> bool:
        before = self._busy_seconds()
        time.sleep(QUIET_SECONDS)
        return self._busy_seconds() - before < QUIET_SHARE * QUIET_SECONDS

    def _busy_seconds(self) -> float:
        times = [process.cpu_times() for process in self._process.children(recursive=True)]
        return float(sum(one.user + one.system for one in times))

    @property
    def process(self) -> psutil.Process:
        """The process that serves the API."""
        return self._process

    def worker_processes(self) -> list[psutil.Process]:
        """Return the workers: the direct children of the service."""
        return list(self._process.children())

    def training_children(self) -> list[psutil.Process]:
        """Return the processes that train, one a worker."""
        return [child for worker in self.worker_processes() for child in worker.children()]


@contextmanager
def serving(problem: Problem, workers: int, database_url: str | None = None) -> Iterator[Service]:
    """Run a service with warm workers for the length of a block, on the database given, else on a new one."""
    with tempfile.TemporaryDirectory(prefix="steelyard-bench-") as folder, open(Path(folder) / "serve.log", "a+") as log:
        command = [sys.executable, "-m", "steelyard", "serve", "--port", "0", "--workers", str(workers), "--json"]
        environment = {name: value for name, value in os.environ.items() if name != "STEELYARD_DATABASE_URL"} | problem.environment
        process = subprocess.Popen(
            [*command, "--data-dir", folder, "--end-with", str(os.getpid())],
            cwd=ROOT,
            env=environment | ({} if database_url is None else {"STEELYARD_DATABASE_URL": database_url}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            service = Service(_announced_url(process), process, workers, folder)
            with service.client:
                if workers:
                    service.wait_until_warm(problem.workload)
                yield service
        except Exception as error:
            log.seek(0)
            error.add_note("the service's log ends so:\n" + "".join(log.readlines()[-LOG_LINES:]))
            raise
        finally:
            _end(process)


def _announced_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the service did not start")
    return str(json.loads(line)["url"])


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE:g} s in vain until {what}")
        time.sleep(0.1)


def timed_study(service: Service, definition: Mapping[str, Any]) -> Measured:
    """Time a study from the first request to the best weights. Raises RuntimeError where a trial has no result."""
    client = service.client
    began = time.perf_counter()
    study = client.wait(client.submit(definition), progress=False)
    best = client.best(study)
    seconds = time.perf_counter() - began
    trials = list(client.trials(study))
    if any(trial["state"] not in ("COMPLETE", "DIVERGED") for trial in trials):
        raise RuntimeError(f"not every trial has a result: {Counter(trial['state'] for trial in trials)}")
    cohorts = cohort_sizes(trials)
    engines = sorted({str(trial["engine"]) for trial in trials})
    how = f"{', '.join(engines)}, cohorts {cohorts_text(cohorts)}"
    return Measured(seconds, {"how": how, "cohorts": cohorts, "engine": engines[0], "best": best["objective"]["value"]})


def cohort_sizes(trials: Sequence[Trial]) -> list[int]:
    """Return the sizes of a study's cohorts, in the order in which they began."""
    return [size for _, size in sorted(Counter(trial["cohort"] or 0 for trial in trials).items())]


def measured(problem: Problem, *, sampler: str, workers: int, seed: int, studies_before: int = 0) -> Measured:
    """Time a study in a service of its own, after `studies_before` others of the same shape that are not timed."""
    with serving(problem, workers) as service:
        for number in range(studies_before):
            timed_study(service, problem.definition(sampler=sampler, seed=seed + 1000 * (number + 1)))
        return timed_study(service, problem.definition(sampler=sampler, seed=seed))
