"""How a user's model starts under a seed: as it was saved, with only what `fit` changes made anew.

A clone of a model forgets what its config does not say: the statistics of an adapted Normalization, frozen weights, arguments of a
constructor without `get_config`. So every start is the saved model, and fresh values replace the variables that `fit` trains.
"""

from __future__ import annotations

import contextlib
import json
import types
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from search.errors import PreflightError
from search.names import listed
from search.training.problem.keras_private import layers_of, make_variables_for, own_variables, seed_generators, uncompiled
from search.training.user.pickles import read_pickle, require_own, write_pickle

MODEL = "model.keras"
OBJECTS = "objects.pickle"
ROLES = "roles.json"
LAMBDA = "<lambda>"

TOLERANCE = 1e-5
"""How far the outputs of a saved model may lie from those of the model, as a share of the largest: sums take another order."""

MANY = 256
"""Of so many numbers two draws of one initializer differ in spread by far less than SPREAD."""

SPREAD = 1.5

SAY = (
    'say which weights each training starts from: initial_weights="fresh" (frozen layers stay, all others begin anew), "model" '
    '(all start from the weights that the model has now), or {"keep": [names of layers]}'
)

PASS_A_FUNCTION = "pass a function that builds the model in its place: steelyard.search(build_model, ...)"


def unsaveable(why: str) -> PreflightError:
    """Return the refusal of a model that cannot be had again as it is."""
    return PreflightError(
        "unsaveable_model", f"the model cannot be rebuilt in the training process: {why}; {PASS_A_FUNCTION}", "model"
    )


def save_start(model: Any, folder: Path, kept: Collection[str] | None, example: Any, said: bool = True) -> None:
    """Write a built model and which of its variables each training makes anew.

    kept: names of layers whose weights stay, beside those that are frozen; None: all stay.
    example: a few rows in the form that the model takes, by which the saved model is compared with the model itself.
    said: the user chose what stays; else a model whose weights are not those of a new one is refused.
    Raises PreflightError for a model that does not come back as it was.
    """
    _require_layers(model, kept or ())
    layers = layers_of(model)
    with named_lambdas(layers):
        try:
            with uncompiled(model), _quiet():
                model.save(folder / MODEL)
            (folder / MODEL).chmod(0o600)  # what it names is code
        except Exception as error:
            raise unsaveable(f"saving it failed ({type(error).__name__}: {_first_words(error)})") from error
        write_pickle(folder / OBJECTS, custom_objects(model, folder))
    stays = [_stays(layer, kept, layers) for layer in layers]
    roles = {"fresh": [_fresh(layer, all_stay) for layer, all_stay in zip(layers, stays, strict=True)]}
    roles["seeds"] = [[kept is not None] * len(seed_generators(layer)) for layer in layers]
    roles["trainable"] = [[bool(layer.trainable)] for layer in layers]
    (folder / ROLES).write_text(json.dumps(roles))
    plain = _compare(model, folder, example)
    if not said:
        _require_untrained(model, plain, roles["fresh"])


def started(folder: Path) -> Any:
    """Return the saved model under the seed that is set: its own values, and fresh ones where each training begins anew."""
    roles = json.loads((folder / ROLES).read_text())
    objects = read_pickle(folder / OBJECTS)
    anew = any(flag for part in ("fresh", "seeds") for layer in roles[part] for flag in layer)
    fresh = _from_config(folder, objects) if anew else None
    model = _loaded(folder, objects)
    layers = layers_of(model)
    for layer, (trainable,) in zip(layers, roles["trainable"], strict=True):
        if layer.trainable != trainable:
            layer.trainable = trainable
    if fresh is not None:
        for layer, other, variables, seeds in zip(layers, layers_of(fresh), roles["fresh"], roles["seeds"], strict=True):
            _assign(layer, other, variables, seeds)
    return model


