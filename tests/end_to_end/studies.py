"""Small studies for real training."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples"
_numbers = itertools.count()


def flagship(**search: Any) -> dict[str, Any]:
    """Return the `digits` example under a fresh name; nothing is confirmed unless `search` says so."""
    definition: dict[str, Any] = json.loads((EXAMPLES / "digits.json").read_text())
    definition["name"] = f"digits-{next(_numbers)}"
    definition["search"] = {**definition["search"], "confirmation": None, **search}
    return definition


def regression(
    workload: str = "table",
    *,
    weight: Any = None,
    loss: str = "mean_squared_error",
    epochs: int = 3,
    **search: Any,
) -> dict[str, Any]:
    """Return a study of a two-output regression; `weight` is that of the task `cool`."""
    tasks = [
        {"name": "heat", "losses": [{"name": "error", "loss": loss}], "metrics": ["mae"]},
        {
            "name": "cool",
            "losses": [{"name": "error", "loss": "mean_squared_error", "weight": weight or {"low": 0.1, "high": 10}}],
            "metrics": ["mae"],
        },
    ]
    return {
        "name": f"{workload}-{next(_numbers)}",
        "workload": {"name": workload},
        "tasks": tasks,
        "objective": {"aggregate": "mean", "metrics": [{"metric": "heat.mae"}, {"metric": "cool.mae"}]},
        "search": {"sampler": {"name": "random"}, "trials": 4, "confirmation": None, **search},
        "training": {"epochs": epochs, "batch_size": 16},
    }


def grid(points: int, *, epochs: int = 3) -> dict[str, Any]:
    """Return a `digits` study over a grid of points x points."""
    definition = flagship()
    definition["tasks"][1]["losses"][0]["weight"] = {"low": 0.1, "high": 10, "points": points}
    definition["penalties"][0]["weight"] = {"low": 0, "high": 2, "points": points}
    definition["search"] = {"sampler": {"name": "grid"}, "cohort_size": 2, "confirmation": None}
    definition["training"]["epochs"] = epochs
    return definition
