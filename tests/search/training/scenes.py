"""Small problems for training, and an observer that keeps what it hears."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from search.definition.schema import StudyDefinition
from search.training.child.preflight import preflight
from search.training.engine.engine import CohortEngine
from search.training.engine.strategies import STRATEGIES
from search.training.interface import Ended, EpochReport, Setting
from search.training.problem.problem import TrainingProblem
from search.training.problem.workload import LoadedWorkload
from search.workloads import registry
from search.workloads.base import ResolvedWorkload, bind
from storage.records import TrialState

RANGE = {"low": 0.1, "high": 10}


class Recorder:
    """Keeps all reports; cancels the settings in `cancel` once `after` reports have come."""

    def __init__(self, cancel: Sequence[int] = (), after: int = 0) -> None:
        self.reports: list[EpochReport] = []
        self.ends: dict[int, Ended] = {}
        self.steps = 0
        self._cancel, self._after = set(cancel), after

    def progress(self, steps: int) -> None:
        self.steps = steps

    def epoch(self, report: EpochReport) -> None:
        self.reports.append(report)

    def ended(self, ended: Ended) -> None:
        assert ended.number not in self.ends
        self.ends[ended.number] = ended

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        return {}

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        return ()

    def cancelled(self, number: int) -> bool:
        return number in self._cancel and len(self.reports) >= self._after

    def values(self, number: int, epoch: int, split: str = "validation") -> dict[str, float]:
        """Return a setting's numbers of one epoch."""
        (report,) = (each for each in self.reports if each.epoch == epoch and number in each.numbers)
        place = list(report.numbers).index(number)
        return {path: values[place] for path, values in getattr(report, split).items()}

    def epochs(self, number: int) -> list[int]:
        return [report.epoch for report in self.reports if number in report.numbers]

    def states(self) -> dict[int, TrialState]:
        return {number: ended.state for number, ended in self.ends.items()}


def study(tasks: Sequence[Mapping[str, Any]], penalties: Sequence[Mapping[str, Any]] = (), **parts: Any) -> StudyDefinition:
    """Return a definition with these tasks and penalties; `workload`, `training`, `search` as given."""
    return StudyDefinition.model_validate(
        {
            "workload": {"name": "mine"},
            "tasks": list(tasks),
            "penalties": list(penalties),
            "objective": {"metrics": [{"metric": "any.metric", "direction": "minimize"}]},
            **parts,
        }
    )


def task(name: str, loss: str | None = "mean_squared_error", metrics: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    """Return a task with one loss named `error`, searched."""
    losses = [] if loss is None else [{"name": "error", "loss": loss, "weight": RANGE}]
    return {"name": name, "losses": losses, "metrics": list(metrics), **more}


def workload(build_model: Callable[[], Any], train: Any, validation: Any = None, **more: Any) -> ResolvedWorkload:
    """Return a workload of one's own, validated on its training rows unless configured otherwise."""
    extra = more.pop("extra", {})
    data = {"train": train, "validation": train if validation is None else validation, "extra": extra}
    return bind("mine", SimpleNamespace(build_model=build_model, load_data=lambda: data, **more), {})


def built_in(name: str, **options: Any) -> ResolvedWorkload:
    return bind(name, registry.load(name), options)


def problem_of(definition: StudyDefinition, bound: ResolvedWorkload) -> TrainingProblem:
    return TrainingProblem(definition, LoadedWorkload(bound))


def checked(definition: StudyDefinition, bound: ResolvedWorkload) -> TrainingProblem:
    """Return the problem after its preflight."""
    problem = problem_of(definition, bound)
    preflight(problem, definition)
    return problem


def engine_of(definition: StudyDefinition, bound: ResolvedWorkload, strategy: str = "serial", size: int = 1) -> CohortEngine:
    return CohortEngine(problem_of(definition, bound), STRATEGIES[strategy], size)


def kept(make: Callable[..., CohortEngine]) -> Callable[..., CohortEngine]:
    """Let an engine be made once for all tests that ask for the same in the same float type: all but the first find it traced.

    Of earlier trainings an engine keeps its graphs and the numbers before training of each seed, and nothing else may show.
    """
    made = functools.cache(lambda floatx, *asked: make(*asked))
    return functools.wraps(make)(lambda *asked: made(keras.config.floatx(), *asked))


def settings(*weights: Mapping[str, float], seed: int = 0) -> list[Setting]:
    return [Setting(number, seed, each) for number, each in enumerate(weights)]


def linear(outputs: Mapping[str, int], inputs: int = 3, activations: Mapping[str, str] | None = None) -> Callable[[], keras.Model]:
    """Return a build_model of one Dense layer an output, of the given widths."""

    def build_model() -> keras.Model:
        x = keras.Input((inputs,))
        heads = {name: keras.layers.Dense(width, (activations or {}).get(name), name=name)(x) for name, width in outputs.items()}
        return keras.Model(x, heads)

    return build_model


def rows(count: int = 20, inputs: int = 3, **targets: Any) -> tuple[Any, dict[str, Any]]:
    """Return (x, y): normal inputs, and targets of the given shapes, normal unless an array is given."""
    random = np.random.default_rng(1)
    x = random.normal(size=(count, inputs))
    y = {name: random.normal(size=(count, target)) if isinstance(target, int) else target for name, target in targets.items()}
    return x, y
