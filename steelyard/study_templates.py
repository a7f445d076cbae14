"""Give a user a study definition to start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from search.workloads.flagship import FLAGSHIP


def digits() -> dict[str, Any]:
    """Return the flagship study, over the built-in workload `digits`."""
    return copy.deepcopy(dict(FLAGSHIP))


def overlay() -> dict[str, Any]:
    """Return a study on which the weights matter, short enough to watch: two overlaid digits, one classified, one reconstructed.

    It is `examples/digits_overlay.json` with fewer trials, of two seeds each, and fewer fresh seeds, against equal weights alone.
    24 trials of one seed end 8 points behind the best weight on average (four search seeds), these 2 points; they take no longer.
    """
    weight = {"low": 0.001, "high": 1, "current": 1.0}
    loss = "sparse_categorical_crossentropy"
    return {
        "name": "overlay",
        "description": "Two digits overlap: classify the left one, reconstruct the right one.",
        "workload": {"name": "digits-overlay", "options": {}},
        "tasks": [
            {"name": "left", "losses": [{"name": "crossentropy", "loss": loss, "weight": weight}], "metrics": ["accuracy"]},
            {"name": "right", "losses": [{"name": "error", "loss": "mean_squared_error", "weight": 1.0}], "metrics": ["mse"]},
        ],
        "objective": {"aggregate": "delta_m", "metrics": [{"metric": "left.accuracy"}, {"metric": "right.mse"}]},
        "search": {
            "trials": 16,
            "seeds": 2,
            "baselines": ["equal"],
            "references": {"seeds": 2},
            "confirmation": {"top": 3, "seeds": 5},
        },
        "training": {"epochs": 25, "batch_size": 64, "optimizer": {"name": "adam", "config": {"learning_rate": 0.002}}},
    }


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
        "search": copy.deepcopy(FLAGSHIP["search"]),
        "training": copy.deepcopy(FLAGSHIP["training"]),
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
