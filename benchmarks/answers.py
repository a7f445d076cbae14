"""What a whole study answers, through a real service: the confirmed winner beside its baselines, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.through_the_service import Service

EQUAL = "equal"
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Confirmed:
    """A candidate on fresh seeds: its weights, and mean and standard deviation of its value over `n` seeds."""

    name: str
    weights: Mapping[str, float]
    mean: float
    std: float
    n: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """A finished study: its best-weights document, its trials, and the seconds from the first request to the document."""

    best: Document
    trials: tuple[Document, ...]
    seconds: float

    @property
    def confirmation(self) -> Document:
        """What the confirmation says."""
        confirmation: Document = self.best["confirmation"]
        return confirmation

    @property
    def sentence(self) -> str:
        return str(self.confirmation["verdict"])

    @property
    def winner(self) -> Confirmed:
        return self.candidate(f"trial {self.best['trial']}")

    def candidate(self, name: str) -> Confirmed:
        """Return a candidate by its name: a baseline's rule, or `trial 7`."""
        found, (trial,) = self.confirmation["candidates"][name], [each for each in self.trials if self._is(each, name)]
        value = found["value"]
        means = {path: spread["mean"] for path, spread in found["metrics"].items()}
        return Confirmed(name, trial["weights"], value["mean"], value["std"], value["n"], means)

    @staticmethod
    def _is(trial: Document, name: str) -> bool:
        return name == (trial["rule"] if trial["role"] == "baseline" else f"trial {trial['number']}")

    def baselines(self) -> list[Confirmed]:
        return [self.candidate(name) for name in self.confirmation["against"]]

    def against(self, name: str) -> tuple[float, float, float]:
        """Return by how much the winner is better than a baseline, and the interval's ends."""
        interval = self.confirmation["against"][name]
        return interval["difference"], interval["low"], interval["high"]


def answered(service: Service, definition: Document) -> Answer:
    """Run a study to its end. Raises RuntimeError where it does not end with a verdict."""
    client = service.client
    began = time.perf_counter()
    study = client.wait(client.submit(definition), progress=False)
    if study["state"] != "COMPLETE":
        raise RuntimeError(f"{study['name']} is {study['state']}: {study['reason']}")
    best = client.best(study)
    seconds = time.perf_counter() - began
    return Answer(best, tuple(client.trials(study)), seconds)


def difference_text(found: tuple[float, float, float], digits: int = 1) -> str:
    """Return a difference and its interval: `+41.0 (+38.1 to +43.9)`."""
    difference, low, high = (f"{number:+.{digits}f}" for number in found)
    return f"{difference} ({low} to {high})"
