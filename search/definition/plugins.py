"""The objects behind the names that a definition chose: built-in ones, or from outside as the study keeps their traits."""

from __future__ import annotations

from search import catalog
from search.definition.schema import Objective, Penalty, Pruner, Sampler
from search.errors import PluginMissing


def sampler_of(chosen: Sampler) -> catalog.SamplerEntry:
    """Return the sampler of a checked definition. Raises PluginMissing for a name that nobody knows."""
    found = catalog.find_sampler(chosen.name, chosen.plugin)
    if found is None:
        raise _unknown("sampler", chosen.name)
    return found


def pruner_of(chosen: Pruner) -> catalog.PrunerEntry:
    """Return the pruner of a checked definition. Raises PluginMissing for a name that nobody knows."""
    found = catalog.find_pruner(chosen.name, chosen.plugin)
    if found is None:
        raise _unknown("pruner", chosen.name)
    return found


def aggregate_of(objective: Objective) -> catalog.AggregateEntry:
    """Return the aggregate of a checked objective, `mean` where it names none. Raises PluginMissing for a name nobody knows."""
    name = objective.aggregate or "mean"
    found = catalog.find_aggregate(name, objective.plugin)
    if found is None:
        raise _unknown("aggregate", name)
    return found


def find_penalty_of(penalty: Penalty) -> catalog.PenaltyEntry | None:
    """Return the built-in penalty that is named, or the one from outside; None for a name of the workload's own."""
    return catalog.find_penalty(penalty.penalty, penalty.plugin)


def is_grid(chosen: Sampler) -> bool:
    """Return whether a sampler takes every point of the grid, each once; False for a name that nobody knows."""
    found = catalog.find_sampler(chosen.name, chosen.plugin)
    return found is not None and found.is_grid


def _unknown(noun: str, name: str) -> PluginMissing:
    return PluginMissing(f"nobody knows the {noun} {name!r}")
