"""Train a result's setting in the caller's process, as the study trained it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard.door.rows import INPUT, NamedRows

if TYPE_CHECKING:
    from steelyard.door.call import SearchCall


def fresh_model(source: SearchCall, seed: int) -> Any:
    """Return a new model of the call with the start of a seed, its outputs in the form that the call's model has."""
    import keras

    from search.training.user import given, starts

    with given.untouched(), tempfile.TemporaryDirectory() as folder:
        if source.model is not source.given:
            keras.utils.set_random_seed(seed)
            return source.given()
        starts.save_start(source.model, Path(folder), source.kept, _few(source))
        keras.utils.set_random_seed(seed)
        return starts.started(Path(folder))


def named_model(source: SearchCall, model: Any) -> Any:
    """Return a model of the call over the same layers, with the names of inputs and outputs that the study has."""
    from search.training.problem.keras_private import graph_of
    from search.training.user import brought

    names = None if source.names.inputs is None else list(source.names.inputs)
    return brought.named(model, names, None if graph_of(model) is None else list(source.names.outputs))


def _few(source: SearchCall) -> Any:
    from search.training.user import given

    return given.few_rows(source.model, source.splits["train"].inputs, source.names.inputs, source.names.given_inputs)


def best_epoch(document: Mapping[str, Any], tuned: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], seed: int) -> int:
    """Return the epoch of a setting that counts under a seed, best on validation: the seed's own, else that of the search."""
    repeated = (tuned.get("confirmation") or {}).get("epochs") or {}
    if document["trial"] == tuned["trial"] and str(seed) in repeated:
        return int(repeated[str(seed)])
    return int(next(trial["best_epoch"] for trial in trials if trial["number"] == document["trial"]))


def trained(model: Any, source: SearchCall, training: Mapping[str, Any], epochs: int, seed: int, names: Mapping[str, str]) -> Any:
    """Fit a compiled model on the call's training rows: the study's batch size, and its order of rows under the seed.

    epochs: up to the one that counts. names: what the model calls the study's outputs, where it does so differently.
    """
    from search.training.problem.seeding import epoch_order
    from search.training.user.measure import as_fed

    rows = source.splits["train"]
    for epoch in range(epochs):
        taken = _taken(rows, epoch_order(seed, epoch, rows.count, shuffle=training.get("shuffle", True)))
        weight = _weights(taken, list(source.names.outputs))
        y = {names.get(key, key): value for key, value in taken.targets.items()}
        w = weight if not isinstance(weight, dict) else {names.get(key, key): value for key, value in weight.items()}
        inputs = {name: as_fed(array) for name, array in taken.inputs.items()}
        x = inputs[INPUT] if list(inputs) == [INPUT] else inputs
        model.fit(x, y, sample_weight=w, batch_size=int(training["batch_size"]), epochs=1, shuffle=False, verbose=0)
    return model


def _taken(rows: NamedRows, order: Any) -> NamedRows:
    parts = ({name: np.asarray(array)[order] for name, array in part.items()} for part in (rows.inputs, rows.targets, rows.weights))
    return NamedRows(*parts)


def _weights(rows: NamedRows, outputs: list[str]) -> Any:
    """Return the row weights as `fit` takes them: one array, a dict with every output, or None."""
    if not rows.weights:
        return None
    every = rows.weights.get("", np.ones(rows.count, np.float32))
    if list(rows.weights) == [""]:
        return every
    return {output: rows.weights.get(output, every) for output in outputs}
