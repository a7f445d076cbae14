"""What `fit` takes becomes arrays by name; missing labels and class weights become fields of tasks."""

from __future__ import annotations

import numpy as np
import pytest

from steelyard.door.rows import Names, labelled_rows, missing_marks, named_inputs, named_rows, split_off, weights_of_classes
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


class NAType:
    """As pandas has it."""


def test_gaps_among_numbers_are_nan() -> None:
    gaps = np.array([1, None, 2.5, NAType(), 0, True], dtype=object)
    found = named_rows(X, [gaps, np.zeros(6)], None, TWO).targets["dense"]
    np.testing.assert_array_equal(found, [1, np.nan, 2.5, np.nan, 0, 1])


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.ones(6), "pass a dict by output"),
        ([np.ones(6)], "the list has 1"),
        ({"dense_3": np.ones(5)}, "one row an example"),
        ({"dense_3": np.array(["a"] * 6)}, "got text \\(a\\): encode it before"),
        ({"dense_3": [[1]] * 5 + [[1, 2]]}, "rows have different lengths: pad them"),
        ({"dense_3": np.array([1, 2, 3, 4, 5, 1j], dtype=object)}, "got dtype object with a complex"),
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


def test_marks_of_missing_labels_go_by_the_study_s_names() -> None:
    rows = named_rows(X, {"dense_3": np.array([1, np.nan, 0, 1, np.nan, 0]), "dense_4": np.arange(6) - 1.0}, None, TWO)
    assert missing_marks({"dense_3": "nan", "dense_4": -1}, rows, TWO) == {"dense": "nan", "dense_1": -1.0}
    assert missing_marks(np.float32(-1), rows, TWO) == {"dense": -1.0, "dense_1": -1.0}
    assert missing_marks(float("nan"), rows, TWO) == {"dense": "nan", "dense_1": "nan"}


@pytest.mark.parametrize(("missing", "said"), [("none", '"nan" or a number'), ({"teacher": -1}, "y has no 'teacher'")])
def test_other_marks_are_refused(missing: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        missing_marks(missing, named_rows(X, np.ones(6), None, ONE), ONE)


def test_rows_with_a_label_that_counts() -> None:
    rows = named_rows(X, np.array([1.0, -1, 0, 1, np.nan, 0]), np.array([1.0, 1, 0, 2, 1, 1]), ONE)
    assert labelled_rows(rows, "out", -1.0).tolist() == [True, False, False, True, True, True]
    assert labelled_rows(rows, "out", "nan").tolist() == [True, True, False, True, False, True]


def test_class_weights_are_written_as_a_task_has_them() -> None:
    rows = named_rows(X, np.array([0, 0, 0, 0, 1, 1]), None, ONE)
    assert weights_of_classes("balanced", rows, ONE) == {"out": "balanced"}
    assert weights_of_classes({0: 2, np.int64(1): 0.5}, rows, ONE) == {"out": {"0": 2.0, "1": 0.5}}
    with pytest.raises(ValidationError, match="in numbers"):
        weights_of_classes({"cat": 2.0}, rows, ONE)


def test_class_weights_of_several_outputs_must_name_theirs() -> None:
    rows = named_rows(X, {"dense_3": np.array([0, 1, 0, 1, 0, 1]), "dense_4": np.ones(6)}, None, TWO)
    assert weights_of_classes({"dense_3": {0: 5.0}}, rows, TWO) == {"dense": {"0": 5.0}}
    with pytest.raises(ValidationError, match="several outputs"):
        weights_of_classes({0: 5.0}, rows, TWO)


def test_missing_labels_do_not_hide_that_rows_are_sorted() -> None:
    labels = np.array([0, np.nan, 0, 0, 1, np.nan])
    with pytest.raises(ValidationError, match="sorted by"):
        split_off(named_rows(X, labels, None, ONE), 0.34, "validation_split", True, {"out": "nan"})


def test_a_share_is_split_off_where_keras_splits_it() -> None:
    first, last = split_off(named_rows(X, np.array([0, 1, 0, 1, 0, 1]), None, ONE), 0.3, "validation_split", said=True)
    assert (first.count, last.count) == (4, 2)  # floor(6 * 0.7)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0, 1, 1], [2, 2, 1, 1, 0, 0], [0, 1, 0, 2, 2, 2]])
def test_rows_sorted_by_a_label_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValidationError, match=r"sorted by y\['out'\]"):
        split_off(named_rows(X, np.array(labels), None, ONE), 0.34, "validation_split", said=True)
