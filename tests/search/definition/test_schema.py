"""The form of a definition: what is read, what is refused, where and with which words."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from search.definition.schema import MAX_EPOCHS, MAX_TASKS, MAX_TERMS, MAX_TRIALS, StudyDefinition
from search.definition.selectors import Selector
from search.definition.weights import Strict
from search.names import RESERVED
from search.validation.normalize import definition_sha256
from search.validation.schema_errors import MAX_FAULTS
from tests.search.definitions import Document, changed, define, fault_at, faults_of, flagship, log_range, study, task

DIGIT_WEIGHT = "tasks.0.losses.0.weight"


def nested(levels: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(levels):
        inner = [inner]
    return inner


# What is read


def test_the_flagship_of_the_contract_is_read() -> None:
    definition = StudyDefinition.model_validate(flagship())
    assert [task.name for task in definition.tasks] == ["digit", "parity"]
    assert definition.penalties[0].between is not None
    assert definition.penalties[0].between[0].classes == (1, 3, 5, 7, 9)
    assert definition.training.optimizer.config == {"learning_rate": 0.001}


def test_workload_tasks_and_objective_are_all_that_is_required() -> None:
    document = flagship()
    least = {key: document[key] for key in ("workload", "tasks", "objective")}
    definition = define(least)
    assert (definition.search.sampler.name, definition.search.trials, definition.search.seed) == ("tpe", 32, 0)
    assert (definition.search.max_attempts, definition.search.space, definition.objective.epoch) == (3, "box", "last")
    assert (definition.training.epochs, definition.training.batch_size, definition.training.report_every) == (10, 32, 1)
    assert definition.training.optimizer.name == "adam"


def test_a_metric_may_be_its_name_alone() -> None:
    metric = define(flagship()).tasks[1].metrics[0]
    assert (metric.name, metric.metric, metric.config) == ("binary_accuracy", "binary_accuracy", {})


def test_a_loss_left_unweighted_has_weight_one() -> None:
    document = flagship()
    del document["tasks"][0]["losses"][0]["weight"]
    assert define(document).tasks[0].losses[0].weight == 1.0


def test_an_output_and_a_target_are_the_task_s_name_unless_given() -> None:
    read = define(changed(flagship(), {"tasks.0.output": "head", "tasks.0.target": "log odds"})).tasks
    assert (read[0].used_output, read[0].used_target) == ("head", "log odds")
    assert (read[1].used_output, read[1].used_target) == ("parity", "parity")


@pytest.mark.parametrize("key", ["state", "total", "number", "log odds", "dense_1/Relu:0"])
def test_keys_of_the_workload_may_be_any_text(key: str) -> None:
    assert define(changed(flagship(), {"tasks.0.target": key})).tasks[0].used_target == key


def test_editors_schema_description_and_labels_are_allowed() -> None:
    document = {**flagship(), "$schema": "https://example.org/s.json", "description": "ours", "labels": {"team": "a"}}
    assert define(document).labels == {"team": "a"}


def test_a_definition_cannot_be_changed() -> None:
    definition = define(flagship())
    with pytest.raises(ValidationError, match="frozen"):
        definition.search.seed = 1  # type: ignore[misc]


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for kind in Strict.__subclasses__():
        found.add(kind)
    return found


@pytest.mark.parametrize("model", sorted(models(StudyDefinition), key=lambda model: model.__name__))
def test_every_field_is_described_for_the_reference(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())


# Numbers


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (DIGIT_WEIGHT, "1.0"),
        (DIGIT_WEIGHT, "1e4"),
        ("tasks.1.losses.0.weight.low", "0.01"),
        ("penalties.0.weight.high", "10"),
        ("tasks.1.losses.0.weight.current", "1"),
        ("objective.metrics.0.utility", "2"),
    ],
)
def test_a_string_is_no_number(path: str, value: str) -> None:
    fault = fault_at({path: value}, path)
    assert (fault.expected, fault.got) == ("a number", repr(value))


@pytest.mark.parametrize(
    "path",
    [
        "search.trials",
        "search.seed",
        "search.cohort_size",
        "search.max_attempts",
        "search.max_losses",
        "training.epochs",
        "training.batch_size",
    ],
)
@pytest.mark.parametrize("value", ["3", 3.0, 2.5, True, [3]])
def test_a_count_is_a_whole_number(path: str, value: Any) -> None:
    assert fault_at({path: value}, path).expected == "a whole number"


@pytest.mark.parametrize("path", ["tasks.1.losses.0.weight.low", "tasks.1.losses.0.weight.current", "objective.metrics.0.utility"])
def test_a_boolean_is_no_number(path: str) -> None:
    assert fault_at({path: True}, path).expected == "a number"


def test_a_boolean_is_no_weight() -> None:
    assert fault_at({DIGIT_WEIGHT: True}, DIGIT_WEIGHT).got == "True"


@pytest.mark.parametrize("value", [1, 0, "true", "yes"])
def test_a_number_or_a_string_is_no_boolean(value: Any) -> None:
    assert fault_at({"tasks.0.from_logits": value}, "tasks.0.from_logits").expected == "true or false"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "path",
    [
        DIGIT_WEIGHT,
        "tasks.1.losses.0.weight.high",
        "penalties.0.weight.current",
        "objective.metrics.0.utility",
        "objective.metrics.0.at_least",
        "workload.options.width",
        "training.optimizer.config.learning_rate",
    ],
)
def test_numbers_are_finite(path: str, value: float) -> None:
    assert fault_at({path: value}, path).expected == "a finite number"


@pytest.mark.parametrize(("path", "least"), [(DIGIT_WEIGHT, 0), ("tasks.1.losses.0.weight.current", 0), ("search.seed", 0)])
def test_a_negative_number_is_refused(path: str, least: int) -> None:
    fault = fault_at({path: -1}, path)
    assert (fault.expected, fault.got) == (f"at least {least}", "-1")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("search.trials", 0),
        ("search.trials", -3),
        ("search.trials", MAX_TRIALS + 1),
        ("search.trials", 10**30),
        ("search.seed", 2**31),
        ("search.cohort_size", 0),
        ("search.cohort_size", 1025),
        ("search.max_attempts", 0),
        ("search.max_losses", 0),
        ("training.epochs", 0),
        ("training.epochs", MAX_EPOCHS + 1),
        ("training.batch_size", 0),
        ("training.batch_size", 10**9),
        ("training.report_every", 0),
        ("tasks.0.column", -1),
        ("penalties.0.between.0.classes.0", -1),
        ("objective.metrics.0.utility", 0),
        ("objective.metrics.0.utility", 10**13),
        (DIGIT_WEIGHT, 10**13),
        ("tasks.1.losses.0.weight.points", 1),
        ("tasks.1.losses.0.weight.points", 0),
        ("tasks.1.losses.0.weight.points", 10**6),
    ],
)
def test_counts_and_weights_have_bounds(path: str, value: int) -> None:
    fault = fault_at({path: value}, path)
    assert fault.expected.split()[0] in ("at", "more", "less")
    assert fault.got == str(value)


def test_an_integer_of_thousands_of_digits_is_refused_in_few_words() -> None:
    assert fault_at({DIGIT_WEIGHT: 10**5000}, DIGIT_WEIGHT).got == "an integer of about 5001 digits"


# Names


@pytest.mark.parametrize("name", ["", "a b", "_a", "-a", "a.b", "é", "a\n", "a/b", "\x00", "*"])
@pytest.mark.parametrize("path", ["tasks.0.name", "tasks.0.losses.0.name", "penalties.0.name", "name"])
def test_a_name_has_letters_digits_underscores_and_hyphens(path: str, name: str) -> None:
    assert fault_at({path: name}, path).expected == "letters, digits, '_' and '-', the first one a letter or digit"


@pytest.mark.parametrize("path", ["tasks.0.name", "tasks.0.losses.0.name", "penalties.0.name", "tasks.0.metrics.0"])
@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_is_refused_with_the_list(path: str, name: str) -> None:
    place = f"{path}.name" if path.endswith("metrics.0") else path
    assert "loss, number, objective, state, total, val_loss" in fault_at({path: name}, place).expected


def test_a_name_has_at_most_64_characters() -> None:
    assert define(changed(flagship(), {"penalties.0.name": "a" * 64})).penalties[0].name == "a" * 64
    assert fault_at({"penalties.0.name": "a" * 65}, "penalties.0.name").expected == "at most 64 characters"


def test_a_shared_weight_s_name_is_a_name() -> None:
    assert "weights.two words" in faults_of({**flagship(), "weights": {"two words": log_range()}})


def test_a_lone_surrogate_is_refused() -> None:
    assert fault_at({"description": "\ud800"}, "description").expected == "a string of valid Unicode"


# Selectors and constraints


@pytest.mark.parametrize(
    ("side", "got"),
    [
        ({}, "none of them"),
        ({"classes": [1]}, "none of them"),
        ({"task": "digit", "output": "digit"}, "['task', 'output']"),
    ],
)
def test_a_selector_reads_exactly_one_thing(side: Document, got: str) -> None:
    fault = fault_at({"penalties.0.between.0": side}, "penalties.0.between.0")
    assert (fault.expected, fault.got.strip("'")) == ("exactly one of task, output, input, target", got)


def test_a_selector_takes_classes_or_an_index() -> None:
    side = {"task": "digit", "classes": [1], "index": 2}
    assert fault_at({"penalties.0.between.0": side}, "penalties.0.between.0").expected == "classes or index, not both"


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ({"groups": {"odd": [1, 3], "even": [3, 2]}}, "groups in which no column stands twice"),
        ({"groups": {"0": [1], "2": [2]}}, 'names, or all the indices from "0" to "1"'),
        ({"groups": {"0": [1], "odd": [2]}}, 'names, or all the indices from "0" to "1"'),
        ({"groups": {"a": [1], "b": [2]}, "order": ["a"]}, "each of the groups a, b once"),
        ({"groups": {"0": [1], "1": [2]}, "order": ["1", "0"]}, "each of the groups 0, 1 once, indices in their order"),
        ({"order": ["a"]}, "groups beside their order"),
        ({"groups": {"a": [1]}, "index": 1}, "index or groups, not both"),
    ],
)
def test_groups_that_say_no_order_of_classes_are_refused(side: Document, expected: str) -> None:
    assert expected in fault_at({"penalties.0.between.0": {"task": "digit", **side}}, "penalties.0.between.0").expected


@pytest.mark.parametrize("side", [{"groups": {}}, {"groups": {"a": []}}])
def test_empty_groups_are_refused(side: Document) -> None:
    faults = faults_of(changed(flagship(), {"penalties.0.between.0": {"task": "digit", **side}}))
    assert [path for path in faults if path.startswith("penalties.0.between.0.groups")] == [*faults]


def test_the_order_of_groups_outlasts_json_whose_keys_have_none() -> None:
    side = Selector.model_validate({"task": "digit", "groups": {"small": [0, 1], "large": [7]}})
    stored = json.loads(json.dumps(side.model_dump(mode="json"), sort_keys=True))
    assert Selector.model_validate(stored).grouped == ((0, 1), (7,))
    other = Selector.model_validate({"task": "digit", "groups": {"large": [7], "small": [0, 1]}})
    assert (other.grouped, other == side) == (((7,), (0, 1)), False)


def test_indices_are_groups_in_their_own_order() -> None:
    assert Selector.model_validate({"task": "digit", "groups": {"1": [7], "0": [2]}}).grouped == ((2,), (7,))


def test_integer_keys_of_groups_are_their_text() -> None:
    side = Selector.model_validate({"task": "digit", "groups": {1: [7], 0: [2]}})
    assert (side.groups, side.grouped) == ({"1": (7,), "0": (2,)}, ((2,), (7,)))


# Labels


@pytest.mark.parametrize("mark", ["refuse", "nan", -1, 255.0])
def test_a_mark_of_missing_labels_is_a_word_or_a_number(mark: Any) -> None:
    assert define(changed(flagship(), {"tasks.0.missing": mark})).tasks[0].missing == mark


@pytest.mark.parametrize(
    ("path", "value", "where", "expected"),
    [
        ("missing", "none", "missing", "one of refuse, nan"),
        ("missing", True, "missing", "a number"),
        ("missing", None, "missing", "a number"),
        ("class_weight", "equal", "class_weight", "'balanced'"),
        ("class_weight", {"1": -2.0}, "class_weight.1", "at least 0"),
        ("class_weight", {"one": 2.0}, "class_weight.one", 'a class as a whole number from 0, such as "3"'),
        ("class_weight", {}, "class_weight", "at least 1 items"),
        ("class_weight", [1.0], "class_weight", "an object"),
    ],
)
def test_labels_of_another_form_are_refused(path: str, value: Any, where: str, expected: str) -> None:
    assert fault_at({f"tasks.0.{path}": value}, f"tasks.0.{where}").expected == expected


def test_fields_at_their_default_change_no_hash() -> None:
    plain, said = define(flagship()), define(changed(flagship(), {"tasks.0.missing": "refuse", "tasks.0.class_weight": None}))
    assert definition_sha256(plain) == definition_sha256(said)
    assert definition_sha256(plain) != definition_sha256(define(changed(flagship(), {"tasks.0.missing": "nan"})))


@pytest.mark.parametrize("sides", [[{"task": "digit"}], [{"task": "digit"}, {"task": "parity"}, {"output": "digit"}]])
def test_a_penalty_has_two_sides(sides: list[Document]) -> None:
    assert "2 items" in fault_at({"penalties.0.between": sides}, "penalties.0.between").expected


def test_a_faulty_side_is_observed_without_the_list_s_length() -> None:
    assert set(faults_of(changed(flagship(), {"penalties.0.between.0": {}}))) == {"penalties.0.between.0"}


def test_a_constraint_needs_a_bound() -> None:
    fault = fault_at({"objective.metrics.0.strategy": "constraint"}, "objective.metrics.0")
    assert fault.expected == "at_least or at_most with strategy constraint"


def test_a_bound_needs_the_strategy_constraint() -> None:
    fault = fault_at({"objective.metrics.0.at_least": 0.9}, "objective.metrics.0")
    assert fault.expected == "strategy constraint with at_least"


def test_a_constraint_that_nothing_meets_is_refused() -> None:
    bounds = {"strategy": "constraint", "at_least": 0.9, "at_most": 0.1}
    entry = {"metric": "digit.sparse_categorical_accuracy", **bounds}
    assert fault_at({"objective.metrics.0": entry}, "objective.metrics.0").expected == "at_least <= at_most"


# Caps


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (study(*[log_range()] * (MAX_TASKS + 1)), "tasks"),
        (study(log_range(), shared={f"w{i}": log_range() for i in range(MAX_TERMS + 1)}), "weights"),
        (changed(study(log_range()), {"tasks.0.metrics": [f"m{i}" for i in range(MAX_TERMS + 1)]}), "tasks.0.metrics"),
        (changed(study(log_range()), {"objective.metrics": [{"metric": f"m{i}"} for i in range(65)]}), "objective.metrics"),
        (changed(study(log_range()), {"labels": {str(i): "" for i in range(65)}}), "labels"),
        (changed(study(log_range()), {"tasks.0.losses.0.weight": {"values": list(range(1001))}}), f"{DIGIT_WEIGHT}.values"),
    ],
)
def test_every_list_has_a_cap(document: Document, path: str) -> None:
    assert "at most" in faults_of(document)[path].expected


@pytest.mark.parametrize("path", ["workload.options.deep", "tasks.0", DIGIT_WEIGHT, "penalties", "search.sampler.config.deep"])
def test_deep_nesting_is_refused_in_few_words(path: str) -> None:
    faults = faults_of(changed(flagship(), {path: nested(5000)}))
    assert all(len(fault.got) <= 80 for fault in faults.values())


def test_of_thousands_of_faults_the_first_hundred_are_reported() -> None:
    document = {**flagship(), **{f"x{i}": 1 for i in range(3000)}}
    assert len(faults_of(document)) == MAX_FAULTS


def test_a_very_long_field_name_is_cut_in_the_path() -> None:
    assert set(faults_of({**flagship(), "x" * 100_000: 1})) == {"x" * 64}


def test_a_task_without_losses_and_metrics_is_still_a_task() -> None:
    document = changed(flagship(), {"tasks.2": {"name": "extra"}})
    document["penalties"].append({"name": "p", "penalty": "implication", "between": [{"task": "extra"}, {"task": "parity"}]})
    assert define(document).tasks[2].losses == ()


def test_a_task_may_have_several_losses() -> None:
    extra = {"name": "absolute", "loss": "mean_absolute_error", "weight": 0.5}
    document = changed(study(log_range()), {"tasks.0.losses.1": extra})
    assert [loss.name for loss in define(document).tasks[0].losses] == ["error", "absolute"]


def test_builders_give_a_study_that_is_right() -> None:
    assert [part.name for part in define(study(log_range(), 1.0)).tasks] == ["t0", "t1"]
    assert task("a")["losses"][0]["weight"] == 1.0
