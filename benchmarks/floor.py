"""The floor: the bare engine in a warm training child, spoken to over its pipe as a worker does, and no service around it.

What the service adds to this (HTTP, SQL, planning, leases) is all that can be saved without a better engine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from benchmarks.problems import LOSS
from benchmarks.scripts import Job, serve
from search.definition.schema import StudyDefinition
from search.training.child.protocol import (
    Answer,
    CohortTrained,
    DefineStudy,
    DescribeWorkloads,
    Order,
    PrepareStudy,
    StudyPrepared,
    StudyRefused,
    ThreadsWanted,
    TrainCohort,
    WorkloadsDescribed,
)
from search.training.interface import Ended, EpochReport, Setting
from search.validation import normalize
from search.worker.child_process import Child
from storage.records import TrialState

PATIENCE = 600.0
"""Seconds that the child may be silent."""

STUDY = 1

A = TypeVar("A")


def prepare(job: Job) -> Callable[[], Mapping[str, Any]]:
    """Start a child, and wait until it has described its workloads: so warm is a worker when a study comes."""
    child = Child()
    described = last_of(talk(child, DescribeWorkloads(), WorkloadsDescribed), WorkloadsDescribed)
    workloads = {entry["name"]: entry.get("description") for entry in described.workloads}
    definition = normalize.normalise(job.problem.definition(seed=job.seed), workloads=workloads).definition

    def train() -> Mapping[str, Any]:
        return train_cohorts(child, definition, job)

    return train


def talk(child: Child, order: Order, *last: type[Answer]) -> Iterator[Answer]:
    """Give an order and yield the answers up to one of the types `last`. Raises RuntimeError for a refusal or a failed setting."""
    child.send(order)
    while True:
        heard = False
        for answer in child.messages(PATIENCE):
            heard = True
            failed = isinstance(answer, Ended) and answer.state not in (TrialState.COMPLETE, TrialState.DIVERGED)
            if failed or isinstance(answer, StudyRefused):
                raise RuntimeError(f"the training child said {answer}")
            yield answer
            if isinstance(answer, last):
                return
        if not heard:
            raise RuntimeError(f"the training child said nothing for {PATIENCE:g} s")


def last_of(answers: Iterable[Answer], kind: type[A]) -> A:
    """Return the last answer, which is of the type `kind`."""
    *_, last = answers
    assert isinstance(last, kind)
    return last


def train_cohorts(child: Child, definition: StudyDefinition, job: Job) -> Mapping[str, Any]:
    """Prepare the study, then train random settings in cohorts of the given sizes; traces are made on the way."""
    began = time.perf_counter()
    defined = DefineStudy(STUDY, normalize.to_api(definition))
    child.send(defined)
    answer = list(talk(child, PrepareStudy(STUDY, child.threads), StudyPrepared, ThreadsWanted))[-1]
    if isinstance(answer, ThreadsWanted):  # as a worker does
        child.end()
        child = Child(answer.threads)
        child.send(defined)
        answer = list(talk(child, PrepareStudy(STUDY), StudyPrepared))[-1]
    assert isinstance(answer, StudyPrepared)
    prepared, prepare_seconds = answer, time.perf_counter() - began
    engine = job.engine or prepared.engine
    drawn = job.problem.random_weights(sum(job.cohorts), job.seed)
    settings = [
        Setting(number, job.seed, {f"{task}.{LOSS}": weight for task, weight in weights.items()})
        for number, weights in enumerate(drawn)
    ]
    times = EpochTimes()
    for size in job.cohorts:
        cohort, settings = settings[:size], settings[size:]
        for answer in talk(child, TrainCohort(STUDY, engine, prepared.cohort_size, cohort), CohortTrained):
            times.hear(answer)
    child.end()
    how = f"{engine}, cohorts {cohorts_text(job.cohorts)}"
    measured = {"why": prepared.why, "prepare_seconds": prepare_seconds, "seconds_an_epoch": times.seconds_an_epoch}
    return {"how": how, **measured}


class EpochTimes:
    """How long each epoch of settings that are trained together took, as the engine reports it."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, ...], list[float]] = {}

    def hear(self, answer: Answer) -> None:
        """Note an epoch; epoch 0 is before training, and the first one may trace."""
        if isinstance(answer, EpochReport) and answer.epoch > 1:
            self._seconds.setdefault(tuple(answer.numbers), []).append(answer.seconds)

    @property
    def seconds_an_epoch(self) -> float:
        """Return how long one epoch of all settings takes, the first epoch of each left out."""
        return sum(statistics.mean(seconds) for seconds in self._seconds.values())


def cohorts_text(cohorts: Sequence[int]) -> str:
    """Return cohort sizes in short: `16 + 6 x 8`."""
    runs: list[list[int]] = []
    for size in cohorts:
        if runs and runs[-1][1] == size:
            runs[-1][0] += 1
        else:
            runs.append([1, size])
    return " + ".join(f"{count} x {size}" if count > 1 else str(size) for count, size in runs)


if __name__ == "__main__":
    serve(prepare)
