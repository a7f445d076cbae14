"""Try a call's study in the caller's process, on a few of its rows: what would be refused later is refused at the call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.errors import InvalidDefinition, PreflightError

FEW_MEGABYTES = 200.0
"""Up to so many, a study's preflight runs here on all rows; the training process runs it in any case."""

FEW_ROWS = 4096


def initial_values(folder: Path, document: Mapping[str, Any], megabytes: float) -> dict[str, float]:
    """Return each term's value before training, on the first batches of rows, under the study's seed.

    document: a definition whose weights may be any. Raises InvalidDefinition and PreflightError as the study would be refused.
    """
    import tensorflow as tf
    from pydantic import ValidationError

    from search.definition.schema import StudyDefinition
    from search.training.child.preflight import preflight
    from search.training.problem.keras_settings import KerasSettings
    from search.training.problem.problem import TrainingProblem
    from search.training.problem.step import training_batch
    from search.training.problem.workload import LoadedWorkload
    from search.training.user.brought import Brought
    from search.validation.schema_errors import form_faults
    from search.workloads.base import bind

    try:
        definition = StudyDefinition.model_validate(document)
    except ValidationError as error:
        raise InvalidDefinition(form_faults(error, document)) from None
    with KerasSettings().active():
        small = megabytes <= FEW_MEGABYTES
        workload = Brought(folder, None if small else FEW_ROWS)
        opened = LoadedWorkload(bind("the call", workload, {}), definition.search.seed)
        problem = TrainingProblem(definition, opened)
        if small:
            preflight(problem, definition)
        count = min(problem.batch_size, problem.count("train"))
        network = problem.network(definition.search.seed)
        values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
        trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
        extra = {name: tf.range(len(points.points)) for name, points in opened.loaded.extra.items()}
        sums: dict[str, list[float]] = {term.path: [] for term in problem.terms}
        for start in range(0, min(problem.count("train"), 8 * count), count):
            order = tf.range(start, min(start + count, problem.count("train")))
            rows = problem.slice(problem.rows("train"), order, tf.constant(0), extra)
            batch = training_batch(problem, network, rows, trainable, state)[0]
            for term in problem.terms:
                measured = term.measure(batch)
                if float(measured.weight) > 0:
                    sums[term.path].append(float(measured.mean))
    return {path: sum(found) / len(found) for path, found in sums.items() if found}


def refusal_text(error: PreflightError, tasks: Sequence[Mapping[str, Any]] = ()) -> tuple[str, str]:
    """Return where and why a preflight refused, in the words of `search`. tasks: those of the call, to name an output by."""
    at = re.sub(r"^build_model$", "model", error.reason.at or "the call")
    place = re.match(r"tasks\.(\d+)", at)
    if place is not None and int(place[1]) < len(tasks):
        task = tasks[int(place[1])]
        at = f"{at} (output {task.get('output', task['name'])!r})"
    return at, error.reason.message.replace('set training.initial_weights to "fixed"', 'pass initial_weights="model"')
