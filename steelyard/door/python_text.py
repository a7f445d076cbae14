"""Write a result as Python text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from search.definition.schema import Task
from search.export.label_text import FUNCTIONS, label_constants
from search.export.python_literals import assigned


def compile_text(best: Mapping[str, Any]) -> str:
    """Return Python text that compiles a model with a document's weights. Raises ValueError where `compile` cannot say them."""
    if best["reproduced_by"] not in ("compile", "compile_with_losses"):
        raise ValueError(f"{best['note']} (result.apply() returns a model that trains it)")
    optimizer = best["training"]["optimizer"]
    tasks = [Task.model_validate(task) for task in best["terms"]["tasks"]]
    labels = label_constants(tasks)
    lines = [
        f"# Study {best['study']['name']}, trial {best['trial']}, picked by {best['picked_by']}.",
        "import keras",
        *(["import numpy as np"] if labels else []),
        "",
        assigned("LOSS_WEIGHTS", best["loss_weights"]),
        assigned("LOSSES", best["losses"] if "losses" in best else _names(best)),
        assigned("OPTIMIZER", {"class_name": optimizer["name"], "config": optimizer["config"]}),
        *labels,
        "",
        "",
        *(_row_weights() if labels else ()),
        "def compiled(model):",
        '    """Compile the model with what was tuned."""',
        "    losses = _made(LOSSES)",
        "    model.compile(keras.optimizers.get(OPTIMIZER), loss=losses, loss_weights=LOSS_WEIGHTS)",
        "    return model",
        "",
        "",
        "def _made(losses):",
        "    if isinstance(losses, list):",
        "        return [_made(loss) for loss in losses]",
        '    if isinstance(losses, dict) and set(losses) == {"class_name", "config"}:',
        "        return keras.losses.deserialize(losses)",
        "    return {name: _made(loss) for name, loss in losses.items()} if isinstance(losses, dict) else losses",
        "",
    ]
    return "\n".join(lines)


def _row_weights() -> Iterator[str]:
    yield "# model.fit(x, y, sample_weight=weights) with y, weights = row_weights(y) trains what was tuned."
    yield "# Row weights of your own are multiplied: row_weights(y, sample_weight)."
    for function in FUNCTIONS:
        yield from (*function.split("\n"), "", "")


def _names(best: Mapping[str, Any]) -> dict[str, Any]:
    """Return each output's losses by name."""
    found: dict[str, list[str]] = {output: [] for output in best["loss_weights"]}
    for task in best["terms"]["tasks"]:
        found[task.get("output") or task["name"]] += [loss["loss"] for loss in task["losses"]]
    return {output: names if len(names) > 1 else names[0] if names else None for output, names in found.items()}