@contextlib.contextmanager
def named_lambdas(layers: Collection[Any]) -> Iterator[None]:
    """Give the lambdas of layers names of their own, by which Keras saves them as it does functions.

    Without one Keras saves a lambda's code alone: loaded in another process, it does not find what it reads, such as `ops`.
    """
    found = {id(value): value for layer in layers for value in vars(layer).values() if _is_lambda(value)}
    try:
        for number, function in enumerate(found.values()):
            function.__name__ = f"steelyard_lambda_{number}"
        yield
    finally:
        for function in found.values():
            function.__name__ = LAMBDA


def _is_lambda(value: Any) -> bool:
    return isinstance(value, types.FunctionType) and value.__name__ == LAMBDA


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what NumPy says of how Keras reads and writes its own files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def custom_objects(model: Any, folder: Path) -> dict[str, Any]:
    """Return the user's classes and functions that the saved model names, by the names under which Keras looks for them."""
    found: dict[str, Any] = {}
    attributes = [value for layer in layers_of(model) for value in vars(layer).values()]
    for layer in (*layers_of(model), *attributes):
        kind = type(layer)
        if not _is_keras(kind) and isinstance(layer, keras.layers.Layer):
            found |= {kind.__name__: kind, keras.saving.get_registered_name(kind): kind}
    for name in _functions_named(json.loads(_config(folder))):
        own = next((each for each in attributes if callable(each) and getattr(each, "__name__", None) == name), None)
        if own is not None and not _is_keras(own):
            found |= {name: own, keras.saving.get_registered_name(own): own}
    for value in attributes:  # initialisers, regularisers and constraints of the user's
        kind = type(value)
        if hasattr(value, "get_config") and not _is_keras(kind) and not isinstance(value, keras.Variable):
            found |= {kind.__name__: kind, keras.saving.get_registered_name(kind): kind}
    return found


def _is_keras(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] in ("keras", "tensorflow", "builtins")


def _functions_named(config: Any) -> set[str]:
    """Return the names of the functions that a model's config refers to."""
    if isinstance(config, Mapping):
        own = {config["config"]} if config.get("class_name") == "function" and isinstance(config.get("config"), str) else set()
        return own.union(*(_functions_named(value) for value in config.values()))
    if isinstance(config, list):
        return set().union(*map(_functions_named, config))
    return set()


def _require_layers(model: Any, kept: Collection[str]) -> None:
    names = {layer.name for layer in layers_of(model)}
    unknown = sorted(set(kept) - names)
    if unknown:
        text = f"initial_weights keeps {listed(unknown)}, which the model does not have; its layers are {listed(names, 40)}"
        raise PreflightError("unknown_name", text, "initial_weights")


def _stays(layer: Any, kept: Collection[str] | None, layers: list[Any]) -> bool:
    """Return whether the weights of a layer stay as they are: all do, it is kept by name, or it lies in a layer that is."""
    if kept is None:
        return True
    holders = [other for other in layers if other.name in kept]
    return any(layer is inner for holder in holders for inner in layers_of(holder))


def _fresh(layer: Any, stays: bool) -> list[bool]:
    """Return which of a layer's own variables are made anew: trained ones, and the running statistics that `fit` moves."""
    moves = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    return [not stays and bool(variable.trainable or moves) for variable in own_variables(layer)]


def _assign(layer: Any, other: Any, variables: list[bool], seeds: list[bool]) -> None:
    for variable, value, fresh in zip(own_variables(layer), own_variables(other), variables, strict=True):
        if fresh:
            variable.assign(value)
    for generator, new, fresh in zip(seed_generators(layer), seed_generators(other), seeds, strict=True):
        if fresh:
            generator.state.assign(new.state)


def _config(folder: Path) -> str:
    require_own(folder / MODEL)
    with zipfile.ZipFile(folder / MODEL) as archive:
        return archive.read("config.json").decode()


def _from_config(folder: Path, objects: Mapping[str, Any]) -> Any:
    """Return the model as its config alone makes it: fresh weights under the seed that is set."""
    config = json.loads(_config(folder))
    config["compile_config"] = None
    return keras.saving.deserialize_keras_object(config, custom_objects=dict(objects), safe_mode=False)


def _loaded(folder: Path, objects: Mapping[str, Any]) -> Any:
    require_own(folder / MODEL)
    with _quiet():
        return keras.saving.load_model(folder / MODEL, custom_objects=dict(objects), compile=False, safe_mode=False)


