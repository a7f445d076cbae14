"""Check a definition's `config` against the catalog, and turn it into constructor arguments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search.catalog.entries import FROM_OUTPUT, Entry, Json, Parameter
from search.catalog.lookup import did_you_mean
from search.errors import Fault, shown
from search.names import listed

MAX_ITEMS = 10_000
LARGEST_INTEGER = 2**53
"""Integers beyond this are not exact in JSON readers that hold numbers as doubles."""


def config_faults(entry: Entry, config: Mapping[str, Json], path: str) -> list[Fault]:
    """Return everything that is wrong with `config`, which stands at `path`: unknown, owned, missing and unfit arguments."""
    faults = [fault for name, value in config.items() for fault in argument_faults(entry, name, value, path)]
    missing = [parameter for parameter in entry.parameters if parameter.required and parameter.name not in config]
    faults += [Fault(f"{path}.{p.name}", f"{_wanted(p)} (required by {entry.name})", "nothing") for p in missing]
    if not faults:  # a rule reads several arguments, so each must be right by itself first
        faults += [Fault(path, rule.expected, shown(dict(config))) for rule in entry.rules if not rule.holds(config)]
    return faults


def keras_arguments(entry: Entry, config: Mapping[str, Json], width: int | None = None) -> dict[str, Any]:
    """Return `config` as arguments of the Keras class: numbers as floats, and the number of classes where it was left out.

    `width` is the last axis of the task's output; a width of 1 is two classes. Floats matter: FBetaScore refuses beta=2.
    """
    arguments: dict[str, Any] = {}
    for parameter in entry.parameters:
        if parameter.name in config:
            arguments[parameter.name] = _as_float(parameter, config[parameter.name])
        elif parameter.default is FROM_OUTPUT and width is not None:
            arguments[parameter.name] = max(width, 2)
    return arguments


def _as_float(parameter: Parameter, value: Json) -> Any:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_whole and "number" in parameter.kind.split(" or ") else value


def argument_faults(entry: Entry, name: str, value: Json, path: str) -> Iterator[Fault]:
    """Yield what is wrong with one argument of the config at `path`."""
    at = f"{path}.{name}"
    if name in entry.owned:
        yield Fault(at, entry.owned[name], shown(value))
        return
    parameter = entry.parameter(name)
    if parameter is None:
        names = [parameter.name for parameter in entry.parameters]
        expected = (
            f"one of {listed(names, 32)} (the parameters of {entry.name})" if names else f"no parameters: {entry.name} has none"
        )
        yield Fault(at, expected, shown(name), did_you_mean(name, names))
    elif not _fits(parameter, value):
        yield Fault(at, _wanted(parameter), shown(value), _meant(parameter, value))


def _fits(parameter: Parameter, value: Json) -> bool:
    if value is None:
        return parameter.nullable
    if not any(_is_kind(kind, value) for kind in parameter.kind.split(" or ")):
        return False
    if parameter.choices and value not in parameter.choices:
        return False
    items: Sequence[Json] = value if isinstance(value, list | tuple) else [value]
    return all(_within(parameter, item) for item in items if isinstance(item, int | float) and not isinstance(item, bool))


def _is_kind(kind: str, value: Json) -> bool:
    if kind.startswith("array["):
        items = value if isinstance(value, list | tuple) else ()
        return 0 < len(items) <= MAX_ITEMS and all(_is_kind(kind[len("array[") : -1], item) for item in items)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if kind == "any":
        return True
    is_integer = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER
    return is_integer or (kind == "number" and isinstance(value, float) and math.isfinite(value))


def _within(parameter: Parameter, value: float) -> bool:
    return (
        (parameter.least is None or value >= parameter.least)
        and (parameter.most is None or value <= parameter.most)
        and (parameter.above is None or value > parameter.above)
        and (parameter.below is None or value < parameter.below)
    )


def _wanted(parameter: Parameter) -> str:
    """Return what a parameter takes, as it can stand after "expected"."""
    if parameter.choices:
        wanted = "one of " + ", ".join(str(choice) for choice in parameter.choices)
    else:
        bounds = ((">=", parameter.least), (">", parameter.above), ("<=", parameter.most), ("<", parameter.below))
        limits = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
        wanted = f"{parameter.kind} {limits}".rstrip()
    return f"{wanted}, or null" if parameter.nullable else wanted


def _meant(parameter: Parameter, value: Json) -> str | None:
    if not isinstance(value, str) or not parameter.choices:
        return None
    by_lower = {str(choice).lower(): str(choice) for choice in parameter.choices}
    found = did_you_mean(value, by_lower)
    return by_lower[found] if found else None
