"""The floor: the bare engine in a warm training child, spoken to over its pipe as a worker does, and no service around it.

What the service adds to this (HTTP, SQL, planning, leases) is all that can be saved without a better engine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.problems import LOSS
from benchmarks.scripts import Job, serve
from search.definition.schema import StudyDefinition
from search.validation import normalize
from search.worker.child_process import Child, Message

PATIENCE = 600.0
"""Seconds that the child may be silent."""


def prepare(job: Job) -> Callable[[], Mapping[str, Any]]:
    """Start a child, and wait until it has described its workloads: so warm is a worker when a study comes."""
    child = Child()
    (described,) = (message for message in talk(child, {"do": "describe"}, "described") if message["is"] == "described")
    workloads = {entry["name"]: entry.get("description") for entry in described["workloads"]}
    definition = normalize.normalise(job.problem.definition(seed=job.seed), workloads=workloads).definition

    def train() -> Mapping[str, Any]:
        return train_cohorts(child, definition, job)

    return train


def talk(child: Child, order: Message, last: str) -> Iterator[Message]:
    """Give an order and yield the answers up to the one that `is` `last`. Raises RuntimeError for a refusal or a failed setting."""
    child.send(order)
    while True:
        heard = False
        for message in child.messages(PATIENCE):
            heard = True
            if message["is"] == "refused" or message.get("state", "COMPLETE") not in ("COMPLETE", "DIVERGED"):
                raise RuntimeError(f"the training child said {message}")
            yield message
            if message["is"] == last:
                return
        if not heard:
            raise RuntimeError(f"the training child said nothing for {PATIENCE:g} s")


def train_cohorts(child: Child, definition: StudyDefinition, job: Job) -> Mapping[str, Any]:
    """Prepare the study, then train random settings in cohorts of the given sizes; traces are made on the way."""
    began = time.perf_counter()
    shown = normalize.shown(definition)
    *_, prepared = talk(child, {"do": "prepare", "study": 1, "definition": shown}, "prepared")
    prepare_seconds = time.perf_counter() - began
    engine = job.engine or prepared["engine"]
    if prepared["threads"] != child.threads:  # as a worker does
        child.end()
        child = Child(prepared["threads"])
    order = {"do": "train", "study": 1, "definition": shown, "cohort_size": prepared["cohort_size"], "engine": engine}
    drawn = job.problem.random_weights(sum(job.cohorts), job.seed)
    settings = [
        {"number": number, "seed": job.seed, "weights": {f"{task}.{LOSS}": weight for task, weight in weights.items()}}
        for number, weights in enumerate(drawn)
    ]
    times = EpochTimes()
    for size in job.cohorts:
        cohort, settings = settings[:size], settings[size:]
        for message in talk(child, {**order, "settings": cohort}, "trained"):
            times.hear(message)
    child.end()
    how = f"{engine}, cohorts {cohorts_text(job.cohorts)}"
    told = {"why": prepared.get("why"), "prepare_seconds": prepare_seconds, "seconds_an_epoch": times.seconds_an_epoch}
    return {"how": how, **told}


class EpochTimes:
    """How long each epoch of settings that are trained together took, as the engine tells it."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, ...], list[float]] = {}

    def hear(self, message: Message) -> None:
        """Note an epoch; epoch 0 is before training, and the first one may trace."""
        if message["is"] == "epoch" and message["epoch"] > 1:
            self._seconds.setdefault(tuple(message["numbers"]), []).append(float(message["seconds"]))

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