def _compare(model: Any, folder: Path, example: Any) -> Any:
    """Refuse a model that comes back with other layers, weights or outputs than it had; return one made by its config."""
    objects = read_pickle(folder / OBJECTS)
    try:
        plain = _from_config(folder, objects)
        if not all(layer.built for layer in layers_of(plain)):
            make_variables_for(plain, example)  # without running it: a vocabulary is not in the config
    except Exception as error:
        raise _unloadable(error) from error
    _same_form(model, plain)
    try:
        copy = _loaded(folder, objects)
    except Exception as error:
        raise _unloadable(error) from error
    _same_form(model, copy)
    try:
        expected, got = (keras.tree.flatten(outputs_of(each, example)) for each in (model, copy))
    except Exception as error:
        raise unsaveable(f"the saved model fails on the first rows ({type(error).__name__}: {_first_words(error)})") from error
    for one, other in zip(expected, got, strict=True):
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        near = TOLERANCE * float(np.max(np.abs(one), initial=0))
        if one.shape != other.shape or not np.allclose(one, other, rtol=TOLERANCE, atol=near, equal_nan=True):
            raise unsaveable(
                "the saved model gives other outputs than the model itself: a layer's get_config() leaves something out"
            )
    return plain


def _require_untrained(model: Any, plain: Any, fresh: list[list[bool]]) -> None:
    """Refuse weights that would begin anew and are not as a new model has them: a bias that is not 0, a word's vector."""
    for layer, other, flags in zip(layers_of(model), layers_of(plain), fresh, strict=True):
        for variable, new, anew in zip(own_variables(layer), own_variables(other), flags, strict=True):
            if anew and not _as_new(np.asarray(variable), np.asarray(new)):
                text = f"the weights of layer {layer.name!r} are not those of a new model"
                raise PreflightError("bad_call", f"{text}: {SAY}", "initial_weights")


def _as_new(values: Any, start: Any) -> bool:
    """Return whether values may be another draw of what `start` is one of: the same constant, or much the same mean and spread."""
    if start.size == 0 or (start == start.flat[0]).all():
        return bool(np.allclose(values, start, equal_nan=True))
    if start.size < MANY:
        return True
    spread, moved = float(np.std(start)), abs(float(np.mean(values) - np.mean(start)))
    return spread / SPREAD <= float(np.std(values)) <= spread * SPREAD and moved <= spread / 2


def outputs_of(model: Any, example: Any) -> Any:
    """Return a model's outputs, not training, with the same random numbers for every model; its own generators stay as they are."""
    generators = [generator for layer in layers_of(model) for generator in seed_generators(layer)]
    before = [np.asarray(generator.state).copy() for generator in generators]
    keras.utils.set_random_seed(0)
    try:
        for number, generator in enumerate(generators):
            generator.state.assign(np.array([number, 0], before[number].dtype))
        return model(example, training=False)
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.state.assign(state)


def _unloadable(error: Exception) -> PreflightError:
    return unsaveable(f"loading what was saved failed ({type(error).__name__}: {_first_words(error)})")


def _first_words(error: Exception) -> str:
    paragraphs = [" ".join(part.split()) for part in str(error).split("\n\n") if part.strip()]
    return paragraphs[0][:300] if paragraphs else "no reason given"


def _same_form(model: Any, copy: Any) -> None:
    pairs = list(zip(layers_of(model), layers_of(copy), strict=False))
    if len(layers_of(model)) != len(layers_of(copy)):
        raise unsaveable("it comes back with another number of layers")
    for layer, other in pairs:
        shapes = [[tuple(variable.shape) for variable in own_variables(each)] for each in (layer, other)]
        if type(layer).__name__ != type(other).__name__ or shapes[0] != shapes[1]:
            was, got = (", ".join(map(str, part)) or "none" for part in shapes)
            raise unsaveable(
                f"layer {layer.name!r} ({type(layer).__name__}) has weights of shapes {was} and comes back with {got}: "
                "its get_config() leaves arguments out"
            )
