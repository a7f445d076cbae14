"""What every sampler keeps, whoever wrote it: run over all objects of the catalog."""

from __future__ import annotations

import importlib.util
import json
import math

import pytest

from search import catalog
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.sampling.suggest import DrawIndex, Drawn, batch_limit, suggest
from storage.records import TrialRecord, TrialState
from tests.search.definitions import define, study
from tests.search.histories import trial


def _there(entry: catalog.SamplerEntry) -> bool:
    return entry.needs is None or importlib.util.find_spec(entry.needs.module) is not None


every = pytest.mark.parametrize("entry", [entry for entry in catalog.SAMPLERS if _there(entry)], ids=lambda entry: entry.name)


def searching(entry: catalog.SamplerEntry, **search: object) -> StudyDefinition:
    weights = [{"low": 0.1, "high": 10, "points": 5}, {"values": [0.5, 1.0, 2.0]}]
    return define(study(*weights, sampler={"name": entry.name}, **search))


def history(definition: StudyDefinition, count: int, *, turned: bool = False) -> list[TrialRecord]:
    """Return trials as the sampler suggested them one by one; `turned`: what was good is bad."""
    records: list[TrialRecord] = []
    for number in range(count):
        (drawn,) = suggest(definition, records, DrawIndex(number, number), 1)
        value = -abs(math.log(drawn.parameters["t0.error"]) - 1)
        records.append(trial(number, drawn.parameters, value=-value if turned else value, sampler_state=drawn.sampler_state))
    return records


def after(definition: StudyDefinition, records: list[TrialRecord], count: int = 3) -> list[Drawn]:
    return suggest(definition, records, DrawIndex(len(records), len(records)), count)


@every
def test_rebuilt_from_rows_it_suggests_the_same(entry: catalog.SamplerEntry) -> None:
    definition = searching(entry)
    records = history(definition, 9)
    first = after(definition, records)
    assert after(definition, list(reversed(records))) == first
    assert [drawn.sampler_state for drawn in first] == json.loads(json.dumps([dict(drawn.sampler_state) for drawn in first]))


@every
def test_every_suggestion_may_be_drawn(entry: catalog.SamplerEntry) -> None:
    definition = searching(entry)
    searched = SearchSpace(definition).parameters
    for drawn in after(definition, history(definition, 5), 6):
        assert drawn.parameters.keys() == searched.keys()
        assert all(searched[path].may_be(value) for path, value in drawn.parameters.items())


@pytest.mark.parametrize("entry", [entry for entry in catalog.SAMPLERS if not entry.learns], ids=lambda entry: entry.name)
def test_one_that_does_not_learn_suggests_the_same_whatever_results_are(entry: catalog.SamplerEntry) -> None:
    definition = searching(entry)
    assert after(definition, history(definition, 5)) == after(definition, history(definition, 5, turned=True))


@every
def test_it_plans_as_many_as_its_traits_say(entry: catalog.SamplerEntry) -> None:
    definition, observed = searching(entry), [trial(0, {"t0.error": 1.0, "t1.error": 1.0}, state=TrialState.RUNNING)]
    if not entry.learns:
        assert batch_limit(definition, []) == batch_limit(definition, observed) == 1024
    elif not entry.generation:
        assert batch_limit(definition, observed) == entry.next_batch


@every
def test_trials_without_a_value_do_not_stop_it(entry: catalog.SamplerEntry) -> None:
    definition = searching(entry)
    records = history(definition, 4)
    records += [
        trial(4, records[0].parameters, value=math.nan),
        trial(5, records[1].parameters, state=TrialState.DIVERGED),
        trial(6, records[2].parameters, state=TrialState.FAILED),
    ]
    assert len(after(definition, records, 1)) == 1


@pytest.mark.parametrize("entry", catalog.SAMPLERS, ids=lambda entry: entry.name)
def test_its_traits_name_parameters_that_it_has(entry: catalog.SamplerEntry) -> None:
    named = [name for name in (entry.generation, entry.first_batch) if isinstance(name, str) and name]
    assert all(entry.parameter(name) for name in named)
