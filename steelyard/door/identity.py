"""Identify a call by what it trains and how, not by names that Keras counts, so that a repeated call finds its study."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import re
import sysconfig
import types
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Parts = Mapping[str, str]
"""A digest of each part of a call: model, data, losses, metrics, penalties, objective, weights, training, search."""

DIGITS = 16
NUMBERED = re.compile(r"([a-z][a-z0-9_]*?)_(\d+)")
COUNTED = ("keras_tensor", "input_layer", "functional", "sequential", "model", "seed_generator")
DEPTH = 6
"""How deep functions are followed that functions call."""


def digest_of(*things: Any, known: Iterable[Any] = ()) -> str:
    """Return a digest of JSON-like values, arrays, functions and classes.

    known: objects that are compared elsewhere, such as the call's own model and its layers, whose weights are drawn anew.
    """
    found = _Digest(known)
    for thing in things:
        found.add(thing, DEPTH)
    return found.hexdigest()[:DIGITS]


class _Digest:
    """A digest that grows. Functions and classes count by their source, and by what of the user's they read."""

    def __init__(self, known: Iterable[Any] = ()) -> None:
        self._hash = hashlib.sha256()
        self._seen = {
            id(thing): thing for thing in known
        }  # the objects are kept, so that no other one gets the id of one that is gone

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def text(self, text: str) -> None:
        self._hash.update(text.encode() + b"\0")

    def add(self, thing: Any, depth: int) -> None:
        self.text(type(thing).__name__)
        if isinstance(thing, Mapping):
            for key in sorted(thing, key=str):
                self.text(f"{key}=")
                self.add(thing[key], depth)
        elif isinstance(thing, list | tuple):
            for item in thing:
                self.add(item, depth)
        elif isinstance(thing, set | frozenset):
            self.text(",".join(sorted(digest_of(item) for item in thing)))
        elif isinstance(thing, np.ndarray):
            self.text(f"{thing.dtype}{thing.shape}")
            whole = thing.size and thing.dtype.kind != "O"
            self._hash.update(np.ascontiguousarray(thing).tobytes() if whole else repr(thing.tolist()).encode())
        elif isinstance(thing, str | bytes | int | float | bool | type(None) | np.generic):
            self.text(repr(thing))
        elif isinstance(thing, types.ModuleType):
            self.text(thing.__name__)
        else:
            self._add_object(thing, depth)

    def _add_object(self, thing: Any, depth: int) -> None:
        """Add what has attributes, once: what is met again adds only that it was met."""
        if id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, types.FunctionType | types.MethodType | type):
            self._add_code(thing, depth)
        elif isinstance(thing, functools.partial):
            self.add([thing.func, thing.args, thing.keywords], depth)
        elif hasattr(thing, "get_config"):
            self.add(type(thing), depth)
            config = _config(thing)
            kinds = [snake(name) for name in (type(thing).__name__, *_class_names(config))]
            self.add([without_counts(config, kinds), _weights(thing)], depth - 1)
        elif hasattr(thing, "numpy"):
            self.add(np.asarray(thing), depth)
        elif depth > 0:
            self.add(type(thing), depth)
            self.add(_attributes(thing), depth - 1)
        else:
            self.text(type(thing).__qualname__)

    def _add_code(self, thing: Any, depth: int) -> None:
        """Add a function or class: its source text, else its code; what it closes over, and what of the user's it reads."""
        if _is_installed(thing):
            self.text(f"{thing.__module__}.{thing.__qualname__}")
            return
        function = thing.__func__ if isinstance(thing, types.MethodType) else thing
        try:
            self.text(inspect.getsource(thing))
        except (OSError, TypeError):
            self._add_compiled(getattr(function, "__code__", None))
        if depth == 0:
            return
        if isinstance(thing, type):
            self._add_members(thing, depth)
        elif isinstance(function, types.FunctionType):
            self._add_read(function, depth)

    def _add_compiled(self, code: types.CodeType | None) -> None:
        if code is None:
            return
        self._hash.update(code.co_code)
        self.text(repr(code.co_names))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add_compiled(constant)
            else:
                self.text(repr(constant))

    def _add_members(self, made: type, depth: int) -> None:
        """Add a class's methods, values and bases."""
        for base in made.__bases__:
            self.add(base, depth - 1)
        for name, member in sorted(vars(made).items()):
            function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
            if isinstance(function, types.FunctionType):
                self.add(function, depth)
            elif not name.startswith("__"):
                self.add(member, depth - 1)

    def _add_read(self, function: types.FunctionType, depth: int) -> None:
        """Add what a function closes over, its defaults, and the globals that it reads."""
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                self.add(cell.cell_contents, depth - 1)
        self.add([function.__defaults__, function.__kwdefaults__], depth - 1)
        names = sorted(set(_names_of(function.__code__)) - {"__name__"})
        for name in names:
            if name in function.__globals__:
                self._add_global(name, function.__globals__[name], names, depth)

    def _add_global(self, name: str, value: Any, names: Collection[str], depth: int) -> None:
        """Add a global by its value; of a module of the user's, what a function that has these names may read of it."""
        if not isinstance(value, types.ModuleType):
            self.text(f"{name}=")
            self.add(value, depth - 1)
        elif _is_users(value) and depth > 0:
            for attribute in names:
                if hasattr(value, attribute):
                    self._add_global(f"{value.__name__}.{attribute}", getattr(value, attribute), names, depth - 1)


def _names_of(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a function reads, in the functions inside it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_of(constant)


def _attributes(thing: Any) -> dict[str, Any]:
    """Return an object's attributes, those in slots too."""
    slots = (name for base in type(thing).__mro__ for name in _listed_slots(base))
    return {**{name: getattr(thing, name) for name in slots if hasattr(thing, name)}, **getattr(thing, "__dict__", {})}


def _listed_slots(base: type) -> Sequence[str]:
    slots = vars(base).get("__slots__", ())
    return [slots] if isinstance(slots, str) else [name for name in slots if name not in ("__dict__", "__weakref__")]


def _config(thing: Any) -> Any:
    try:
        return thing.get_config()
    except Exception:
        return type(thing).__qualname__


def _weights(thing: Any) -> list[Any]:
    """Return what a layer or model has learned: a teacher's weights are part of the loss that reads it, and words of a lookup."""
    try:
        words = thing.get_vocabulary() if hasattr(thing, "get_vocabulary") else ()
        return [*(np.asarray(each) for each in thing.get_weights()), *map(str, words)]
    except Exception:
        return []


def _is_installed(thing: Any) -> bool:
    code = getattr(thing, "__code__", None)
    module = inspect.getmodule(thing)
    file = code.co_filename if code is not None else getattr(module, "__file__", "") or ""
    return _in_packages(file) or (code is None and not file and module is not None and module.__name__ != "__main__")


def _in_packages(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file


def _is_users(module: types.ModuleType) -> bool:
    """Return whether a module is neither Python's own nor installed."""
    file = getattr(module, "__file__", None)
    return bool(file) and not _in_packages(str(file)) and not Path(str(file)).is_relative_to(sysconfig.get_path("stdlib"))


def snake(name: str) -> str:
    """Return the name of a class as Keras begins the automatic names of its objects: `TextVectorization` is text_vectorization."""
    return re.sub(r"(?<!^)(?=[A-Z][a-z0-9])|(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _class_names(config: Any) -> Iterator[str]:
    """Yield the names of the classes that a config is made of."""
    if isinstance(config, Mapping):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        for value in config.values():
            yield from _class_names(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _class_names(value)


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
