"""What modules set of what a process shares when they ran. Python runs a module once; what it set is due to all who import it."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import resolve_name
from typing import Any

Settings = Mapping[str, Any]
"""Values of settings by name."""

_set_by: dict[str, Settings] = {}
_imported_by: dict[str, dict[str, None]] = {}
"""Both by module, of those that ran while imports were heeded: what it changed, and what it imported in turn."""


@contextmanager
def heeded(read: Callable[[], Settings], write: Callable[[Settings], None]) -> Iterator[None]:
    """Let an import of a module that ran earlier set again what the module had set, once in this block.

    `read` returns the settings as they are, `write` sets some of them.
    """
    plain = builtins.__import__
    done: set[str] = set()

    def heeding(name: str, *place: Any, **named: Any) -> Any:
        scope, local, wanted, level = _given(*place, **named)
        names = _named(name, scope, wanted, level)
        if local is scope:  # not in a function, so it is part of what running the module does
            _imported_by.setdefault(scope.get("__name__", ""), {}).update(dict.fromkeys(names))
        if names[0] in sys.modules and _has(sys.modules[names[0]], wanted):
            found = plain(name, *place, **named)
        else:
            known, before = len(sys.modules), read()
            found = plain(name, *place, **named)
            changed = {key: value for key, value in read().items() if value != before[key]}
            for each in list(sys.modules)[known:]:
                _set_by.setdefault(each, changed)  # those that it imported in turn have been identified by now
                done.add(each)
        for each in names:
            _apply(each, write, done)
        return found

    builtins.__import__ = heeding
    try:
        yield
    finally:
        builtins.__import__ = plain


def _apply(module: str, write: Callable[[Settings], None], done: set[str]) -> None:
    if module in done or module not in _set_by:
        return
    done.add(module)
    for each in _imported_by.get(module, ()):
        _apply(each, write, done)
    write(_set_by[module])


def _given(globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> tuple[Any, Any, Any, int]:  # noqa: A002
    """Return what an import statement hands on: the scope it stands in, the local one, what is wanted from the module, the dots."""
    return globals or {}, locals, fromlist or (), level


def _named(name: str, scope: Any, wanted: Sequence[str], level: int) -> list[str]:
    """Return the full names that an import statement may mean: the module, what is wanted from it, and its packages."""
    if level:
        package = scope.get("__package__") or scope.get("__name__", "").rpartition(".")[0]
        name = resolve_name("." * level + name, package)
    parts = name.split(".")
    packages = [".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
    return [name, *(f"{name}.{each}" for each in wanted), *packages]


def _has(module: Any, wanted: Sequence[str]) -> bool:
    """Return whether all that is wanted from a module is there without running anything."""
    return all(each != "*" and hasattr(module, each) for each in wanted)
