"""The hashes of a definition: what changes them, what does not, and where two definitions differ."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.validation.normalize import changes, definition_sha256, problem_sha256, to_api
from tests.search.definitions import Document, any_weight, changed, define, flagship, log_range, study

PARITY = "tasks.1.losses.0.weight"


# Hashes


def reordered(value: Any) -> Any:
    """Return a document with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def both(document: Document) -> tuple[str, str]:
    definition = define(document)
    return definition_sha256(definition), problem_sha256(definition)


@pytest.mark.parametrize(
    "document",
    [
        reordered(flagship()),
        {key: value for key, value in flagship().items() if key != "name"},
        {**flagship(), "name": "another"},
        {**flagship(), "description": "words", "labels": {"team": "a"}, "$schema": "s"},
        changed(flagship(), {"search.trials": 64}),
        changed(flagship(), {"search.stop": {"after_seconds": 60.0}}),
        to_api(define(flagship())),
    ],
    ids=["reordered", "nameless", "renamed", "relabelled", "other budget", "other stop", "spelled out"],
)
def test_what_does_not_change_the_search_does_not_change_the_hashes(document: Document) -> None:
    assert both(document) == both(flagship())


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("weights", {}),
        ("tasks.0.from_logits", False),
        ("tasks.0.column", None),
        ("tasks.0.output", "digit"),
        ("tasks.0.target", "digit"),
        ("tasks.0.losses.0.target", "digit"),
        ("tasks.0.losses.0.config", {}),
        ("tasks.0.metrics.0", {"name": "sparse_categorical_accuracy", "metric": "sparse_categorical_accuracy"}),
        (
            "tasks.0.metrics.0",
            {"name": "sparse_categorical_accuracy", "metric": "sparse_categorical_accuracy", "direction": "maximize"},
        ),
        (f"{PARITY}.scale", "log"),
        (f"{PARITY}.points", None),
        ("penalties.0.between.1.reduce", None),
        ("objective.metrics.0.utility", 1),
        ("objective.metrics.0.direction", "maximize"),
        ("objective.metrics.0.strategy", "optimize"),
        ("objective.epoch", "last"),
        ("search.space", "box"),
        ("training.initial_weights", "fresh"),
    ],
)
def test_a_default_spelled_out_does_not_change_the_hashes(path: str, default: Any) -> None:
    assert both(changed(flagship(), {path: default})) == both(flagship())


@pytest.mark.parametrize("path", ["search", "training.epochs", "training.batch_size", "training.report_every", "workload.options"])
def test_a_default_left_out_does_not_change_the_hashes(path: str) -> None:
    document = flagship()
    *way, last = path.split(".")
    here = document
    for step in way:
        here = here[step]
    del here[last]
    assert both(document) == both(flagship())


def test_an_aggregate_of_one_metric_is_mean_said_or_not() -> None:
    document = changed(study(log_range()), {"objective": {"metrics": [{"metric": "t0.mse"}]}})
    assert both(document) == both(changed(document, {"objective.aggregate": "mean"}))


def test_whole_numbers_and_floats_are_the_same_weights() -> None:
    assert both(changed(flagship(), {"tasks.0.losses.0.weight": 1})) == both(flagship())


def test_the_hashes_of_a_definition_stay_what_they_are() -> None:
    """A changed default, or a new field at its default, must not turn a repeated POST into a 409."""
    assert both(flagship()) == (
        "1174062daa8468266b5db325907f6624d01cc952754eefe26eafb8ee49bf75cd",
        "1174062daa8468266b5db325907f6624d01cc952754eefe26eafb8ee49bf75cd",
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tasks.0.losses.0.weight", 1.0000000000000002),
        ("tasks.0.losses.0.weight", log_range()),
        (f"{PARITY}.low", 0.02),
        (f"{PARITY}.high", 99),
        (f"{PARITY}.current", 2),
        (f"{PARITY}.current", None),
        (f"{PARITY}.scale", "linear"),
        ("penalties.0.weight", {"values": [0, 10]}),
    ],
)
def test_any_changed_weight_changes_the_hash(path: str, value: Any) -> None:
    assert definition_sha256(define(changed(flagship(), {path: value}))) != definition_sha256(define(flagship()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("workload.name", "digits-mask"),
        ("tasks.0.losses.0.config", {"ignore_class": 3}),
        ("penalties.0.between.0.classes", [1, 3, 5, 7]),
        ("penalties.0.config", {"form": "squared"}),
        ("objective.aggregate", "worst"),
        ("objective.metrics.0.utility", 2),
        ("objective.epoch", "best"),
        ("training.epochs", 11),
        ("training.initial_weights", "fixed"),
        ("training.optimizer.config.learning_rate", 0.01),
    ],
)
def test_another_problem_has_other_hashes(path: str, value: Any) -> None:
    ours, other = both(flagship()), both(changed(flagship(), {path: value}))
    assert ours[0] != other[0]
    assert ours[1] != other[1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("search.seed", 1),
        ("search.sampler.name", "random"),
        ("search.sampler.config", {"n_ei_candidates": 48}),
        ("search.max_attempts", 2),
        ("search.max_losses", 2),
    ],
)
def test_another_search_of_a_problem_has_its_problem_hash(path: str, value: Any) -> None:
    ours, other = both(flagship()), both(changed(flagship(), {path: value}))
    assert ours[0] != other[0]
    assert ours[1] == other[1]


@given(st.lists(any_weight(), min_size=2, max_size=3), st.integers(0, 2), any_weight())
@settings(deadline=None, derandomize=True)
def test_two_searches_have_one_hash_just_where_they_are_equal(drawn: list[Any], place: int, other: Any) -> None:
    first = define(study("walls", *drawn, shared={"walls": log_range()}))
    replaced = copy.deepcopy(drawn)
    replaced[place % len(drawn)] = other
    second = define(study("walls", *replaced, shared={"walls": log_range()}))
    assert (definition_sha256(first) == definition_sha256(second)) is (first == second)


# Differences


def test_equal_definitions_have_no_changes() -> None:
    assert changes(define(flagship()), define({**flagship(), "name": "other"})) == []


def test_changes_name_the_path_and_both_values() -> None:
    other = changed(flagship(), {f"{PARITY}.high": 50, "training.epochs": 20, "penalties": []})
    found = changes(define(flagship()), define(other))
    assert [(change["path"], change["sent"]) for change in found] == [
        ("penalties", []),
        (f"{PARITY}.high", 50.0),
        ("training.epochs", 20),
    ]
    assert [change["stored"] for change in found][1:] == [100.0, 10]


def test_a_weight_of_another_form_is_one_change_with_both_forms() -> None:
    found = changes(define(flagship()), define(changed(flagship(), {"tasks.0.losses.0.weight": 2})))
    assert found == [{"path": "tasks.0.losses.0.weight", "stored": 1.0, "sent": 2.0}]


@pytest.mark.parametrize("config", [{}, {"clipnorm": None}, {"clipnorm": 1.0, "clipvalue": None}])
def test_a_null_and_an_argument_left_out_are_a_change(config: Document) -> None:
    other = changed(flagship(), {"training.optimizer.config": {"clipvalue": None}})
    ours = changed(flagship(), {"training.optimizer.config": config})
    assert changes(define(ours), define(other))
