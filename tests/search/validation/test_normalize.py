"""Normalised definitions: what is echoed and warned of, the stored form, the hashes, and the differences of two."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.definition.schema import StudyDefinition
from search.errors import Fault, InvalidDefinition
from search.validation.normalize import definition_sha256, from_storage, normalise, term_records, to_api, to_storage
from tests.search.definitions import PUBLISHED, UNPUBLISHED, Document, any_weight, changed, define, flagship, log_range, study, task

PARITY = "tasks.1.losses.0.weight"


def from_sql(definition: StudyDefinition) -> StudyDefinition:
    """Return the definition after a way through SQL."""
    document = json.loads(json.dumps(to_storage(definition), allow_nan=False))
    return from_storage(
        document,
        trials=definition.search.trials or 0,
        name=definition.name,
        description=definition.description,
        labels=definition.labels,
    )


# What is echoed


def test_the_flagship_normalises_without_a_warning() -> None:
    normal = normalise(flagship(), workloads=PUBLISHED)
    assert normal.warnings == ()
    assert normal.definition.name == "digit-and-parity"


def test_the_scale_of_a_range_is_echoed() -> None:
    document = to_api(define(flagship()))
    assert document["tasks"][1]["losses"][0]["weight"]["scale"] == "log"
    assert document["penalties"][0]["weight"]["scale"] == "linear"


def test_directions_are_echoed_from_the_catalog() -> None:
    document = changed(
        flagship(), {"objective.metrics.2": {"metric": "agreement"}, "objective.metrics.3": {"metric": "digit.crossentropy"}}
    )
    directions = [entry.direction for entry in define(document).objective.metrics]
    assert directions == ["maximize", "maximize", "minimize", "minimize"]
    assert [metric.direction for metric in define(document).tasks[0].metrics] == ["maximize"]


@pytest.mark.parametrize(
    ("loss", "direction"),
    [("mean_squared_error", "minimize"), ("mean_absolute_error", "minimize"), ("r2_score", "maximize"), ("auc", "maximize")],
)
def test_a_metric_s_direction_is_the_catalog_s(loss: str, direction: str) -> None:
    document = changed(study(log_range()), {"tasks.0.metrics": [loss], "objective.metrics.0.metric": f"t0.{loss}"})
    assert define(document).objective.metrics[0].direction == direction


def test_a_metric_s_own_direction_goes_before_the_catalog_s() -> None:
    metric = {"name": "mse", "metric": "mse", "direction": "maximize"}
    document = changed(study(log_range()), {"tasks.0.metrics.0": metric})
    assert define(document).objective.metrics[0].direction == "maximize"


def test_a_star_becomes_that_metric_of_every_task_that_has_it() -> None:
    document = study(log_range(), 1.0, 1.0)
    document["tasks"][1]["metrics"] = ["mae"]
    document["objective"]["metrics"] = [{"metric": "*.mse", "utility": 2}, {"metric": "t1.mae"}]
    entries = define(document).objective.metrics
    assert [(entry.metric, entry.utility) for entry in entries] == [("t0.mse", 2), ("t2.mse", 2), ("t1.mae", 1)]


def test_star_auc_is_the_auc_of_every_task() -> None:
    document = study(log_range(), 1.0)
    for part in document["tasks"]:
        part["metrics"] = ["auc"]
        part["losses"][0]["loss"] = "binary_crossentropy"
    document["objective"]["metrics"] = [{"metric": "*.auc"}]
    entries = define(document).objective.metrics
    assert [(entry.metric, entry.direction) for entry in entries] == [("t0.auc", "maximize"), ("t1.auc", "maximize")]


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"])
def test_accuracy_resolves_by_the_loss(loss: str) -> None:
    document = changed(
        study(log_range()),
        {"tasks.0.losses.0.loss": loss, "tasks.0.metrics": ["accuracy"], "objective.metrics.0.metric": "t0.accuracy"},
    )
    assert define(document).objective.metrics[0].direction == "maximize"


def test_accuracy_is_refused_where_no_loss_decides_it() -> None:
    document = changed(flagship(), {"tasks.2": {**task("size"), "metrics": ["accuracy"]}})
    with pytest.raises(InvalidDefinition) as refused:
        normalise(document, workloads=UNPUBLISHED)
    assert [fault.path for fault in refused.value.faults] == ["tasks.2.metrics.0.metric"]


@pytest.mark.parametrize(("trials", "budget"), [(None, 32), (7, 7)])
def test_the_number_of_trials_is_echoed(trials: int | None, budget: int) -> None:
    assert define(study(log_range(), trials=trials)).search.trials == budget


def test_normalising_twice_changes_nothing() -> None:
    definition = define(flagship())
    assert define(to_api(definition)) == definition


def test_what_is_shown_is_json() -> None:
    assert json.loads(json.dumps(to_api(define(flagship())), allow_nan=False))["name"] == "digit-and-parity"


# The stored form


def test_the_stored_form_lacks_what_has_columns_of_its_own() -> None:
    document = to_storage(define({**flagship(), "description": "ours", "labels": {"a": "b"}, "$schema": "s"}))
    assert not {"name", "description", "labels", "$schema", "schema_"} & set(document)
    assert "trials" not in document["search"]


@pytest.mark.parametrize(
    "document",
    [
        flagship(),
        {**flagship(), "description": "ours", "labels": {"team": "a"}, "$schema": "s"},
        study("walls", {"of": "walls", "times": 0.5}, {"values": [1, 2]}, shared={"walls": log_range(points=3)}),
        study(log_range(points=3), sampler={"name": "grid"}),
        study({"low": 0, "high": 5e-324 * 2**60, "current": 1e12}, trials=1),
    ],
)
def test_a_definition_comes_back_from_sql_as_it_was(document: Document) -> None:
    definition = define(document)
    assert from_sql(definition) == definition


@given(st.lists(any_weight(), min_size=1, max_size=4), st.integers(0, 2**31 - 1), st.integers(1, 1000))
@settings(deadline=None, derandomize=True)
def test_any_definition_comes_back_from_sql_as_it_was(drawn: list[Any], seed: int, trials: int) -> None:
    definition = define(study("walls", *drawn, shared={"walls": log_range()}, seed=seed, trials=trials))
    back = from_sql(definition)
    assert back == definition
    assert definition_sha256(back) == definition_sha256(definition)


def test_a_raised_budget_is_restored_with_the_definition() -> None:
    assert from_storage(to_storage(define(flagship())), trials=64).search.trials == 64


# What a study measures


def test_terms_are_recorded_with_kind_direction_and_task() -> None:
    records = {record.path: (record.kind, record.direction, record.task) for record in term_records(define(flagship()))}
    assert records == {
        "digit.crossentropy": ("loss", "minimize", "digit"),
        "parity.crossentropy": ("loss", "minimize", "parity"),
        "agreement": ("penalty", "minimize", None),
        "digit.sparse_categorical_accuracy": ("metric", "maximize", "digit"),
        "parity.binary_accuracy": ("metric", "maximize", "parity"),
        "agreement.violations": ("metric", "minimize", None),
    }


def test_an_own_metric_is_recorded_with_the_objective_s_direction() -> None:
    document = changed(
        study(log_range()),
        {
            "tasks.0.metrics.0": {"name": "lift", "metric": "lift"},
            "objective.metrics.0": {"metric": "t0.lift", "direction": "minimize"},
        },
    )
    records = {record.path: record.direction for record in term_records(define(document, PUBLISHED | {"ads": None}))}
    assert records["t0.lift"] == "minimize"


# Whatever is sent

atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["loss", "digit", "tpe"])
keys = st.sampled_from(["name", "low", "high", "values", "of", "x"])
json_values = st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=5
)


def places_of(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for step, item in items for place in [(*here, step), *places_of(item, (*here, step))]]


PLACES = [".".join(map(str, place)) for place in places_of(to_api(define(flagship())))]


@given(st.lists(st.tuples(st.sampled_from(PLACES), json_values), min_size=1, max_size=3))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_is_sent_is_read_or_refused_with_places(sent: list[tuple[str, Any]]) -> None:
    document = to_api(define(flagship()))
    for path, value in sent:
        with contextlib.suppress(TypeError, AttributeError, ValueError, KeyError, IndexError):
            document = changed(document, {path: value})  # unless an earlier value took this place away
    faults: Sequence[Fault] = ()
    try:
        definition = define(document, PUBLISHED)
        assert from_sql(definition) == definition
    except InvalidDefinition as refused:
        faults = refused.faults or [Fault("", "", "")]
    assert all(fault.path and fault.expected and fault.got for fault in faults)
