"""The workloads there are, by name: built-in, installed (entry points), and named by the operator. Imports no workload by itself.

Later ones win: an operator's `STEELYARD_WORKLOADS` may replace an installed one, but nobody may take a built-in name.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from search.errors import PreflightError
from search.names import NAME_PATTERN, listed, nearest
from search.workloads.blame import one_line, place_of

GROUP = "steelyard.workloads"
VARIABLE = "STEELYARD_WORKLOADS"
PRIVATE = "STEELYARD_PRIVATE_WORKLOAD"
"""`name=folder`: this process serves the workload that lies in a folder, and no other."""
PRIVATE_PLACE = "search.training.user.brought:BROUGHT"
"""Reads the folder that PRIVATE names."""

BUILT_IN: Mapping[str, str] = {
    "digits": "search.workloads.digits:Digits",
    "digits-overlay": "search.workloads.digits_overlay:DigitsOverlay",
    "digits-mask": "search.workloads.digits_mask:DigitsMask",
    "quadratics": "search.workloads.quadratics:Quadratics",
}
"""Name to `module:attribute`."""


def names(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the names of all registered workloads, built-in ones first.

    Raises PreflightError where `STEELYARD_WORKLOADS` cannot be read.
    """
    return tuple(places(environment))


def places(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return every registered workload's `module:attribute` (or `module`) by name."""
    private = private_workload(environment)
    if private is not None:
        return {private[0]: PRIVATE_PLACE}
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    named = _named((os.environ if environment is None else environment).get(VARIABLE, ""))
    return {**BUILT_IN, **{name: place for name, place in {**installed, **named}.items() if name not in BUILT_IN}}


def private_workload(environment: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Return the name and folder of the only workload that this process serves, None where it serves all that are registered."""
    name, equals, folder = (os.environ if environment is None else environment).get(PRIVATE, "").partition("=")
    return (name, folder) if equals else None


def _named(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, place = (part.strip() for part in entry.partition("="))
        if not equals or not place or not re.match(NAME_PATTERN, name):
            raise PreflightError("bad_setting", f"{VARIABLE}: expected name=module:attribute, got {entry!r}")
        if name in BUILT_IN or name in found:
            owner = "a built-in workload" if name in BUILT_IN else "another entry"
            raise PreflightError("bad_setting", f"{VARIABLE}: the name {name!r} is taken by {owner}")
        found[name] = place
    return found


def load(name: str, environment: Mapping[str, str] | None = None) -> Any:
    """Import the workload `name` and return it: a class, an instance or a module.

    Modules are looked for as Python does, and in the current directory.
    Raises PreflightError, with the file and line where an import fails.
    """
    known = places(environment)
    if name not in known:
        meant = nearest(name, known)
        hint = f" (did you mean {meant!r}?)" if meant else ""
        raise PreflightError("unknown_workload", f"no workload {name!r} is registered here, only {listed(known)}{hint}")
    module_name, _, attribute = known[name].partition(":")
    found = _module(name, module_name)
    for part in filter(None, attribute.split(".")):
        if not hasattr(found, part):
            raise PreflightError(
                "workload_import_failed", f"workload {name!r}: {module_name} has no attribute {attribute!r}", module_name
            )
        found = getattr(found, part)
    return found


def _module(name: str, module_name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        at = place_of(error) or module_name
        raise PreflightError(
            "workload_import_failed", f"workload {name!r}: importing {module_name} failed: {one_line(error)}", at
        ) from error
