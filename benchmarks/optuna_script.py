"""The script that Steelyard replaces: Optuna suggests loss weights, and every trial builds, compiles and fits a Keras model.

One process keeps its study in memory; several share one in an Optuna journal file, each doing its part of the trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.storages.journal import JournalFileBackend

from benchmarks.plain_keras import PlainKeras
from benchmarks.scripts import Job, serve


class Report(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Report the objective of every epoch to Optuna."""

    def __init__(self, script: PlainKeras, trial: optuna.Trial) -> None:
        super().__init__()
        self._script, self._trial = script, trial

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._trial.report(self._script.problem.value(logs or {}), epoch)


def prepare(job: Job) -> Callable[[], Mapping[str, Any]]:
    """Load the data and open the study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    script = PlainKeras(job.problem)
    script.warm_up()
    study = optuna.create_study(
        study_name="loss-weights",
        storage=_shared_storage(job.folder) if job.processes > 1 else None,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=job.seed),
        load_if_exists=True,
    )

    def objective(trial: optuna.Trial) -> float:
        weights = {task.name: trial.suggest_float(task.name, task.low, task.high, log=True) for task in job.problem.tasks}
        return job.problem.value(script.fit(weights, job.seed, [Report(script, trial)]))

    def search() -> Mapping[str, Any]:
        study.optimize(objective, n_trials=job.trials)
        return {"best": study.best_value}

    return search


def _shared_storage(folder: str) -> optuna.storages.JournalStorage:
    file = JournalFileBackend(str(Path(folder) / "journal.log"))
    return optuna.storages.JournalStorage(file)


if __name__ == "__main__":
    serve(prepare)
