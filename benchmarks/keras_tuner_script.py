"""The same search by KerasTuner's BayesianOptimization: loss weights as hyperparameters of `compile`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner

from benchmarks.plain_keras import PlainKeras
from benchmarks.scripts import Job, serve

DIRECTIONS = {"maximize": "max", "minimize": "min"}


def prepare(job: Job) -> Callable[[], Mapping[str, Any]]:
    """Load the data and make the tuner."""
    script = PlainKeras(job.problem)
    script.warm_up()

    def build(hp: Any) -> Any:
        tasks = job.problem.tasks
        return script.compiled({task.name: hp.Float(task.name, task.low, task.high, sampling="log") for task in tasks})

    tuner = keras_tuner.BayesianOptimization(
        build,
        objective=[keras_tuner.Objective(task.logged, DIRECTIONS[task.direction]) for task in job.problem.tasks],
        max_trials=job.trials,
        seed=job.seed,
        directory=job.folder,
    )

    def search() -> Mapping[str, Any]:
        tuner.search(*script.train, **script.fit_arguments)
        return {"best": -tuner.oracle.get_best_trials(1)[0].score / len(job.problem.tasks)}

    return search


if __name__ == "__main__":
    serve(prepare)
