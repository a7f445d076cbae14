"""Look at a workload in a file as a worker would, and at a study of it, without a service: `steelyard workload check`.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from search.errors import PreflightError
from search.names import RESERVED, listed
from search.training.child.describe import description_of
from search.training.child.engine_choice import choose, traced
from search.training.child.loading import load, opened
from search.training.child.preflight import preflight
from search.training.engine.cost import cost_of
from search.training.engine.registry import made_engine
from search.training.problem.network import named_outputs
from search.training.problem.problem import TrainingProblem
from search.training.problem.workload import LoadedWorkload
from search.validation import normalize
from search.workloads import registry
from search.workloads.blame import located
from search.workloads.data import EVERY_OUTPUT, Loaded, Rows
from search.workloads.sources import sources_of, split_place
from steelyard import study_templates
from steelyard.check.compare import NotComparable, compared
from steelyard.check.labels import cautions, labels_of

NO_TEST = "there are no test rows: the verdict will say that validation rows judged and chose"
OF_PROBABILITIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
LONGEST_NAME = 59
"""Of a workload as of its file: `-file` may come after it."""
FEW = 64
"""Rows that are run to see whether an output gives probabilities."""


def examined(
    place: str, options: Mapping[str, Any], study: Mapping[str, Any] | None = None, *, train: bool = True
) -> dict[str, Any]:
    """Return the document of a check: see `steelyard workload check --json`.

    `place` is the workload's file, with an absolute path. `study` is a definition to check it with; default: one guessed from its
    outputs and targets. `train`: compare two epochs of `fit` with the engine's.
    Raises PreflightError with the user's file and line, InvalidDefinition.
    """
    tf.get_logger().setLevel(logging.ERROR)
    name = name_of(Path(split_place(place)[0]).stem)
    registry.use(name, place)
    source = load(name)
    try:
        return _examined(name, place, source, options, study, train)
    except PreflightError as refused:
        reason = refused.reason
        of_guess = study is None and (reason.at or "").startswith(("tasks.", "objective."))  # nobody has written that study
        raise PreflightError(reason.code, reason.message, located("load_data" if of_guess else reason.at, source)) from refused


def name_of(stem: str) -> str:
    """Return the workload's name for a file `stem`.py: one that a study can have, and no built-in workload's."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:LONGEST_NAME].rstrip("-_") or "workload"
    return f"{name}-file" if name in {*registry.BUILT_IN, *RESERVED} else name


def _examined(
    name: str, place: str, source: Any, options: Mapping[str, Any], study: Mapping[str, Any] | None, train: bool
) -> dict[str, Any]:
    found = opened(name, options)
    data = found.loaded
    description = description_of(name, source, found)
    labels = {split: _labels(rows) for split, rows in data.splits.items()}
    document = dict(study) if study is not None else _guessed(name, description)
    document["workload"] = {"name": name, "options": dict(options)}
    unsure = list(_logits(document.get("tasks") or (), found, data, guessed=study is None))
    normal = normalize.normalise(document, workloads={name: description})
    with found.settings.active():
        problem = TrainingProblem(normal.definition, found)
        warnings = [*cautions(labels), *unsure, *normal.warnings, *preflight(problem, normal.definition)]
        choice = traced(choose(normal.definition, problem), lambda each: made_engine(each.engine, problem, each.cohort_size))
        try:
            beside = compared(normal.definition, problem, data, choice, description) if train else None
        except NotComparable as refused:
            beside = None
            warnings.append(str(refused))
    sources = sources_of(place)
    return {
        "workload": {"name": name, "version": sources and sources.version, "files": sorted(sources.modules) if sources else []},
        **{key: description[key] for key in ("inputs", "outputs", "targets", "rows", "parameters", "trainable_parameters")},
        "labels": labels,
        "memory": _memory(problem, data.splits.values(), choice.cohort_size),
        "engine": {"name": choice.engine, "settings": choice.cohort_size, "why": choice.why},
        "comparison": beside,
        "warnings": [*warnings, *([] if "test" in data.splits else [NO_TEST])],
        "study": document,
    }


def _guessed(name: str, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study to start from. Raises PreflightError where outputs have no target of their name."""
    outputs, targets = description["outputs"], description["targets"]
    lacking = [output for output in outputs if output not in targets] if len(targets) > 1 else []
    if lacking:
        text = f"no target is called {listed(lacking)}, as the output is: load_data() has the targets {listed(targets)}"
        raise PreflightError("bad_data", text, "load_data")
    return study_templates.for_workload(name, description)


def _labels(rows: Rows) -> dict[str, Any]:
    every = rows.sample_weight.get(EVERY_OUTPUT)
    return {name: labels_of(target, rows.sample_weight.get(name, every)) for name, target in rows.targets.items()}


def _logits(tasks: Iterable[Any], found: LoadedWorkload, data: Loaded, *, guessed: bool) -> Iterator[str]:
    """Yield which outputs are no probabilities where a task's loss wants some. A guessed study says so from then on."""
    few = {name: tf.constant(x[:FEW]) for name, x in data.train.inputs.items()}
    with found.settings.active():
        model = found.network(0).model
        outputs = named_outputs(model, model(next(iter(few.values())) if data.train.single_input else few, training=False))
    for task in tasks:
        output = outputs.get(str(task.get("output") or task.get("name"))) if isinstance(task, dict) else None
        if output is None or task.get("from_logits"):
            continue
        losses = [loss.get("loss") for loss in task.get("losses") or () if isinstance(loss, dict)]
        if any(loss in OF_PROBABILITIES and not _are_probabilities(output, loss) for loss in losses):
            text = f"task {task['name']}: its output gives numbers that are no probabilities, and its loss wants some"
            yield f"{text}: the study below says from_logits" if guessed else f'{text}: set "from_logits": true'
            if guessed:
                task["from_logits"] = True


def _are_probabilities(output: Any, loss: str) -> bool:
    values = np.asarray(output)
    inside = bool(((values >= 0) & (values <= 1)).all())
    return inside and (loss == "binary_crossentropy" or bool(np.allclose(values.sum(axis=-1), 1, atol=1e-3)))


def _memory(problem: TrainingProblem, splits: Any, settings: int) -> dict[str, int]:
    arrays = [array for rows in splits for part in (rows.inputs, rows.targets, rows.sample_weight) for array in part.values()]
    setting = cost_of(problem).bytes_a_setting
    return {"data_bytes": sum(array.nbytes for array in arrays), "setting_bytes": setting, "settings_bytes": setting * settings}
