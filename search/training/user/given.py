"""The model that a user gives to `steelyard.search`: an object or a function, checked, and run on a few rows."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from search.errors import PreflightError
from search.names import listed
from search.training.problem.keras_private import compile_arguments, graph_of, layers_of, own_variables, trainables_of
from search.training.problem.keras_settings import KerasSettings
from search.training.user.brought import FUNCTION
from search.training.user.pickles import write_pickle
from search.training.user.starts import SAY, outputs_of, save_start
from search.workloads.blame import one_line, place_of

FEW = 4
MODEL_ARGUMENTS = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")


@contextmanager
def untouched() -> Iterator[None]:
    """Let Keras run in the caller's process: seeds, names that are counted up and settings are as before afterwards."""
    with KerasSettings().active():
        yield


def example_model(given: Any) -> Any:
    """Return the model, or what the function returns. Raises PreflightError for anything else, and for another backend."""
    if keras.backend.backend() != "tensorflow":
        text = f"Keras runs on {keras.backend.backend()}: only the TensorFlow backend is supported (KERAS_BACKEND=tensorflow)"
        raise PreflightError("unsupported_backend", text, "model")
    if isinstance(given, keras.Model):
        return given
    if not callable(given):
        raise PreflightError("bad_call", f"a keras.Model, or a function that returns one, got a {type(given).__name__}", "model")
    try:
        model = given()
    except Exception as error:
        raise PreflightError("workload_failed", f"the function failed: {one_line(error)}", place_of(error) or "model") from error
    if not isinstance(model, keras.Model):
        raise PreflightError("bad_model", f"the function should return a keras.Model, got a {type(model).__name__}", "model")
    return model


def arguments_of(model: Any) -> dict[str, Any]:
    """Return what the model was compiled with; None for each where it was not."""
    return compile_arguments(model) if getattr(model, "compiled", False) else dict.fromkeys(MODEL_ARGUMENTS)


def few_rows(model: Any, inputs: Mapping[str, Any], names: tuple[str, ...] | None, given: tuple[str, ...]) -> Any:
    """Return a few rows in the form in which the model takes them."""
    floatx = keras.config.floatx()
    few = {name: np.asarray(x[:FEW], floatx if np.asarray(x[:1]).dtype.kind == "f" else None) for name, x in inputs.items()}
    graph = graph_of(model)
    if graph is None:
        return few["input"] if list(few) == ["input"] else few
    if names is None:
        single = next(iter(few.values()))
        return keras.tree.pack_sequence_as(graph[0], [single]) if keras.tree.is_nested(graph[0]) else single
    return keras.tree.pack_sequence_as(graph[0], [few[name] for name in names])


def predict_few(model: Any, x: Any) -> Any:
    """Return the model's outputs for a few rows, not training. Raises PreflightError for what the user's code raises."""
    try:
        return outputs_of(model, x)
    except Exception as error:
        raise PreflightError(
            "workload_failed", f"the model fails on the first rows: {one_line(error)}", place_of(error) or "x"
        ) from error


def kept_layers(model: Any, initial_weights: Any, by_function: bool) -> Collection[str] | None:
    """Return the names of layers that keep their weights beside frozen ones; None where all do.

    Raises PreflightError where it must be said and is not: a model that has been trained, or has frozen layers beside others.
    """
    keeps = isinstance(initial_weights, Mapping) and set(initial_weights) == {"keep"}
    if initial_weights not in (None, "fresh", "model") and not keeps:
        text = f'"fresh", "model" or {{"keep": [names of layers]}}, got {initial_weights!r}'
        raise PreflightError("bad_call", text, "initial_weights")
    if by_function:
        if keeps:
            raise PreflightError("bad_call", "a function decides itself which weights it loads: leave it out", "initial_weights")
        return ()
    if initial_weights is None:
        _require_plain_start(model)
    return None if initial_weights == "model" else tuple(initial_weights["keep"]) if keeps else ()


def _require_plain_start(model: Any) -> None:
    steps = int(model.optimizer.iterations) if getattr(model, "compiled", False) and model.optimizer is not None else 0
    if steps:
        raise PreflightError("bad_call", f"the model has been trained ({steps} steps): {SAY}", "initial_weights")
    weights = [(layer, variable) for layer in layers_of(model) for variable in own_variables(layer)]
    frozen = sorted({layer.name for layer, variable in weights if not layer.trainable and _is_drawn(layer, variable)})
    if frozen and any(variable.trainable for _, variable in weights):
        raise PreflightError("bad_call", f"the model has frozen layers ({listed(frozen)}) beside others: {SAY}", "initial_weights")


def _is_drawn(layer: Any, variable: Any) -> bool:
    """Return whether a layer would train the variable if it were not frozen."""
    return any(variable is each for each in trainables_of(layer))


def write_model(given: Any, model: Any, folder: Path, kept: Collection[str] | None, example: Any, said: bool) -> str:
    """Write what each training is built from, and return whether it is the `model` or a `function`."""
    if isinstance(given, keras.Model):
        save_start(model, folder, kept, example, said)
        return "model"
    write_pickle(folder / FUNCTION, given)
    return "function"


def parts_of(model: Any) -> list[Any]:
    """Return a model and its layers, inner ones too."""
    return [model, *layers_of(model)]


def identity_config(model: Any) -> tuple[Any, list[str]]:
    """Return a model's config as JSON, and the names that Keras's automatic names of its layers begin with."""
    kinds = sorted({type(layer).__name__ for layer in layers_of(model)})
    try:
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(model), default=_without_address))
        config.pop("compile_config", None)
    except Exception:
        config = [(type(layer).__name__, [tuple(each.shape) for each in own_variables(layer)]) for layer in layers_of(model)]
    return config, kinds


def _without_address(thing: Any) -> str:
    """Return an object's text without the address that differs from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(thing))


def identity_state(model: Any, kept: Collection[str] | None) -> list[Any]:
    """Return the values that stay from training to training: all, or those that no training begins anew."""
    holders = [layer for layer in layers_of(model) if kept is not None and layer.name in kept]
    inside = {id(inner) for holder in holders for inner in layers_of(holder)}
    found: list[Any] = []
    for layer in layers_of(model):
        stays = kept is None or id(layer) in inside
        moves = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        found += [np.asarray(each) for each in own_variables(layer) if stays or not (each.trainable or moves)]
        if hasattr(layer, "get_vocabulary"):  # neither a variable nor, once adapted, in the config
            weights = getattr(layer, "idf_weights", None)
            found += [[str(word) for word in layer.get_vocabulary()], None if weights is None else np.asarray(weights)]
    return found


def own_classes(model: Any) -> list[type]:
    """Return the classes of layers that are the user's own."""
    kinds = {type(layer) for layer in layers_of(model)}
    return sorted((kind for kind in kinds if kind.__module__.split(".")[0] != "keras"), key=lambda kind: kind.__qualname__)
