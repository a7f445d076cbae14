"""How a faulty form is reported: what was probably meant, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from search.errors import Fault, InvalidDefinition, shown
from search.names import listed, nearest
from tests.search.definitions import fault_at, faults_of, flagship

# Unknown fields and choices


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("objectiv", "objective"),
        ("schema", "$schema"),
        ("workload.option", "options"),
        ("tasks.0.lossses", "losses"),
        ("tasks.0.losses.0.wieght", "weight"),
        ("tasks.1.losses.0.weight.hgh", "high"),
        ("tasks.1.losses.0.weight.crrent", "current"),
        ("penalties.0.betwen", "between"),
        ("penalties.0.between.0.clases", "classes"),
        ("objective.agregate", "aggregate"),
        ("objective.metrics.0.utlity", "utility"),
        ("search.trails", "trials"),
        ("search.sampler.nam", "name"),
        ("training.epoch", "epochs"),
        ("training.optimizer.configs", "config"),
    ],
)
def test_an_unknown_field_is_refused_with_the_one_that_was_meant(path: str, meant: str) -> None:
    fault = fault_at({path: 1}, path)
    assert fault.did_you_mean == meant
    assert meant in fault.expected


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("objective.metrics.0.strategy", "constrain", "constraint"),
        ("objective.metrics.0.direction", "maximise", "maximize"),
        ("objective.epoch", "Best", "best"),
        ("tasks.1.losses.0.weight.scale", "lin", "linear"),
        ("penalties.0.between.0.reduce", "men", "mean"),
        ("search.space", "bx", "box"),
        ("search.space", "simplx", "simplex"),
    ],
)
def test_a_misspelt_choice_is_refused_with_the_one_that_was_meant(path: str, value: str, meant: str) -> None:
    fault = fault_at({path: value}, path)
    assert (fault.did_you_mean, fault.got) == (meant, repr(value))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("workload", "an object"),
        ("objective", "an object"),
        ("search.sampler", "an object"),
        ("tasks", "a list"),
        ("penalties", "a list"),
        ("tasks.0.losses.0", "an object"),
        ("tasks.0.losses.0.name", "a string"),
        ("labels", "an object"),
        ("weights", "an object"),
    ],
)
def test_a_value_of_another_kind_is_refused(path: str, expected: str) -> None:
    assert fault_at({path: 3}, path).expected == expected


@pytest.mark.parametrize("document", [None, 3, "x", [], [flagship()]])
def test_a_definition_is_an_object(document: Any) -> None:
    assert faults_of(document)[""].expected == "a study definition (a JSON object)"


def test_every_required_field_that_lacks_is_named() -> None:
    assert set(faults_of({})) == {"workload", "tasks", "objective"}


# Words


def test_a_list_in_a_sentence_is_sorted_and_cut() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed(str(i) for i in range(15)) == "0, 1, 10, 11, 12, 13, 14, 2, 3, 4, 5, 6 and 3 more"
    assert listed([]) == "none"


@pytest.mark.parametrize(("name", "meant"), [("adm", "adam"), ("adam", "adam"), ("xyz", None)])
def test_the_nearest_name_is_one_that_was_probably_meant(name: str, meant: str | None) -> None:
    assert nearest(name, ["adam", "sgd"]) == meant


def test_a_refusal_reads_as_a_sentence_for_each_fault() -> None:
    faults = [Fault("search.sampler.name", "one of grid, random, tpe", "'tpee'", "tpe"), Fault("", "an object", "3")]
    assert str(InvalidDefinition(faults)) == (
        "search.sampler.name: expected one of grid, random, tpe, got 'tpee' (did you mean 'tpe'?); "
        "the definition: expected an object, got 3"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"low": 2, "high": 1}, "{'low': 2, 'high': 1}"),
        ("x" * 200, "'" + "x" * 35),
        (list(range(100)), "[0, 1, 2"),
        ({i: i for i in range(100)}, "{0: 0, 1: 1"),
        (-(10**400), "an integer of about 401 digits"),
    ],
)
def test_what_was_sent_is_shown_in_at_most_80_letters(value: Any, text: str) -> None:
    assert shown(value).startswith(text)
    assert len(shown(value)) <= 80
