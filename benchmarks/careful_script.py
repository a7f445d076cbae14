"""The script that a careful researcher writes: each task alone, equal weights, a search, and its best again on new seeds.

The search is by delta_m. Every training builds, compiles and fits a Keras model, one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import optuna

from benchmarks.plain_keras import PlainKeras
from benchmarks.problems import Problem
from benchmarks.scripts import Job, serve

TOP = 3
SIGNS = {"maximize": 1.0, "minimize": -1.0}

Logs = Mapping[str, float]


def delta_m(problem: Problem, logs: Logs, alone: Logs) -> float:
    """Return the mean relative change against each task alone, in percent, more being better."""
    changes = [SIGNS[task.direction] * (logs[task.logged] / alone[task.logged] - 1) for task in problem.tasks]
    return 100 * fmean(changes)


class Study:
    """The whole study of one problem; counts its trainings."""

    def __init__(self, script: PlainKeras, job: Job) -> None:
        self.script, self.problem, self.job = script, job.problem, job
        self.trainings = 0

    def __call__(self) -> Mapping[str, Any]:
        seed, equal = self.job.seed, dict.fromkeys((task.name for task in self.problem.tasks), 1.0)
        alone = self._alone(self.script.fit, range(seed, seed + self.job.references))
        before = delta_m(self.problem, self._trained(self.script.fit, equal, seed), alone)
        found = self._search(alone)
        fresh = range(seed + 1000, seed + 1000 + self.job.confirmations)
        tested = self._alone(self.script.fit_and_test, fresh)
        confirmed = [self._confirmed(weights, fresh, tested) for weights in (*found, equal)]
        return {"equal": before, "confirmed": confirmed, "trainings": self.trainings}

    def _trained(self, fit: Callable[..., Logs], weights: Mapping[str, float], seed: int) -> Logs:
        self.trainings += 1
        return fit(weights, seed)

    def _alone(self, fit: Callable[..., Logs], seeds: Sequence[int]) -> Logs:
        """Return what each task's metric is where it is trained alone: the mean over seeds."""
        found = {}
        for task in self.problem.tasks:
            weights = {other.name: float(other is task) for other in self.problem.tasks}
            found[task.logged] = fmean(self._trained(fit, weights, seed)[task.logged] for seed in seeds)
        return found

    def _search(self, alone: Logs) -> list[dict[str, float]]:
        """Return the best settings of a TPE search, the best first."""

        def objective(trial: optuna.Trial) -> float:
            weights = {
                task.name: trial.suggest_float(task.name, task.low, task.high, log=True) if task.searched else task.low
                for task in self.problem.tasks
            }
            trial.set_user_attr("weights", weights)
            return delta_m(self.problem, self._trained(self.script.fit, weights, self.job.seed), alone)

        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=self.job.seed))
        study.optimize(objective, n_trials=self.job.trials)
        ranked = sorted(study.trials, key=lambda trial: -(trial.value or 0.0))
        return [trial.user_attrs["weights"] for trial in ranked[:TOP]]

    def _confirmed(self, weights: Mapping[str, float], seeds: Sequence[int], alone: Logs) -> float:
        values = [delta_m(self.problem, self._trained(self.script.fit_and_test, weights, seed), alone) for seed in seeds]
        return fmean(values)


def prepare(job: Job) -> Callable[[], Mapping[str, Any]]:
    """Load the data, and train on one batch."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    script = PlainKeras(job.problem)
    script.warm_up()
    return Study(script, job)


if __name__ == "__main__":
    serve(prepare)
