"""What the command line may ask of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass

PEERS = ("script", "two-processes", "keras-tuner")
"""What Steelyard is measured beside."""


@dataclass(frozen=True)
class Options:
    """How a benchmark is run.

    `runs` None is the benchmark's own number. `peer_trials` None is the problem's own; `same_trials` has peers do as many trials as
    Steelyard. `workers` are the numbers of workers that the service is measured with. `rows` and `mnist` are Multi-MNIST's.
    `sentences` is the folder of the sentences of examples/sentiment_topic; `seeds` the number of fresh seeds of a confirmation;
    `search_seeds` are the seeds of searches, played or real, where they are named.
    `trials` are those of the page's study, `minutes` how long its tab is kept open.
    """

    runs: int | None = None
    quick: bool = False
    peers: tuple[str, ...] = PEERS
    peer_trials: int | None = None
    same_trials: bool = False
    workers: tuple[int, ...] = (1, 2)
    rows: int | None = None
    mnist: str | None = None
    sentences: str | None = None
    seeds: int | None = None
    search_seeds: tuple[int, ...] = ()
    trials: int = 10_000
    minutes: float | None = None

    def runs_or(self, default: int) -> int:
        """Return how often everything is measured: once where it shall be quick."""
        return self.runs or (1 if self.quick else default)
