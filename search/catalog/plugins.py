"""The kinds of plug-ins: their registries, the form in which a worker publishes them, and what is installed in this process.

A package outside of this one registers an entry point in the group `steelyard.<kind>` under the object's own name. Workers and
their training processes load them (`installed`); everybody else reads what workers published (`entry_of`), and loads nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from search.catalog.aggregates import AGGREGATES
from search.catalog.entries import (
    AggregateEntry,
    Extra,
    Json,
    Marker,
    Parameter,
    PenaltyEntry,
    PluginEntry,
    PrunerEntry,
    SamplerEntry,
)
from search.catalog.penalties import PENALTIES
from search.catalog.pruners import PRUNERS
from search.catalog.samplers import SAMPLERS
from search.catalog.weighting_rules import WEIGHTING_RULES, Domain, Need, WeightingRule
from search.errors import PluginFailed, PluginMissing
from search.names import NAME_PATTERN, RESERVED, listed

Traits = Mapping[str, Json]
"""A plug-in's object as JSON: what a worker publishes, and what a study that names it keeps."""

MAX_NAME = 64
PENALTY_KIND: Final = "penalties"
SAMPLER_KIND: Final = "samplers"
PRUNER_KIND: Final = "pruners"
AGGREGATE_KIND: Final = "aggregates"
RULE_KIND: Final = "weighting_rules"
FIXED_BASELINES = ("current", "equal", "inverse_initial_loss", "without")
"""Baselines of fixed weights: a rule from outside is a baseline too, and may not take their names."""

Plugin = PluginEntry | WeightingRule
"""The object of a plug-in."""


@dataclass(frozen=True, slots=True)
class PluginKind:
    """A kind of plug-in. `loaded_by`: the process that runs it, since a module of the training process may import TensorFlow."""

    name: str
    noun: str
    form: type[Plugin]
    built_in: Mapping[str, Plugin]
    loaded_by: Literal["worker", "child"]

    @property
    def group(self) -> str:
        return f"steelyard.{self.name}"


@dataclass(frozen=True, slots=True)
class Installed:
    """The plug-ins of one kind from outside that could be loaded here, by name, and why others could not."""

    entries: Mapping[str, Plugin]
    failures: Mapping[str, str]


def _named(entries: Sequence[Plugin]) -> Mapping[str, Plugin]:
    return MappingProxyType({entry.name: entry for entry in entries})


KINDS: Mapping[str, PluginKind] = {
    kind.name: kind
    for kind in (
        PluginKind(SAMPLER_KIND, "sampler", SamplerEntry, _named(SAMPLERS), "worker"),
        PluginKind(PRUNER_KIND, "pruner", PrunerEntry, _named(PRUNERS), "worker"),
        PluginKind(AGGREGATE_KIND, "aggregate", AggregateEntry, _named(AGGREGATES), "worker"),
        PluginKind(PENALTY_KIND, "penalty", PenaltyEntry, _named(PENALTIES), "child"),
        PluginKind(RULE_KIND, "weighting rule", WeightingRule, _named(WEIGHTING_RULES), "child"),
    )
}


# As JSON


def traits_of(entry: Plugin) -> dict[str, Json]:
    """Return a plug-in's object as JSON. Its `rules` are functions, and are left out."""
    if isinstance(entry, WeightingRule):
        return {**dataclasses.asdict(entry), "needs": list(entry.needs)}
    traits = {
        field.name: getattr(entry, field.name) for field in dataclasses.fields(entry) if field.name not in ("rules", "keras_class")
    }
    traits["parameters"] = [_parameter(parameter) for parameter in entry.parameters]
    traits["owned"] = dict(entry.owned)
    if traits.get("needs") is not None:
        traits["needs"] = dataclasses.asdict(traits["needs"])
    plain: dict[str, Json] = json.loads(json.dumps(traits, allow_nan=False))
    return plain


def _parameter(parameter: Parameter) -> dict[str, Json]:
    document = dataclasses.asdict(parameter)
    return {**document, "default": None if parameter.required else document["default"], "required": parameter.required}


def entry_of(kind: str, traits: Traits) -> Plugin:
    """Return the object whose `traits_of` this is."""
    if kind == RULE_KIND:
        return rule_of(traits)
    given = {**traits, "parameters": tuple(map(_read_parameter, traits["parameters"]))}
    if given.get("needs") is not None:
        given["needs"] = Extra(**given["needs"])
    return KINDS[kind].form(**given)


def rule_of(traits: Traits) -> WeightingRule:
    """Return the weighting rule whose `traits_of` this is."""
    return WeightingRule(**{**traits, "needs": tuple(traits["needs"])})


def _read_parameter(document: Mapping[str, Json]) -> Parameter:
    given = {name: value for name, value in document.items() if name != "required"}
    default = Marker.REQUIRED if document["required"] else given["default"]
    return Parameter(**{**given, "default": default, "choices": tuple(given["choices"])})


