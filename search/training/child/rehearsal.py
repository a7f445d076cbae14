"""A study in miniature, which a new training process trains once while nobody asks it for anything.

TensorFlow and Keras set much up the first time that a graph is traced, differentiated and run: a quarter of a second of a first
study.
Of what is traced here nothing is used again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from search.definition.schema import StudyDefinition
from search.training.child.engine_choice import choose
from search.training.child.preflight import preflight
from search.training.engine.registry import made_engine
from search.training.interface import Ended, EpochReport, Setting
from search.training.problem.keras_settings import KerasSettings
from search.training.problem.problem import TrainingProblem
from search.training.problem.workload import LoadedWorkload
from search.workloads import base
from search.workloads.base import Data

log = logging.getLogger("steelyard.training")

ROWS, CLASSES = 8, 3
STUDY: Mapping[str, Any] = {
    "name": "rehearsal",
    "workload": {"name": "rehearsal", "options": {}},
    "tasks": [
        {
            "name": "kind",
            "losses": [{"name": "error", "loss": "sparse_categorical_crossentropy", "weight": {"low": 0.1, "high": 1.0}}],
            "metrics": ["sparse_categorical_accuracy"],
        },
        {
            "name": "sign",
            "losses": [{"name": "error", "loss": "binary_crossentropy", "weight": 1.0}],
            "metrics": ["binary_accuracy"],
        },
    ],
    "objective": {"aggregate": "mean", "metrics": [{"metric": "kind.sparse_categorical_accuracy", "direction": "maximize"}]},
    "search": {"trials": 2, "confirmation": None, "baselines": [], "sampler": {"name": "random"}},
    "training": {"epochs": 1, "batch_size": ROWS // 2, "optimizer": {"name": "adam", "config": {"learning_rate": 0.001}}},
}


class RehearsalWorkload:
    """`kind` [batch, 3] and `sign` [batch, 1] from two numbers. All layers have names: Keras counts those without."""

    def build_model(self) -> keras.Model:
        x = keras.Input((2,), name="rehearsal_input")
        features = keras.layers.Dense(4, "relu", name="rehearsal_features")(x)
        outputs = {
            "kind": keras.layers.Dense(CLASSES, "softmax", name="kind")(features),
            "sign": keras.layers.Dense(1, "sigmoid", name="sign")(features),
        }
        return keras.Model(x, outputs, name="rehearsal")

    def load_data(self) -> Data:
        x = np.linspace(-1, 1, 2 * ROWS, dtype=np.float32).reshape(ROWS, 2)
        y = {"kind": np.arange(ROWS, dtype=np.int32) % CLASSES, "sign": np.arange(ROWS, dtype=np.float32)[:, None] % 2}
        return Data(train=(x, y), validation=(x, y))


class _Unheard:
    """Observes a training that nobody wants to hear of."""

    def progress(self, steps: int) -> None:
        pass

    def epoch(self, report: EpochReport) -> None:
        pass

    def ended(self, ended: Ended) -> None:
        pass

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        return {}

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        return ()

    def cancelled(self, number: int) -> bool:
        return False


def rehearse(stopped: Callable[[], bool]) -> None:
    """Train the study in miniature, or as much of it as there is until `stopped` says that there is something else to do."""
    try:
        for _ in steps():
            if stopped():
                return
    except Exception as error:  # nobody asked for it
        log.info("nothing was set up ahead", exc_info=error)


def steps() -> Iterator[None]:
    """Do one part after another, each a fraction of a second."""
    definition, settings = StudyDefinition.model_validate(STUDY), KerasSettings()
    with settings.starting():
        bound = base.bind("rehearsal", RehearsalWorkload, {})
    opened = LoadedWorkload(bound, settings=settings)
    yield
    with settings.active():
        problem = TrainingProblem(definition, opened)
        preflight(problem, definition)
    yield
    with settings.active():
        choice = choose(definition, problem)
        engine = made_engine(choice.engine, problem, choice.cohort_size)
    yield
    with settings.active():
        engine.trace()
    yield
    with settings.active():
        trials = [Setting(number, 0, {"kind.error": 1.0, "sign.error": 1.0}) for number in range(choice.cohort_size)]
        engine.train(trials, definition.training, _Unheard())
    yield
