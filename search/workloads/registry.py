"""The workloads there are, by name: built-in, installed (entry points), named by the operator, and used as asked for (`use`).

Later ones win: an operator's `STEELYARD_WORKLOADS` may replace an installed one, but nobody may take a built-in name. A place is
`module:attribute`, or a file, `folder/ads.py:attribute`. Imports no workload by itself.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from search.errors import PreflightError
from search.names import NAME_PATTERN, listed, nearest
from search.workloads import pinned
from search.workloads.blame import one_line, place_of
from search.workloads.sources import NOT_OWN, is_file, sources_of, split_place

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

_used: dict[str, str] = {}
_absent: set[str] = set()
"""Names of workloads whose files were not there when they were read: what lies there now would be of no version."""


def use(name: str, place: str, *, there: bool = True) -> None:
    """Let this process find the workload `name` at a place that somebody else looked up; not `there`: refuse it until told anew."""
    _used[name] = place
    (_absent.discard if there else _absent.add)(name)


def names(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the names of all registered workloads, built-in ones first.

    Raises PreflightError where `STEELYARD_WORKLOADS` cannot be read.
    """
    return tuple(places(environment))


def places(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return every registered workload's `module:attribute` (or `module`), or its file as an absolute path, by name."""
    private = private_workload(environment)
    if private is not None:
        return {private[0]: PRIVATE_PLACE}
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    named = _named((os.environ if environment is None else environment).get(VARIABLE, ""))
    return {**BUILT_IN, **{name: place for name, place in {**installed, **named, **_used}.items() if name not in BUILT_IN}}


def private_workload(environment: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Return the name and folder of the only workload that this process serves, None where it serves all that are registered."""
    name, equals, folder = (os.environ if environment is None else environment).get(PRIVATE, "").partition("=")
    return (name, folder) if equals else None


def _named(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, place = (part.strip() for part in entry.partition("="))
        if not equals or not place or not re.match(NAME_PATTERN, name):
            text = f"{VARIABLE}: expected name=module:attribute or name=file.py:attribute, got {entry!r}"
            raise PreflightError("bad_setting", text)
        if name in BUILT_IN or name in found:
            owner = "a built-in workload" if name in BUILT_IN else "another entry"
            raise PreflightError("bad_setting", f"{VARIABLE}: the name {name!r} is taken by {owner}")
        found[name] = os.path.abspath(place) if is_file(place) else place
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
    module, attribute = split_place(known[name])
    shown = Path(module).name if is_file(known[name]) else module
    if name in _absent:
        raise PreflightError("workload_import_failed", f"workload {name!r}: there is no file {module}", shown)
    found = _file_module(name, known[name]) if is_file(known[name]) else _module(name, module, shown, os.getcwd())
    for part in filter(None, attribute.split(".")):
        if not hasattr(found, part):
            meant = nearest(part, [each for each in vars(found) if not each.startswith("_")])
            hint = f" (did you mean {meant!r}?)" if meant else ""
            raise PreflightError(
                "workload_import_failed", f"workload {name!r}: {shown} has no attribute {attribute!r}{hint}", shown
            )
        found = getattr(found, part)
    return found


def _file_module(name: str, place: str) -> Any:
    file = Path(split_place(place)[0])
    if file.stem in NOT_OWN:
        text = f"workload {name!r}: a file {file.name} hides the module {file.stem!r} of Python or of Steelyard: rename it"
        raise PreflightError("workload_import_failed", text, file.name)
    if "." in file.stem:
        text = f"workload {name!r}: Python cannot import a file {file.name}, for its name has a dot before .py: rename it"
        raise PreflightError("workload_import_failed", text, file.name)
    if not pinned.is_pinned(file.stem, file):
        sources = sources_of(place)
        if sources is None or not sources.modules:
            raise PreflightError("workload_import_failed", f"workload {name!r}: there is no file {file}", file.name)
        pinned.pin(sources.modules)
    return _module(name, file.stem, file.name, str(file.parent))


def _module(name: str, module: str, shown: str, folder: str) -> Any:
    if folder not in sys.path and not (folder == os.getcwd() and "" in sys.path):
        sys.path.append(folder)
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise PreflightError(
            "workload_import_failed", f"workload {name!r}: importing {shown} failed: {one_line(error)}", place_of(error) or shown
        ) from error
