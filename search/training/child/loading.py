"""Load a workload with what its module sets of what a process shares: Keras's float type, seeds, and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.training.problem.keras_settings import KerasSettings, Snapshot
from search.training.problem.workload import LoadedWorkload
from search.workloads import base, registry
from search.workloads.sources import split_place

_after_import: dict[str, Snapshot] = {}
"""What importing a module left, by its name: a module is run once, and every workload in it begins there."""


def load(name: str) -> Any:
    """Return the workload `name`: see `search.workloads.registry.load`. What its module sets stays its own."""
    return _loaded(name)[0]


def opened(name: str, options: Mapping[str, Any]) -> LoadedWorkload:
    """Return the workload `name` with its rows and model, under settings of its own.

    Raises PreflightError where it cannot be imported, made or run here.
    """
    source, settings = _loaded(name)
    with settings.starting():
        bound = base.bind(name, source, options)
    return LoadedWorkload(bound, settings=settings)


def _loaded(name: str) -> tuple[Any, KerasSettings]:
    place = registry.places().get(name, "")
    module = split_place(place)[0]
    settings = KerasSettings(_after_import.get(module))
    with settings.starting():
        source = registry.load(name)
    _after_import[module] = settings.start
    settings.require_supported(f"workload {name!r}", place)
    return source, settings
