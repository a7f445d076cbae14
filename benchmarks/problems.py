"""The problems, each written down once: the service gets it as a definition, a script as arguments of `compile` and `fit`.

So both train the same model on the same rows, for the same epochs, batches and optimizer, over the same ranges of weights.
Imports no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

LOSS = "term"
"""Name of the one component loss that every task here has."""
ROUNDING = 1e-9


class Written(BaseModel):
    """Base of what is handed to a process as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TunedTask(Written):
    """One output, its loss, the metric it is judged by, and the range of its loss weight (log scale; without width: fixed)."""

    name: str
    loss: str
    metric: str
    direction: Literal["maximize", "minimize"] = "maximize"
    low: float = 0.1
    high: float = 10.0

    @property
    def searched(self) -> bool:
        return self.low < self.high

    @property
    def logged(self) -> str:
        """Return the key under which Keras logs the metric of the validation split."""
        return f"val_{self.name}_{self.metric}"

    def document(self, points: int | None) -> dict[str, Any]:
        """Return the task as a definition has it; `points` for a grid."""
        span = {"low": self.low, "high": self.high, "scale": "log"} | ({"points": points} if points else {})
        weight = span if self.searched else self.low
        return {"name": self.name, "losses": [{"name": LOSS, "loss": self.loss, "weight": weight}], "metrics": [self.metric]}


class Problem(Written):
    """A model and its data by the name of a workload, and how it is trained.

    `place` is the workload's `module:attribute` where it is not built in. `peer_trials`: on how many trials a peer is measured
    unless it is asked to run as many as Steelyard; its cost is linear in them.
    """

    name: str
    workload: str
    options: Mapping[str, Any]
    place: str | None = None
    tasks: tuple[TunedTask, ...]
    epochs: int
    batch_size: int
    learning_rate: float = 0.001
    trials: int
    peer_trials: int

    @property
    def title(self) -> str:
        """Return what is trained, without the path of any file."""
        options = (f"{name} {Path(str(value)).name if name == 'file' else value}" for name, value in self.options.items())
        return f"{self.workload} ({', '.join(options)})" if self.options else self.workload

    @property
    def environment(self) -> dict[str, str]:
        """Return what a process must have in its environment to know the workload."""
        return {"STEELYARD_WORKLOADS": f"{self.workload}={self.place}" if self.place else ""}

    def definition(self, *, sampler: str = "tpe", seed: int = 0, trials: int | None = None) -> dict[str, Any]:
        """Return the study that the service gets, a search alone. A grid has as many points on every axis as `trials` allows."""
        trials = trials or self.trials
        axes = sum(task.searched for task in self.tasks)
        points = math.floor(trials ** (1 / axes) + ROUNDING) if sampler == "grid" else None
        metrics = [{"metric": f"{task.name}.{task.metric}", "direction": task.direction} for task in self.tasks]
        return {
            "name": f"{self.name}-{sampler}-{seed}",
            "workload": {"name": self.workload, "options": dict(self.options)},
            "tasks": [task.document(points) for task in self.tasks],
            "objective": {"aggregate": "mean", "metrics": metrics},
            "search": {"sampler": {"name": sampler}, "seed": seed, "confirmation": None} | ({} if points else {"trials": trials}),
            "training": {
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "optimizer": {"name": "adam", "config": {"learning_rate": self.learning_rate}},
            },
        }

    def value(self, logs: Mapping[str, float]) -> float:
        """Return the objective, to be maximised, from what Keras logged at an epoch: the mean that the definition asks for."""
        signs = {"maximize": 1.0, "minimize": -1.0}
        return sum(signs[task.direction] * logs[task.logged] for task in self.tasks) / len(self.tasks)

    def random_weights(self, count: int, seed: int) -> list[dict[str, float]]:
        """Return `count` settings by task, drawn log-uniformly from the ranges."""
        random = np.random.default_rng(seed)
        low, high = (np.log([getattr(task, end) for task in self.tasks]) for end in ("low", "high"))
        drawn = np.exp(random.uniform(low, high, (count, len(self.tasks)))).tolist()
        return [{task.name: weight for task, weight in zip(self.tasks, row, strict=True)} for row in drawn]


DIGITS = (
    TunedTask(name="digit", loss="sparse_categorical_crossentropy", metric="sparse_categorical_accuracy"),
    TunedTask(name="parity", loss="binary_crossentropy", metric="binary_accuracy", low=0.01, high=100),
)
OVERLAID = (
    TunedTask(name="left", loss="sparse_categorical_crossentropy", metric="sparse_categorical_accuracy", low=0.01, high=1),
    TunedTask(name="right", loss="mean_squared_error", metric="mean_squared_error", direction="minimize", low=0.1, high=1),
)
BALANCED = (
    TunedTask(name="left", loss="sparse_categorical_crossentropy", metric="sparse_categorical_accuracy", low=0.001, high=1),
    TunedTask(name="right", loss="mean_squared_error", metric="mean_squared_error", direction="minimize", low=1, high=1),
)
TWINS = tuple(
    TunedTask(name=name, loss="sparse_categorical_crossentropy", metric="sparse_categorical_accuracy", low=low, high=high)
    for name, low, high in (("one", 1, 1), ("other", 0.01, 100))
)
PICTURES = (
    TunedTask(name="kind", loss="sparse_categorical_crossentropy", metric="sparse_categorical_accuracy"),
    TunedTask(name="colour", loss="mean_squared_error", metric="mean_squared_error", direction="minimize"),
)