def digest_of_traits(traits: Traits) -> str:
    """Return the sha256 of a plug-in's canonical JSON."""
    return hashlib.sha256(json.dumps(traits, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# Installed here


@cache
def installed(kind: str) -> Installed:
    """Load the plug-ins of a kind that are installed beside this package, once a process. One that fails harms no other."""
    entries: dict[str, Plugin] = {}
    failures: dict[str, str] = {}
    for point in sorted(entry_points(group=KINDS[kind].group), key=lambda point: (point.name, point.value)):
        if point.name in entries or point.name in failures:
            failures.setdefault(point.name, f"two packages register the {KINDS[kind].noun} {point.name!r}")
            entries.pop(point.name, None)
            continue
        try:
            entries[point.name] = loaded(KINDS[kind], point)
        except (Exception, SystemExit) as error:  # a stranger's module may do anything; the others stay
            failures[point.name] = str(error) if isinstance(error, PluginFailed) else f"{type(error).__name__}: {error}"
    return Installed(entries, failures)


def loaded(kind: PluginKind, point: EntryPoint) -> Plugin:
    """Return the object that an entry point names. Raises PluginFailed for one that may not be used, and what its module raises."""
    entry = point.load()
    if not isinstance(entry, kind.form):
        raise PluginFailed(f"{point.value} should be a {kind.form.__name__}, got a {type(entry).__name__}")
    for fault in _faults(kind, point.name, entry):
        raise PluginFailed(fault)
    found = resolve(entry.implementation)  # of a weighting rule it is an object, which `search.training.weighting.loading` checks
    if not isinstance(entry, WeightingRule) and not callable(found):
        raise PluginFailed(f"the implementation {entry.implementation} is no function")
    return entry


def _faults(kind: PluginKind, name: str, entry: Plugin) -> list[str]:
    """Return why an object from outside may not be used: what only this package computes, and names that are taken."""
    faults = {
        f"the name {name!r} is taken by a built-in {kind.noun}": name in kind.built_in,
        f"the entry point is called {name!r}, the object {entry.name!r}": name != entry.name,
        f"{name!r} is no name: letters, digits, _ and -, at most {MAX_NAME}": not re.fullmatch(NAME_PATTERN, name)
        or len(name) > MAX_NAME
        or name in RESERVED,
    }
    faults |= _faults_of_rule(entry) if isinstance(entry, WeightingRule) else _faults_of_entry(entry)
    return [fault for fault, holds in faults.items() if holds]


def _faults_of_rule(rule: WeightingRule) -> dict[str, bool]:
    return {
        f"needs should be some of {listed(get_args(Need))}": not {*rule.needs} <= {*get_args(Need)},
        f"domain should be one of {listed(get_args(Domain))}": rule.domain not in get_args(Domain),
        "moves should be epoch or step": rule.moves not in ("epoch", "step"),
        f"the name {rule.name!r} is taken by a built-in baseline": rule.name in FIXED_BASELINES,
    }


def _faults_of_entry(entry: PluginEntry) -> dict[str, bool]:
    named = {parameter.name for parameter in entry.parameters}
    faults = {
        "rules are functions, which cannot be published": bool(entry.rules),
        "keras_class is for Keras's own": entry.keras_class is not None,
        "a parameter's default should be a JSON value, or REQUIRED": any(
            parameter.default is Marker.FROM_OUTPUT for parameter in entry.parameters
        ),
    }
    if isinstance(entry, AggregateEntry):
        faults["is_front is for `pareto`: all others have a value"] = entry.is_front
        faults["needs_references is for `delta_m`: give an aggregate its numbers in its config"] = entry.needs_references
    if isinstance(entry, SamplerEntry):
        faults["is_grid is for `grid`"] = entry.is_grid
        faults[f"generation names no parameter of {listed(named)}"] = bool(entry.generation) and entry.generation not in named
        faults[f"first_batch names no parameter of {listed(named)}"] = (
            isinstance(entry.first_batch, str) and entry.first_batch not in named
        )
    if isinstance(entry, PrunerEntry):
        faults["halving takes the parameters min_epochs and reduction_factor"] = (entry.halving or entry.brackets) and not {
            "min_epochs",
            "reduction_factor",
        } <= named
    return faults


@cache
def resolve(place: str) -> Callable[..., Any]:
    """Return what `module:attribute` names. Raises what importing it raises, PluginFailed where there is no such attribute."""
    module, _, attribute = place.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise PluginFailed(f"the module {module} has no {attribute!r}")
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def implementation(kind: str, entry: Plugin) -> Callable[..., Any]:
    """Return what computes a plug-in. Raises PluginMissing for one from outside that is not installed here."""
    if entry.name in KINDS[kind].built_in:
        return resolve(KINDS[kind].built_in[entry.name].implementation)
    there = installed(kind)
    if entry.name not in there.entries:
        why = there.failures.get(entry.name, "it is not installed here")
        raise PluginMissing(f"the {KINDS[kind].noun} {entry.name!r} of a plug-in cannot be used: {why}")
    return resolve(there.entries[entry.name].implementation)


def published_by(process: Literal["worker", "child"]) -> list[dict[str, Json]]:
    """Return what a process publishes: `{"kind", "name", "digest", "traits"}` each, or `{"kind", "name", "reason"}`."""
    found: list[dict[str, Json]] = []
    for kind in (kind for kind in KINDS.values() if kind.loaded_by == process):
        there = installed(kind.name)
        for name, entry in there.entries.items():
            traits = traits_of(entry)
            found.append({"kind": kind.name, "name": name, "digest": digest_of_traits(traits), "traits": traits})
        found += [{"kind": kind.name, "name": name, "reason": why} for name, why in there.failures.items()]
    return found
