"""Plain `fit` of given settings, one after another: build, compile, fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

from benchmarks.plain_keras import PlainKeras
from benchmarks.scripts import Job, serve


class EpochTimes(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Note when each epoch ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.ends.append(time.perf_counter())

    @property
    def seconds_an_epoch(self) -> float:
        """Return the mean of all epochs but the first, which traces."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def prepare(job: Job) -> Callable[[], Mapping[str, Any]]:
    """Load the data."""
    script = PlainKeras(job.problem)
    script.warm_up()

    def fit_all() -> Mapping[str, Any]:
        each = []
        for weights in job.problem.random_weights(job.trials, job.seed):
            times = EpochTimes()
            script.fit(weights, job.seed, [times])
            each.append(times.seconds_an_epoch)
        return {"seconds_an_epoch": sum(each)}

    return fit_all


if __name__ == "__main__":
    serve(prepare)
