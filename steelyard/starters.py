"""Give a user a study definition to start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

DIGITS: Mapping[str, Any] = {
    "name": "digit-and-parity",
    "description": "A weighted sum with a penalty: which digit is it, and is it odd? The two heads should agree.",
    "workload": {"name": "digits", "options": {}},
    "tasks": [
        {
            "name": "digit",
            "losses": [{"name": "crossentropy", "loss": "sparse_categorical_crossentropy", "weight": 1.0}],
            "metrics": ["sparse_categorical_accuracy"],
        },
        {
            "name": "parity",
            "losses": [
                {"name": "crossentropy", "loss": "binary_crossentropy", "weight": {"low": 0.01, "high": 100, "current": 1.0}}
            ],
            "metrics": ["binary_accuracy"],
        },
    ],
    "penalties": [
        {
            "name": "agreement",
            "penalty": "consistency",
            "between": [{"task": "digit", "classes": [1, 3, 5, 7, 9]}, {"task": "parity"}],
            "weight": {"low": 0.0, "high": 10.0},
        }
    ],
    "objective": {
        "aggregate": "mean",
        "metrics": [{"metric": "digit.sparse_categorical_accuracy"}, {"metric": "parity.binary_accuracy"}],
    },
    "search": {
        "sampler": {"name": "tpe", "config": {}},
        "trials": 32,
        "seed": 0,
        "pruner": None,
        "cohort_size": None,
        "max_attempts": 3,
    },
    "training": {
        "epochs": 10,
        "batch_size": 32,
        "optimizer": {"name": "adam", "config": {"learning_rate": 0.001}},
        "report_every": 1,
    },
}
"""The flagship: `examples/digits.json`."""


def digits() -> dict[str, Any]:
    """Return the flagship study, over the built-in workload `digits`."""
    return copy.deepcopy(dict(DIGITS))


SEARCHED: Mapping[str, Any] = {"low": 0.01, "high": 100, "current": 1.0}


def for_workload(name: str, published: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study over any workload, guessed from the outputs and targets that a worker published of it.

    The first task's weight is fixed (only ratios matter), all others are searched. Its description says what was guessed.
    """
    outputs, targets = published.get("outputs") or {}, published.get("targets") or {}
    tasks = [_task(output, outputs[output], targets, first=i == 0 and len(outputs) > 1) for i, output in enumerate(outputs)]
    penalties = [{"name": own, "penalty": own, "weight": {"low": 0.0, "high": 10.0}} for own in published.get("penalties") or ()]
    metrics = [{"metric": f"{task['name']}.{task['metrics'][0]}"} for task in tasks]
    objective = {"aggregate": "mean", "metrics": metrics} if len(metrics) > 1 else {"metrics": metrics}
    own = {kind: list(published.get(kind) or ()) for kind in ("losses", "metrics")}
    return {
        "name": f"{name}-study",
        "description": " ".join(
            [
                "Guessed from the shapes of the outputs and targets: check losses, metrics and ranges.",
                *(f"The workload's own {kind}: {', '.join(names)}." for kind, names in own.items() if names),
            ]
        ),
        "workload": {"name": name, "options": {}},
        "tasks": tasks,
        "penalties": penalties,
        "objective": objective,
        "search": copy.deepcopy(DIGITS["search"]),
        "training": copy.deepcopy(DIGITS["training"]),
    }


def _task(output: str, spec: Mapping[str, Any], targets: Mapping[str, Any], *, first: bool) -> dict[str, Any]:
    target = output if output in targets or len(targets) != 1 else next(iter(targets))
    loss, metric = _loss_and_metric(spec, targets.get(target) or {})
    weight = 1.0 if first else dict(SEARCHED)
    task = {"name": output, "losses": [{"name": "main", "loss": loss, "weight": weight}], "metrics": [metric]}
    return task if target == output else {**task, "target": target}


def _loss_and_metric(output: Mapping[str, Any], target: Mapping[str, Any]) -> tuple[str, str]:
    """Guess by shape and type: whole numbers are classes, one output of them is yes or no, all else is regression."""
    whole = str(target.get("dtype", "")).startswith(("int", "uint", "bool"))
    width = (output.get("shape") or [None])[-1]
    if not whole:
        return "mean_squared_error", "mae"
    if width == 1:
        return "binary_crossentropy", "binary_accuracy"
    if (target.get("shape") or [None])[1:] == (output.get("shape") or [None])[1:]:
        return "categorical_crossentropy", "categorical_accuracy"
    return "sparse_categorical_crossentropy", "sparse_categorical_accuracy"
