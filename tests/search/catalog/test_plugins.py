"""Plug-ins from outside: what is loaded, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from search.catalog import BASELINES, WEIGHTING_RULES, AggregateEntry, Parameter, PrunerEntry, SamplerEntry, integer, number
from search.catalog.entries import FROM_OUTPUT, REQUIRED, PluginEntry, Rule
from search.catalog.plugins import FIXED_BASELINES, KINDS, Plugin, entry_of, implementation, installed, published_by, traits_of
from search.definition.rules import weighting_of
from search.errors import InvalidDefinition, PluginMissing
from search.planning.baselines import baselines
from search.validation.normalize import from_storage, normalise, to_storage
from search.validation.published import PublishedPlugins
from tests.search.definitions import UNPUBLISHED, flagship

Install = Callable[..., None]
MAKE = "search.sampling.suggest:make_random"


def sampler(name: str = "outside", **fields: Any) -> SamplerEntry:
    return SamplerEntry(**{"name": name, "summary": "", "implementation": MAKE, **fields})


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Give a function that registers objects as entry points of a kind, in the order of the arguments."""
    points: dict[str, list[EntryPoint]] = {}
    objects: dict[str, Any] = {}

    def load(point: EntryPoint) -> Any:
        found = objects[point.value]
        if isinstance(found, BaseException):
            raise found
        return found

    def register(kind: str, *named: tuple[str, Any]) -> None:
        group = KINDS[kind].group
        for name, entry in named:
            place = f"package{len(objects)}:ENTRY"
            objects[place] = entry
            points.setdefault(group, []).append(EntryPoint(name, place, group))
        installed.cache_clear()

    monkeypatch.setattr("search.catalog.plugins.entry_points", lambda group: points.get(group, []))
    monkeypatch.setattr(EntryPoint, "load", load)
    installed.cache_clear()
    yield register
    installed.cache_clear()


def test_an_object_is_published_and_computed_by_its_function(install: Install) -> None:
    entry = sampler(parameters=(number("width", 1.0, "", above=0), Parameter("must", REQUIRED, "integer", "")), learns=False)
    install("samplers", ("outside", entry))
    (published,) = published_by("worker")
    assert entry_of("samplers", published["traits"]) == entry
    assert implementation("samplers", entry).__name__ == "make_random"


def test_one_that_fails_costs_no_other(install: Install) -> None:
    install("samplers", ("bad", ImportError("no such thing")), ("exits", SystemExit(3)), ("outside", sampler()))
    assert installed("samplers").failures == {"bad": "ImportError: no such thing", "exits": "SystemExit: 3"}
    assert [published["name"] for published in published_by("worker") if "traits" in published] == ["outside"]


@pytest.mark.parametrize(
    ("kind", "name", "entry", "why"),
    [
        ("samplers", "tpe", sampler("tpe"), "the name 'tpe' is taken by a built-in sampler"),
        ("samplers", "other", sampler(), "the entry point is called 'other', the object 'outside'"),
        ("samplers", "state", sampler("state"), "'state' is no name"),
        ("samplers", "outside", "text", "should be a SamplerEntry, got a str"),
        ("samplers", "outside", sampler(implementation="search.sampling.suggest:no_such"), "has no 'no_such'"),
        ("samplers", "outside", sampler(implementation="search.sampling.suggest:__doc__"), "is no function"),
        ("samplers", "outside", sampler(is_grid=True), "is_grid is for `grid`"),
        ("samplers", "outside", sampler(generation="size"), "generation names no parameter of none"),
        ("samplers", "outside", sampler(first_batch="size"), "first_batch names no parameter of none"),
        ("samplers", "outside", sampler(rules=(Rule("", lambda given: True),)), "rules are functions"),
        ("samplers", "outside", sampler(parameters=(Parameter("n", FROM_OUTPUT, "integer", ""),)), "should be a JSON value"),
        (
            "aggregates",
            "one",
            AggregateEntry(name="one", summary="", implementation=MAKE, is_front=True),
            "is_front is for `pareto`",
        ),
        (
            "aggregates",
            "one",
            AggregateEntry(name="one", summary="", implementation=MAKE, needs_references=True),
            "needs_references is for `delta_m`",
        ),
        (
            "pruners",
            "one",
            PrunerEntry(name="one", summary="", implementation=MAKE, halving=True, parameters=(integer("min_epochs", 1, ""),)),
            "halving takes the parameters min_epochs and reduction_factor",
        ),
    ],
)
def test_what_may_not_be_used_is_refused_by_name(install: Install, kind: str, name: str, entry: Any, why: str) -> None:
    install(kind, (name, entry))
    assert installed(kind).entries == {}
    assert why in installed(kind).failures[name]


