"""Plug-ins from outside as workers published them: by name, for the checks of a definition. Loads none of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from search.catalog import KINDS, Traits, entry_of
from search.catalog.plugins import AGGREGATE_KIND, PENALTY_KIND, PRUNER_KIND, RULE_KIND, SAMPLER_KIND, Plugin

Named = tuple[str, str]
"""A kind and a name."""


@dataclass(frozen=True, slots=True)
class PublishedPlugins:
    """Traits by kind and name; `failures` say why a worker could not load one that no worker has published."""

    traits: Mapping[Named, Traits] = field(default_factory=dict)
    failures: Mapping[Named, str] = field(default_factory=dict)

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind: the built-in ones, then those from outside."""
        built_in = KINDS[kind].built_in
        return [*built_in, *(name for of, name in self.traits if of == kind and name not in built_in)]

    def outside(self) -> dict[str, list[Plugin]]:
        """Return the objects from outside by kind."""
        return {
            kind: [entry_of(kind, self.traits[kind, name]) for name in self.names(kind) if name not in KINDS[kind].built_in]
            for kind in KINDS
        }

    def why_not(self, kind: str, name: str) -> str:
        """Return what to add to a name that nobody knows: why a worker could not load it; nothing where none tried."""
        failure = self.failures.get((kind, name))
        return "" if failure is None else f", which a worker could not load: {failure}"


def with_plugins(
    document: Mapping[str, Any], published: PublishedPlugins, own_penalties: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a sent document with the traits of the plug-ins that it names. What it says of them itself is dropped.

    `own_penalties` are the workload's: its names go first.
    """
    filled = dict(document)
    search = document.get("search")
    if isinstance(search, dict):
        chosen = {"sampler": SAMPLER_KIND, "pruner": PRUNER_KIND}
        plain = {name: value for name, value in search.items() if name != "plugins"}
        filled["search"] = plain | {
            part: _filled(search[part], kind, "name", published) for part, kind in chosen.items() if part in search
        }
        if rules := _rules(search.get("baselines"), published):
            filled["search"]["plugins"] = rules
    if "objective" in document:
        filled["objective"] = _filled(document["objective"], AGGREGATE_KIND, "aggregate", published)
    penalties = document.get("penalties")
    if isinstance(penalties, list):
        others = PublishedPlugins(
            {named: traits for named, traits in published.traits.items() if named[1] not in (own_penalties or ())}
        )
        filled["penalties"] = [_filled(penalty, PENALTY_KIND, "penalty", others) for penalty in penalties]
    return filled


def _rules(baselines: Any, published: PublishedPlugins) -> dict[str, Any]:
    """Return the traits of the weighting rules from outside that are named."""
    named = [name for name in baselines if isinstance(name, str)] if isinstance(baselines, list | tuple) else []
    outside = [name for name in named if name not in KINDS[RULE_KIND].built_in and (RULE_KIND, name) in published.traits]
    return {name: dict(published.traits[RULE_KIND, name]) for name in outside}


def _filled(part: Any, kind: str, key: str, published: PublishedPlugins) -> Any:
    if not isinstance(part, dict):
        return part
    plain = {name: value for name, value in part.items() if name != "plugin"}
    name = part.get(key)
    if not isinstance(name, str) or name in KINDS[kind].built_in or (kind, name) not in published.traits:
        return plain
    return {**plain, "plugin": dict(published.traits[kind, name])}


def named_plugins(document: Mapping[str, Any]) -> Iterator[Named]:
    """Yield the plug-ins from outside that a stored definition names."""
    search = document.get("search") or {}
    parts = [
        (SAMPLER_KIND, "name", search.get("sampler")),
        (PRUNER_KIND, "name", search.get("pruner")),
        (AGGREGATE_KIND, "aggregate", document.get("objective")),
        *((PENALTY_KIND, "penalty", penalty) for penalty in document.get("penalties") or ()),
    ]
    for kind, key, part in parts:
        if isinstance(part, Mapping) and part.get("plugin") is not None:
            yield kind, str(part[key])
    for name in search.get("plugins") or ():
        yield RULE_KIND, name
