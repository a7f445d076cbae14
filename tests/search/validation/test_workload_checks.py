"""What the description that a worker published says of a definition: keys, columns, and sides of equal shape."""

from __future__ import annotations

import pytest

from search.validation.normalize import normalise
from tests.search.definitions import PUBLISHED, Document, ads, changed, define, faults_of, flagship, log_range, only


def test_the_flagship_fits_what_digits_publishes() -> None:
    assert normalise(flagship(), workloads=PUBLISHED).warnings == ()


@pytest.mark.parametrize(
    ("changes", "path", "meant"),
    [
        ({"tasks.0.output": "digt"}, "tasks.0.output", "digit"),
        ({"tasks.0.target": "digts"}, "tasks.0.target", "digit"),
        ({"tasks.0.losses.0.target": "parit"}, "tasks.0.losses.0.target", "parity"),
        ({"penalties.0.between.1": {"output": "parities"}}, "penalties.0.between.1.output", "parity"),
        ({"penalties.0.between.1": {"input": "images"}}, "penalties.0.between.1.input", "image"),
        ({"penalties.0.between.1": {"target": "partity"}}, "penalties.0.between.1.target", "parity"),
    ],
)
def test_a_key_that_the_workload_does_not_have_is_refused(changes: Document, path: str, meant: str) -> None:
    assert only(changed(flagship(), changes), path, PUBLISHED).did_you_mean == meant


def test_a_task_s_name_is_an_output_and_a_target() -> None:
    document = changed(flagship(), {"tasks.1.name": "odd", "penalties.0.between.1.task": "odd"})
    document["objective"]["metrics"].pop()
    assert set(faults_of(document, PUBLISHED)) == {"tasks.1.name"}


def test_a_column_lies_within_the_output() -> None:
    assert only(ads(**{"tasks.0.output": "topic", "tasks.0.column": 5}), "tasks.0.column", PUBLISHED).got == "5"


@pytest.mark.parametrize(
    ("side", "at"),
    [
        ({"task": "digit", "classes": [1, 10]}, "classes"),
        ({"output": "digit", "index": 10}, "index"),
        ({"task": "digit", "groups": {"odd": [1, 10]}}, "groups.odd"),
    ],
)
def test_a_selector_s_columns_lie_within_what_it_reads(side: Document, at: str) -> None:
    document = changed(flagship(), {"penalties.0.between.0": side})
    assert only(document, f"penalties.0.between.0.{at}", PUBLISHED).got == "10"


def test_there_are_as_many_groups_as_the_other_side_has_classes() -> None:
    sides = [{"output": "topic", "groups": {"a": [0], "b": [1, 2]}}, {"task": "click"}]
    document = {**ads(), "penalties": [{"name": "p", "penalty": "consistency", "between": sides}]}
    fault = only(document, "penalties.0.between.0.groups", PUBLISHED)
    assert (fault.expected, fault.got) == ("1 groups, one for each class of the other side", "2")


def test_a_penalty_on_a_target_of_which_numbers_mark_columns_as_missing_is_refused() -> None:
    document = changed(flagship(), {"tasks.0.column": 1, "tasks.0.missing": -1, "penalties.0.between.0": {"target": "digit"}})
    assert "penalties.0.between.0.target" in faults_of(document)


@pytest.mark.parametrize(
    ("sides", "got"),
    [
        ([{"task": "digit"}, {"task": "parity"}], "[batch, 10] against [batch, 1]"),
        ([{"target": "digit"}, {"task": "parity"}], "[batch] against [batch, 1]"),
        ([{"input": "image"}, {"task": "parity"}], "[batch, 8, 8] against [batch, 1]"),
    ],
)
def test_sides_of_different_shape_are_refused(sides: list[Document], got: str) -> None:
    document = changed(flagship(), {"penalties.0.between": sides})
    assert only(document, "penalties.0.between", PUBLISHED).got == got


@pytest.mark.parametrize(
    ("penalty", "sides"),
    [
        ("implication", [{"output": "topic", "index": 1}, {"output": "topic", "index": 2}]),
        ("consistency", [{"output": "topic", "classes": [1, 2]}, {"task": "click"}]),
        ("consistency", [{"output": "mask", "reduce": "mean"}, {"task": "click"}]),
        ("hierarchy", [{"output": "mask"}, {"task": "click"}]),
        ("consistency", [{"target": "state"}, {"task": "click"}]),
    ],
)
def test_sides_of_equal_shape_are_taken(penalty: str, sides: list[Document]) -> None:
    document = ads()
    document["penalties"] = [{"name": "p", "penalty": penalty, "between": sides}]
    assert define(document, PUBLISHED).penalties[0].penalty == penalty


def test_a_target_without_the_axis_of_its_output_of_width_1_gets_it() -> None:
    document = changed(flagship(), {"penalties.0.between": [{"target": "parity"}, {"task": "parity"}]})
    assert define(document, PUBLISHED).penalties[0].between is not None


def test_what_has_no_axis_of_columns_has_no_column() -> None:
    document = changed(flagship(), {"penalties.0.between.1": {"target": "digit", "index": 0}})
    assert only(document, "penalties.0.between.1.index", PUBLISHED).got == "0 of [batch]"


def test_a_column_is_a_side_of_width_one() -> None:
    document = ads(**{"tasks.0.output": "topic", "tasks.0.column": 2})
    document["penalties"] = [{"name": "p", "penalty": "implication", "between": [{"task": "click"}, {"task": "buy"}]}]
    assert define(document, PUBLISHED).tasks[0].column == 2


def test_a_task_that_only_a_penalty_reads_needs_no_target() -> None:
    document = changed(ads(), {"tasks.2": {"name": "topic"}})
    document["penalties"] = [{"name": "p", "penalty": "consistency", "between": [{"task": "topic", "index": 0}, {"task": "buy"}]}]
    assert define(document, PUBLISHED).tasks[2].name == "topic"


def test_a_task_whose_losses_have_targets_of_their_own_needs_none() -> None:
    loss = {"name": "error", "loss": "mse", "target": "click", "weight": log_range()}
    extra = {"name": "topic", "column": 0, "losses": [loss]}
    assert define(ads(**{"tasks.2": extra}), PUBLISHED).tasks[2].losses[0].target == "click"


def test_under_other_options_the_model_may_be_another() -> None:
    document = changed(flagship(), {"workload.options": {"hidden": [8]}, "tasks.0.output": "head"})
    assert define(document, PUBLISHED).tasks[0].output == "head"


def test_options_at_their_default_change_nothing() -> None:
    document = changed(flagship(), {"workload.options": {"hidden": [64, 64]}, "tasks.0.output": "head"})
    assert set(faults_of(document, PUBLISHED)) == {"tasks.0.output"}