def test_of_two_packages_with_one_name_neither_is_loaded(install: Install) -> None:
    install("samplers", ("outside", sampler()), ("outside", sampler(learns=False)))
    assert installed("samplers").entries == {}
    assert installed("samplers").failures == {"outside": "two packages register the sampler 'outside'"}


def test_what_is_not_installed_here_is_missing_with_the_reason(install: Install) -> None:
    install("samplers", ("outside", ImportError("no such thing")))
    with pytest.raises(PluginMissing, match="the sampler 'outside' of a plug-in cannot be used: ImportError: no such thing"):
        implementation("samplers", sampler())


def test_a_built_in_name_is_computed_by_the_built_in_function() -> None:
    assert implementation("samplers", sampler("tpe")).__name__ == "make_tpe"


@pytest.mark.parametrize(
    "entry", [entry for kind in KINDS.values() for entry in kind.built_in.values()], ids=lambda entry: entry.name
)
def test_an_implementation_names_its_module_and_attribute(entry: PluginEntry) -> None:
    module, _, attribute = entry.implementation.partition(":")
    assert module.startswith("search.")
    assert attribute.isidentifier()


def test_traits_are_json_without_the_rules() -> None:
    traits = traits_of(KINDS["samplers"].built_in["gp"])
    assert traits["needs"] == {"module": "torch", "title": "PyTorch", "install": "steelyard[gp]"}
    assert "rules" not in traits


@pytest.mark.parametrize(
    ("kind", "entry"),
    [(kind.name, entry) for kind in KINDS.values() for entry in kind.built_in.values()],
    ids=lambda part: part if isinstance(part, str) else part.name,
)
def test_an_object_is_the_same_when_read_from_what_was_published(kind: str, entry: Plugin) -> None:
    traits = json.loads(json.dumps(traits_of(entry)))
    read = entry_of(kind, traits)
    assert traits_of(read) == traits
    assert read == (replace(entry, rules=()) if isinstance(entry, PluginEntry) else entry)


def test_a_rule_from_outside_may_not_take_the_name_of_a_baseline(install: Install) -> None:
    assert set(FIXED_BASELINES) == {baseline.name for baseline in BASELINES if baseline.weighting is None}
    install("weighting_rules", ("equal", replace(WEIGHTING_RULES[0], name="equal")))
    assert installed("weighting_rules").failures == {"equal": "the name 'equal' is taken by a built-in baseline"}


def test_a_rule_from_outside_is_a_baseline_that_trains_by_it(install: Install) -> None:
    rule = replace(WEIGHTING_RULES[0], name="outside")
    install("weighting_rules", ("outside", rule))
    (published,) = published_by("child")
    sent = {**flagship(), "search": {"baselines": ["equal", "outside"], "trials": 4}}
    known = PublishedPlugins({("weighting_rules", "outside"): published["traits"]})
    definition = normalise(sent, workloads=UNPUBLISHED, plugins=known).definition
    assert from_storage(to_storage(definition), trials=4).search.plugins == {"outside": published["traits"]}
    assert "outside" in baselines(definition)
    assert weighting_of("outside", definition.search.plugins) == "outside"
    with pytest.raises(InvalidDefinition, match="baselines"):
        normalise(sent, workloads=UNPUBLISHED)
