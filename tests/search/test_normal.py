"""Normalised definitions: what is echoed and warned of, the stored form, the hashes, and the differences of two."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.definition import StudyDefinition
from search.errors import DefinitionRefused, Fault
from search.normal import changes, definition_sha256, normalise, problem_sha256, restored, shown, stored, term_records
from tests.search.definitions import PUBLISHED, UNPUBLISHED, Document, changed, define, flagship, log_range, study, task

PARITY = "tasks.1.losses.0.weight"


def warnings_of(document: Document, workloads: Any = PUBLISHED) -> tuple[str, ...]:
    return normalise(document, workloads=workloads).warnings


def from_sql(definition: StudyDefinition) -> StudyDefinition:
    """Return the definition after a way through SQL."""
    document = json.loads(json.dumps(stored(definition), allow_nan=False))
    return restored(
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
    document = shown(define(flagship()))
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
    with pytest.raises(DefinitionRefused) as refused:
        normalise(document, workloads=UNPUBLISHED)
    assert [fault.path for fault in refused.value.faults] == ["tasks.2.metrics.0.metric"]


@pytest.mark.parametrize(("trials", "budget"), [(None, 32), (7, 7)])
def test_the_number_of_trials_is_echoed(trials: int | None, budget: int) -> None:
    assert define(study(log_range(), trials=trials)).search.trials == budget


def test_normalising_twice_changes_nothing() -> None:
    definition = define(flagship())
    assert define(shown(definition)) == definition


def test_what_is_shown_is_json() -> None:
    assert json.loads(json.dumps(shown(define(flagship())), allow_nan=False))["name"] == "digit-and-parity"


# Warnings


def test_an_unpublished_workload_is_warned_of() -> None:
    warning = "no worker has published workload 'digits' yet"
    assert [text for text in warnings_of(flagship(), UNPUBLISHED) if text.startswith(warning)]


def test_more_than_one_searched_weight_per_ten_trials_is_warned_of() -> None:
    assert warnings_of(changed(flagship(), {"search.trials": 20})) == ()
    warnings = warnings_of(changed(flagship(), {"search.trials": 19}))
    assert [text.split(":")[0] for text in warnings] == ["2 searched weights for 19 trials"]


def test_a_shared_weight_counts_once() -> None:
    document = study("walls", "walls", "walls", shared={"walls": log_range()}, trials=10)
    assert not [text for text in warnings_of(document, UNPUBLISHED) if "searched weights for" in text]


@pytest.mark.parametrize("shared", [False, True])
def test_a_loss_whose_weight_may_be_zero_is_warned_of(shared: bool) -> None:
    weight = {"low": 0, "high": 1}
    document = study("walls", shared={"walls": weight}) if shared else study(weight)
    place = "weights.walls" if shared else "tasks.0.losses.0.weight"
    warnings = warnings_of(document, UNPUBLISHED)
    assert [text for text in warnings if text.startswith(f"{place}: low is 0") and "t0.error" in text]


def test_a_penalty_whose_weight_may_be_zero_is_meant() -> None:
    assert not [text for text in warnings_of(flagship()) if "low is 0" in text]


@pytest.mark.parametrize(
    "weight",
    [{"low": 0.01, "high": 100, "current": 1000}, {"low": 0.01, "high": 100, "current": 0}, {"values": [1, 2], "current": 3}],
)
def test_a_current_weight_that_cannot_be_drawn_is_warned_of(weight: Document) -> None:
    warnings = warnings_of(changed(flagship(), {PARITY: weight}))
    assert [text for text in warnings if text.startswith(f"{PARITY}: current {weight['current']} ")]


def test_a_direction_against_the_catalog_is_warned_of() -> None:
    metric = {"name": "binary_accuracy", "metric": "binary_accuracy", "direction": "minimize"}
    warnings = warnings_of(changed(flagship(), {"tasks.1.metrics.0": metric}))
    assert warnings == ("parity.binary_accuracy: direction minimize is the opposite of what the catalog says",)


def test_an_objective_against_the_usual_direction_is_warned_of() -> None:
    entry = {"metric": "agreement.violations", "direction": "maximize"}
    warnings = warnings_of(changed(flagship(), {"objective.metrics.0": entry}))
    assert warnings == ("objective: agreement.violations with direction maximize is the opposite of what is usual (minimize)",)


# The stored form


def test_the_stored_form_lacks_what_has_columns_of_its_own() -> None:
    document = stored(define({**flagship(), "description": "ours", "labels": {"a": "b"}, "$schema": "s"}))
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


weights = st.one_of(
    st.floats(0, 1e12),
    st.builds(lambda low, width, current: {"low": low, "high": low + width, "current": current},
              st.floats(1e-9, 1e6), st.floats(1e-3, 1e6), st.none() | st.floats(0, 1e6)),
    st.lists(st.floats(0, 1e12), min_size=2, max_size=5, unique=True).map(lambda values: {"values": values}),
    st.just("walls"),
    st.floats(1e-9, 1e9).map(lambda times: {"of": "walls", "times": times}),
)  # fmt: skip


@given(st.lists(weights, min_size=1, max_size=4), st.integers(0, 2**31 - 1), st.integers(1, 1000))
@settings(deadline=None, derandomize=True)
def test_any_definition_comes_back_from_sql_as_it_was(drawn: list[Any], seed: int, trials: int) -> None:
    definition = define(study("walls", *drawn, shared={"walls": log_range()}, seed=seed, trials=trials))
    back = from_sql(definition)
    assert back == definition
    assert definition_sha256(back) == definition_sha256(definition)


def test_a_raised_budget_is_restored_with_the_definition() -> None:
    assert restored(stored(define(flagship())), trials=64).search.trials == 64


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
        shown(define(flagship())),
    ],
    ids=["reordered", "nameless", "renamed", "relabelled", "other budget", "spelled out"],
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
    ],
)
def test_another_search_of_a_problem_has_its_problem_hash(path: str, value: Any) -> None:
    ours, other = both(flagship()), both(changed(flagship(), {path: value}))
    assert ours[0] != other[0]
    assert ours[1] == other[1]


@given(st.lists(weights, min_size=2, max_size=3), st.integers(0, 2), weights)
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


PLACES = [".".join(map(str, place)) for place in places_of(shown(define(flagship())))]


@given(st.lists(st.tuples(st.sampled_from(PLACES), json_values), min_size=1, max_size=3))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_is_sent_is_read_or_refused_with_places(sent: list[tuple[str, Any]]) -> None:
    document = shown(define(flagship()))
    for path, value in sent:
        with contextlib.suppress(TypeError, AttributeError, ValueError, KeyError, IndexError):
            document = changed(document, {path: value})  # unless an earlier value took this place away
    faults: Sequence[Fault] = ()
    try:
        definition = define(document, PUBLISHED)
        assert from_sql(definition) == definition
    except DefinitionRefused as refused:
        faults = refused.faults or [Fault("", "", "")]
    assert all(fault.path and fault.expected and fault.got for fault in faults)