def digits_mlp(*, quick: bool = False) -> Problem:
    """Return the digits under two hidden layers of 64."""
    trials, epochs, peer_trials = (4, 2, 2) if quick else (64, 10, 16)
    options = {"model": "mlp", "hidden": [64, 64]}
    return Problem(
        name="digits-mlp",
        workload="digits",
        options=options,
        tasks=DIGITS,
        epochs=epochs,
        batch_size=32,
        trials=trials,
        peer_trials=peer_trials,
    )


def digits_cnn(*, quick: bool = False) -> Problem:
    """Return the digits under convolutions of 16 and 32 filters and a dense layer of 64."""
    trials, epochs, peer_trials = (2, 1, 2) if quick else (24, 10, 8)
    return Problem(
        name="digits-cnn",
        workload="digits",
        options={"model": "cnn"},
        tasks=DIGITS,
        epochs=epochs,
        batch_size=32,
        trials=trials,
        peer_trials=peer_trials,
    )


def multi_mnist(*, quick: bool = False, rows: int | None = None, file: str | None = None) -> Problem:
    """Return Multi-MNIST CL_RR on `rows` training composites, from the images in `file` or synthetic ones of the same size."""
    trials, epochs, peer_trials, default_rows = (2, 1, 2, 512) if quick else (12, 3, 4, 20_000)
    return Problem(
        name="multi-mnist",
        workload="multi-mnist",
        options={"rows": rows or default_rows} | ({"file": file} if file else {}),
        place="benchmarks.workloads:MultiMnist",
        tasks=OVERLAID,
        epochs=epochs,
        batch_size=256,
        trials=trials,
        peer_trials=peer_trials,
    )


def balanced_overlay(*, quick: bool = False) -> Problem:
    """Return digits-overlay, the weight of the classification searched against that of the reconstruction, which is 1."""
    trials, epochs, peer_trials = (3, 2, 1) if quick else (40, 25, 4)
    return Problem(
        name="delta-m",
        workload="digits-overlay",
        options={},
        tasks=BALANCED,
        epochs=epochs,
        batch_size=64,
        learning_rate=0.002,
        trials=trials,
        peer_trials=peer_trials,
    )


def balanced_multi_mnist(*, quick: bool = False, rows: int | None = None, file: str | None = None) -> Problem:
    """Return Multi-MNIST CL_RR for 12 epochs; w_left from 0.001 to 10 where w_right is 1: shares of 0.001 to 0.91."""
    left, right = BALANCED
    tasks = (left.model_copy(update={"high": 10.0}), right)
    changes = {"name": "multi-mnist-delta", "tasks": tasks, "epochs": 1 if quick else 12}
    return multi_mnist(quick=quick, rows=rows, file=file).model_copy(update=changes)


def twins(*, quick: bool = False) -> Problem:
    """Return the digits read twice from one trunk: two tasks that share everything, so that no weights are better than equal."""
    trials, epochs = (3, 1) if quick else (24, 10)
    return Problem(
        name="twins",
        workload="twin-digits",
        options={},
        place="benchmarks.workloads:TwinDigits",
        tasks=TWINS,
        epochs=epochs,
        batch_size=32,
        trials=trials,
        peer_trials=trials,
    )


def big_cnn(*, quick: bool = False) -> Problem:
    """Return a compute-bound CNN of 3.5 million parameters."""
    return _pictures("big-cnn", trials=1 if quick else 3, epochs=2 if quick else 4, quick=quick)


def frozen_trunk(*, quick: bool = False, dropout: float = 0.0) -> Problem:
    """Return the same CNN of which the two heads alone are trained; `dropout` before the trunk makes each step its own."""
    name, more = ("frozen-trunk-dropout", {"dropout": dropout}) if dropout else ("frozen-trunk", {})
    return _pictures(name, trials=4 if quick else 8, epochs=2 if quick else 10, quick=quick, frozen=True, **more)


def _pictures(name: str, *, trials: int, epochs: int, quick: bool, **options: Any) -> Problem:
    return Problem(
        name=name,
        workload="pictures",
        options={"frozen": False, "rows": 64 if quick else 512} | options,
        place="benchmarks.workloads:Pictures",
        tasks=PICTURES,
        epochs=epochs,
        batch_size=32,
        trials=trials,
        peer_trials=trials,
    )
