"""A problem as a script without Steelyard has it: data in memory, and a model that is built and compiled for every trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from benchmarks.problems import Problem
from search.workloads import base, registry


class PlainKeras:
    """The problem's rows, and `build_model`, `compile`, `fit` with its arguments."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._workload = base.bind(problem.workload, registry.load(problem.workload), problem.options)
        data = self._workload.load_data()
        self.train, self.validation, self.test = data.train, data.validation, data.test

    def compiled(self, weights: Mapping[str, float]) -> Any:
        """Return a new model under loss weights by task."""
        tasks = self.problem.tasks
        model = self._workload.build_model()
        model.compile(
            optimizer=keras.optimizers.Adam(self.problem.learning_rate),
            loss={task.name: task.loss for task in tasks},
            loss_weights=dict(weights),
            metrics={task.name: [task.metric] for task in tasks},
        )
        return model

    def fit(self, weights: Mapping[str, float], seed: int, callbacks: Sequence[Any] = ()) -> dict[str, float]:
        """Train one setting from its seed, validated every epoch; return the last epoch's logs."""
        return self._fit(weights, seed, callbacks)[1]

    def fit_and_test(self, weights: Mapping[str, float], seed: int) -> dict[str, float]:
        """Train one setting from its seed; return the last epoch's logs, with the test split's numbers as `val_`."""
        model, logs = self._fit(weights, seed)
        tested = model.evaluate(*self.test, batch_size=self.problem.batch_size, verbose=0, return_dict=True)
        return {**logs, **{f"val_{name}": float(value) for name, value in tested.items()}}

    def _fit(self, weights: Mapping[str, float], seed: int, callbacks: Sequence[Any] = ()) -> tuple[Any, dict[str, float]]:
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = self.compiled(weights)
        history = model.fit(*self.train, **self.fit_arguments, callbacks=list(callbacks)).history
        return model, {name: float(values[-1]) for name, values in history.items()}

    @property
    def fit_arguments(self) -> dict[str, Any]:
        problem = self.problem
        return {"validation_data": self.validation, "epochs": problem.epochs, "batch_size": problem.batch_size, "verbose": 0}

    def warm_up(self) -> None:
        """Train on one batch: what TensorFlow does once in a process is not a trial's cost."""
        x, y = self.train
        rows = self.problem.batch_size
        model = self.compiled(self.problem.random_weights(1, seed=0)[0])
        model.fit(x[:rows], {name: part[:rows] for name, part in y.items()}, batch_size=rows, verbose=0)
