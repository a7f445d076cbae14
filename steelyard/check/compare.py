"""Train a workload for two epochs by Keras's `fit` and by the engine, and hold both against each other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search.definition.schema import StudyDefinition
from search.definition.searched_arguments import substitute
from search.definition.space import SearchSpace
from search.export.reproduction import Published, how_to_use
from search.planning.phases import trainings
from search.training.child.engine_choice import Choice
from search.training.engine.registry import made_engine
from search.training.interface import Ended, EpochReport, Setting
from search.training.problem.problem import TrainingProblem
from search.training.problem.seeding import epoch_order
from search.training.user.apply import apply
from search.training.user.measure import as_fed, measure
from search.validation import normalize
from search.workloads.blame import one_line
from search.workloads.data import EVERY_OUTPUT, Loaded, Rows
from storage.records import Reason, TrialState

EPOCHS = 2
SEED = 0


class NotComparable(Exception):
    """`fit` or the engine could not train the workload to the end; the text says why."""


def compared(definition: StudyDefinition, problem: TrainingProblem, data: Loaded, choice: Choice, description: Any) -> Any:
    """Return a document: each term after two epochs by `fit` and by the engine, both times, and the speed-up to expect.

    `data` are the workload's arrays, `description` what is published of it. All weights that are searched are 1, and arguments that
    are searched have their usual values.
    Raises NotComparable where one of the two trainings ends before its last epoch, or cannot be made.
    """
    usual = substitute(definition, SearchSpace(definition).usual_arguments())
    if usual != definition:
        problem = TrainingProblem(usual, problem.opened)
    size = choice.cohort_size
    short = usual.model_copy(update={"training": usual.training.model_copy(update={"epochs": EPOCHS, "report_every": 1})})
    weights = {term.path: term.weight if isinstance(term.weight, float | int) else 1.0 for term in SearchSpace(definition).terms}
    try:
        fit_values, fit_seconds = _by_fit(short, problem, data, weights, description)
    except Exception as error:  # what fit and the user's code raise can be anything
        points = ", which has no point sets (`extra`)" if problem.opened.loaded.extra else ""
        raise NotComparable(f"no comparison with fit: training by fit{points} failed: {one_line(error)}") from error
    engine_values, engine_seconds = _by_engine(short, problem, weights, choice.engine, size)
    terms = {
        path: {"fit": fit_values[path], "engine": engine_values[path], "difference": abs(fit_values[path] - engine_values[path])}
        for path in weights
        if path in fit_values and path in engine_values
    }
    return {
        "epochs": EPOCHS,
        "terms": terms,
        "largest_difference": max((each["difference"] for each in terms.values()), default=0.0),
        **_times(definition, fit_seconds, engine_seconds, size),
    }


def _times(definition: StudyDefinition, fit: Sequence[float], engine: Sequence[float], size: int) -> dict[str, Any]:
    """Return the seconds of both, and what they say of whole trainings.

    The first epoch has the traces, which the engine makes once a study. The engine's epochs measure the validation rows too; those
    of `fit` do not.
    """
    epochs, count = definition.training.epochs, trainings(definition)
    by_fit = fit[0] + (epochs - 1) * fit[1]
    by_engine = max(engine[0] - engine[1], 0.0) / count + epochs * engine[1] / size
    return {
        "fit_seconds": list(fit),
        "engine_seconds": list(engine),
        "settings": size,
        "training": {"epochs": epochs, "trainings": count, "fit_seconds": by_fit, "engine_seconds": by_engine},
        "speed_up": by_fit / by_engine,
    }


def _by_fit(
    definition: StudyDefinition, problem: TrainingProblem, data: Loaded, weights: Mapping[str, float], description: Any
) -> tuple[dict[str, float], list[float]]:
    document = _document(definition, problem, weights, description)
    model = problem.network(SEED).model
    tuned, workload = apply(model, document, workload=problem.opened.workload), problem.opened.workload
    seconds, size = [], definition.training.batch_size
    for epoch in range(EPOCHS):
        x, y, weight = _taken(data.train, epoch_order(SEED, epoch, data.train.count, shuffle=problem.shuffle))
        began = time.perf_counter()
        tuned.fit(x, y, sample_weight=_as_fit(weight, y), batch_size=size, epochs=1, shuffle=False, verbose=0)
        seconds.append(time.perf_counter() - began)
    return measure(model, document, *_taken(data.validation, slice(None)), workload=workload), seconds


def _document(
    definition: StudyDefinition, problem: TrainingProblem, weights: Mapping[str, float], description: Any
) -> dict[str, Any]:
    """Return what `apply` reads of a best-weights document."""
    sent = normalize.to_api(definition)
    return {
        "weights": dict(weights),
        **how_to_use(definition, weights, Published.of(description, tuple(problem.opened.outputs))),
        "schedules": {},
        "terms": {"tasks": sent["tasks"], "penalties": sent["penalties"]},
        "training": sent["training"],
    }


def _taken(rows: Rows, order: Any) -> tuple[Any, dict[str, Any], Any]:
    """Return these rows as the workload gave them: x, y by name, and weights, None where it gave none."""
    parts = (rows.inputs, rows.targets, rows.sample_weight)
    inputs, targets, weights = ({name: as_fed(array[order]) for name, array in part.items()} for part in parts)
    x = next(iter(inputs.values())) if rows.single_input else inputs
    if not weights:
        return x, targets, None
    return x, targets, weights[EVERY_OUTPUT] if list(weights) == [EVERY_OUTPUT] else weights


def _as_fit(weight: Any, y: Mapping[str, Any]) -> Any:
    """Return row weights as `fit` takes them: one for every target."""
    if not isinstance(weight, dict):
        return weight
    every = weight.get(EVERY_OUTPUT)
    return {name: weight.get(name, np.ones(len(target)) if every is None else every) for name, target in y.items()}


def _by_engine(
    definition: StudyDefinition, problem: TrainingProblem, weights: Mapping[str, float], name: str, size: int
) -> tuple[dict[str, float], list[float]]:
    engine, heard = made_engine(name, problem, size), EpochRecorder()
    engine.train([Setting(number, SEED, weights) for number in range(size)], definition.training, heard)
    if heard.failure is not None or len(heard.reports) <= EPOCHS:
        why = heard.failure.message if heard.failure else "it ended before its last epoch"
        raise NotComparable(f"no comparison with fit: training by the engine failed: {why}")
    last = heard.reports[EPOCHS].measured()[0].validation
    return {path: float(value) for path, value in last.items()}, [heard.reports[epoch].seconds for epoch in (1, 2)]


class EpochRecorder:
    """The observer of a training that is to go to its end: keeps the reports, and why a setting failed."""

    def __init__(self) -> None:
        self.reports: list[EpochReport] = []
        self.failure: Reason | None = None

    def progress(self, steps: int) -> None:
        """Nobody waits for it."""

    def epoch(self, report: EpochReport) -> None:
        self.reports.append(report)

    def ended(self, ended: Ended) -> None:
        if ended.state is not TrialState.COMPLETE:
            self.failure = ended.reason or Reason("diverged", f"the training ended {ended.state}")

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        return {}

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        return ()

    def cancelled(self, number: int) -> bool:
        return False
