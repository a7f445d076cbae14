"""Identify a call by what it trains and how, not by names that Keras counts, so that a repeated call finds its study."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import types
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

Parts = Mapping[str, str]
"""A digest of each part of a call: model, data, losses, metrics, penalties, objective, weights, training, search."""

DIGITS = 16
NUMBERED = re.compile(r"([a-z][a-z0-9_]*?)_(\d+)")
COUNTED = ("keras_tensor", "input_layer", "functional", "sequential", "model", "seed_generator")
DEPTH = 6
"""How deep functions are followed that functions call."""


def digest_of(*things: Any) -> str:
    """Return a digest of JSON-like values, arrays, functions and classes."""
    found = hashlib.sha256()
    for thing in things:
        _add(found, thing, DEPTH)
    return found.hexdigest()[:DIGITS]


def _add(found: Any, thing: Any, depth: int) -> None:
    found.update(type(thing).__name__.encode() + b"\0")
    if isinstance(thing, Mapping):
        for key in sorted(thing, key=str):
            found.update(str(key).encode() + b"=")
            _add(found, thing[key], depth)
    elif isinstance(thing, list | tuple):
        for item in thing:
            _add(found, item, depth)
    elif isinstance(thing, np.ndarray):
        found.update(f"{thing.dtype}{thing.shape}".encode())
        found.update(np.ascontiguousarray(thing).view(np.uint8) if thing.size and thing.dtype.kind != "O" else repr(thing).encode())
    elif isinstance(thing, types.FunctionType | types.MethodType | type):
        _add_code(found, thing, depth)
    elif isinstance(thing, str | bytes | int | float | bool | type(None) | np.generic):
        found.update(repr(thing).encode())
    elif hasattr(thing, "get_config"):
        _add(found, type(thing), depth)
        _add(found, _config(thing), depth)
    elif callable(thing) or hasattr(thing, "__dict__"):
        _add(found, type(thing), depth)
        _add(found, {name: value for name, value in vars(thing).items() if depth > 0}, depth - 1)
    else:
        found.update(type(thing).__qualname__.encode())


def _config(thing: Any) -> Any:
    try:
        return json.loads(json.dumps(thing.get_config(), default=str, sort_keys=True))
    except Exception:
        return type(thing).__qualname__


def _add_code(found: Any, thing: Any, depth: int) -> None:
    """Add a function or class: its source text, else its code; what it closes over, and what of the user's it calls."""
    if _is_installed(thing):
        found.update(f"{thing.__module__}.{thing.__qualname__}".encode())
        return
    try:
        found.update(inspect.getsource(thing).encode())
    except (OSError, TypeError):
        code = getattr(thing, "__code__", None)
        found.update(code.co_code + repr(code.co_names).encode() if code else repr(thing.__qualname__).encode())
    function = thing.__func__ if isinstance(thing, types.MethodType) else thing
    if not isinstance(function, types.FunctionType) or depth == 0:
        return
    for cell in function.__closure__ or ():
        try:
            _add(found, cell.cell_contents, depth - 1)
        except ValueError:  # an empty cell
            continue
    _add(found, [function.__defaults__, function.__kwdefaults__], depth - 1)
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if value is not None and value is not thing and not isinstance(value, types.ModuleType) and name != "__name__":
            _add(found, value, depth - 1)


def _is_installed(thing: Any) -> bool:
    code = getattr(thing, "__code__", None)
    module = inspect.getmodule(thing)
    file = code.co_filename if code is not None else getattr(module, "__file__", "") or ""
    return (
        "site-packages" in file
        or "dist-packages" in file
        or (code is None and not file and module is not None and module.__name__ != "__main__")
    )


def without_counts(config: Any, layer_kinds: Collection[str]) -> Any:
    """Return a model's config with the numbers that Keras counts up replaced by their order of appearance.

    layer_kinds: the snake-case names of the model's layers' classes, which automatic names begin with.
    """
    kinds, seen, counts = {*layer_kinds, *COUNTED}, dict[str, str](), dict[str, int]()

    def renamed(text: str) -> str:
        numbered = NUMBERED.fullmatch(text)
        base = numbered[1] if numbered else text
        if base not in kinds:
            return text
        if text not in seen:
            counts[base] = counts.get(base, 0) + 1
            seen[text] = f"{base}#{counts[base]}"
        return seen[text]

    def walk(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: walk(each) for key, each in value.items() if key != "shared_object_id"}
        if isinstance(value, list):
            return [walk(each) for each in value]
        return renamed(value) if isinstance(value, str) else value

    return walk(config)


def study_name(outputs: Iterable[str], parts: Parts) -> str:
    """Return the name of the study that such a call makes: its outputs and a digest, legal and at most 64 characters."""
    shown = re.sub(r"[^A-Za-z0-9-]+", "-", "-".join(outputs)).strip("-")[:40].strip("-") or "study"
    return f"{shown}-{digest_of(dict(parts))[:8]}"


def changed_parts(before: Parts, now: Parts) -> list[str]:
    """Return the names of the parts in which two calls differ."""
    return [name for name in now if before.get(name) != now[name]]
