"""What `fit` takes becomes arrays by name; missing labels and class weights become row weights."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.door.rows import Names, class_ids, named_inputs, named_rows, split_off, with_classes, with_missing
from steelyard.errors import ValidationError

TWO = Names(None, ("input_layer",), ("dense", "dense_1"), ("dense_3", "dense_4"))
ONE = Names(None, ("input_layer",), ("out",), ("out",))
X = np.arange(12.0).reshape(6, 2)


def test_y_by_the_names_that_keras_gave_is_y_by_the_names_of_the_study() -> None:
    rows = named_rows(X, {"dense_4": np.ones(6), "dense_3": np.zeros(6)}, None, TWO)
    assert sorted(rows.targets) == ["dense", "dense_1"]
    assert rows.targets["dense"].tolist() == [0] * 6


def test_a_list_of_targets_has_the_order_of_the_outputs() -> None:
    assert named_rows(X, [np.zeros(6), np.ones(6)], None, TWO).targets["dense_1"].tolist() == [1] * 6


def test_a_target_of_no_output_stays_for_terms_that_read_it() -> None:
    assert set(named_rows(X, {"dense_3": np.ones(6), "teacher": np.ones(6)}, None, TWO).targets) == {"dense", "teacher"}


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.ones(6), "pass a dict by output"),
        ([np.ones(6)], "the list has 1"),
        ({"dense_3": np.ones(5)}, "one row an example"),
        ({"dense_3": np.array(["a"] * 6)}, "encode text as numbers"),
    ],
)
def test_labels_that_do_not_fit_are_refused_in_a_sentence(y: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        named_rows(X, y, None, TWO)


def test_a_model_with_several_inputs_takes_a_list_or_a_dict_by_either_name() -> None:
    names = Names(("input_layer", "input_layer_1"), ("input_layer_7", "input_layer_8"), ("out",), ("out",))
    for x in ([X, X + 1], {"input_layer_7": X, "input_layer_8": X + 1}, {"input_layer": X, "input_layer_1": X + 1}):
        assert named_inputs(x, names, "x")["input_layer_1"][0, 0] == 1
    with pytest.raises(ValidationError, match="got one array"):
        named_inputs(X, names, "x")


def test_a_missing_label_weighs_nothing() -> None:
    rows = named_rows(X, {"dense_3": np.array([1, np.nan, 0, 1, np.nan, 0]), "dense_4": np.arange(6) - 1.0}, None, TWO)
    found = with_missing(rows, {"dense_3": "nan", "dense_4": -1}, TWO)
    assert found.weights["dense"].tolist() == [1, 0, 1, 1, 0, 1]
    assert found.targets["dense"].tolist() == [1, 0, 0, 1, 0, 0]
    assert found.weights["dense_1"].tolist() == [0, 1, 1, 1, 1, 1]


def test_row_weights_and_missing_labels_count_together() -> None:
    rows = named_rows(X, {"dense_3": np.array([1.0, -1, 0, 1, -1, 0])}, np.arange(6.0), TWO)
    assert with_missing(rows, -1, TWO).weights["dense"].tolist() == [0, 0, 2, 3, 0, 5]


def test_a_row_that_lacks_a_part_of_its_labels_is_refused() -> None:
    rows = named_rows(X, {"out": np.array([[1, -1]] * 6)}, None, ONE)
    with pytest.raises(ValidationError, match="lacks a part of its labels"):
        with_missing(rows, -1, ONE)


def test_balanced_classes_weigh_the_same_in_all() -> None:
    rows = named_rows(X, np.array([0, 0, 0, 0, 1, 1]), None, ONE)
    weights = with_classes(rows, "balanced", ONE).weights["out"]
    np.testing.assert_allclose(weights, [0.75] * 4 + [1.5] * 2)  # 6 / (2 * 4) and 6 / (2 * 2)


def test_balance_is_that_of_the_labelled_rows() -> None:
    rows = named_rows(X, np.array([0, 0, -1, -1, 1, -1]), None, ONE)
    weights = with_classes(with_missing(rows, -1, ONE), "balanced", ONE).weights["out"]
    np.testing.assert_allclose(weights, [0.75, 0.75, 0, 0, 1.5, 0])


def test_class_weights_of_one_hot_labels_and_of_ids_are_the_same() -> None:
    ids = np.array([0, 2, 1, 1, 0, 2])
    for target in (ids, np.eye(3)[ids]):
        found = with_classes(named_rows(X, target, None, ONE), {0: 2.0, 1: 3.0}, ONE)
        assert found.weights["out"].tolist() == [2, 1, 3, 3, 2, 1]
    assert class_ids(ids[:, None], "out").tolist() == ids.tolist()


def test_class_weights_of_several_outputs_must_name_theirs() -> None:
    rows = named_rows(X, {"dense_3": np.array([0, 1, 0, 1, 0, 1]), "dense_4": np.ones(6)}, None, TWO)
    assert with_classes(rows, {"dense_3": {0: 5.0}}, TWO).weights["dense"].tolist() == [5, 1, 5, 1, 5, 1]
    with pytest.raises(ValidationError, match="several outputs"):
        with_classes(rows, {0: 5.0}, TWO)


def test_a_share_is_split_off_where_keras_splits_it() -> None:
    first, last = split_off(named_rows(X, np.array([0, 1, 0, 1, 0, 1]), None, ONE), 0.3, "validation_split", said=True)
    assert (first.count, last.count) == (4, 2)  # floor(6 * 0.7)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 1, 1], [2, 2, 1, 1, 0, 0], [0, 1, 0, 2, 2, 2]])
def test_rows_sorted_by_a_label_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValidationError, match=r"sorted by y\['out'\]"):
        split_off(named_rows(X, np.array(labels), None, ONE), 0.34, "validation_split", said=True)
