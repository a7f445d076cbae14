"""Definitions that name plug-ins from outside, checked by what workers published of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from search.catalog import AggregateEntry, PenaltyEntry, SamplerEntry, number
from search.catalog.plugins import PluginEntry, traits_of
from search.definition.schema import StudyDefinition
from search.errors import Fault, InvalidDefinition
from search.objective.scoring import VALUE_PATH
from search.validation.normalize import definition_sha256, from_storage, normalise, term_records, to_api, to_storage
from search.validation.published import PublishedPlugins, named_plugins
from tests.search.definitions import PUBLISHED, UNPUBLISHED, changed, define, flagship

MAKE = "nowhere:make"
SAMPLER = SamplerEntry(
    name="outside", summary="", implementation=MAKE, parameters=(number("width", 1.0, "", above=0, most=1),), single_valued=True
)
AGGREGATE = AggregateEntry(name="outside", summary="", implementation=MAKE, parameters=(number("p", 2.0, ""),), positive=True)
PENALTY = PenaltyEntry(name="outside", summary="", implementation=MAKE, formula="", has_rows=False)


def published(**entries: PluginEntry) -> PublishedPlugins:
    return PublishedPlugins(
        {(kind, entry.name): traits_of(entry) for kind, entry in entries.items()}, {("samplers", "broken"): "no module"}
    )


KNOWN = published(samplers=SAMPLER, aggregates=AGGREGATE, penalties=PENALTY)


def taken(changes: dict[str, Any], known: PublishedPlugins = KNOWN, workloads: Any = UNPUBLISHED) -> StudyDefinition:
    return normalise(changed(flagship(), changes), workloads=workloads, plugins=known).definition


def faults(changes: dict[str, Any], known: PublishedPlugins = KNOWN) -> dict[str, Fault]:
    with pytest.raises(InvalidDefinition) as refused:
        taken(changes, known)
    return {fault.path: fault for fault in refused.value.faults}


def test_a_study_keeps_the_traits_that_it_was_accepted_with() -> None:
    definition = taken({"search.sampler": {"name": "outside"}, "penalties.0.penalty": "outside", "penalties.0.config": {}})
    again = from_storage(json.loads(json.dumps(to_storage(definition))), trials=32)
    assert again.search.sampler.plugin == traits_of(SAMPLER)
    assert set(named_plugins(to_storage(definition))) == {("samplers", "outside"), ("penalties", "outside")}


def test_what_is_sent_of_traits_is_dropped() -> None:
    sent = {"name": "tpe", "plugin": traits_of(SAMPLER)}
    assert taken({"search.sampler": sent}).search.sampler.plugin is None
    assert faults({"search.sampler": {"name": "outside", "plugin": traits_of(SAMPLER)}}, PublishedPlugins()).keys() == {
        "search.sampler.name"
    }


def test_a_study_without_plug_ins_is_as_it_was() -> None:
    assert "plugin" not in json.dumps(to_api(taken({})))
    assert definition_sha256(taken({})) == definition_sha256(define(flagship()))


def test_other_traits_are_another_definition() -> None:
    other = published(samplers=SamplerEntry(name="outside", summary="", implementation=MAKE, learns=False))
    one, two = (taken({"search.sampler": {"name": "outside"}}, known) for known in (KNOWN, other))
    assert definition_sha256(one) != definition_sha256(two)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"search.sampler": {"name": "outside", "config": {"width": 2}}}, "search.sampler.config.width"),
        ({"search.sampler": {"name": "outside", "config": {"size": 2}}}, "search.sampler.config.size"),
        ({"objective.aggregate": "outside", "objective.config": {"p": "a"}}, "objective.config.p"),
        ({"objective.aggregate": "outside", "objective.metrics.0.metric": "agreement"}, "objective.metrics.0.metric"),
        ({"search.sampler": {"name": "outside"}, "objective.aggregate": "pareto"}, "search.sampler.name"),
        ({"penalties.0.penalty": "outside", "penalties.0.config": {}, "objective.metrics.0.metric": "agreement.violations"},
         "objective.metrics.0.metric"),
    ],
)  # fmt: skip
def test_its_traits_are_heeded(changes: dict[str, Any], path: str) -> None:
    assert path in faults(changes)


def test_a_name_that_nobody_published_is_refused_with_those_there_are_and_why_it_could_not_be_loaded() -> None:
    fault = faults({"search.sampler": {"name": "broken"}})["search.sampler.name"]
    assert "outside" in fault.expected
    assert fault.got == "'broken', which a worker could not load: no module"


def test_the_workload_s_own_penalty_goes_first() -> None:
    own = {name: {**(description or {}), "penalties": ["outside"]} for name, description in PUBLISHED.items()}
    changes = {"penalties.0": {"name": "agreement", "penalty": "outside", "weight": {"low": 0, "high": 1}}}
    assert taken(changes, workloads=own).penalties[0].plugin is None


def test_what_an_aggregate_from_outside_gives_is_measured_beside_the_metrics() -> None:
    definition = taken({"objective.aggregate": "outside"})
    assert definition.objective.config == {"p": 2.0}
    assert [record.path for record in term_records(definition)][-1] == VALUE_PATH
