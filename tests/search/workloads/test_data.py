"""What `load_data()` may return, and what is said of what it may not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from search.errors import PreflightError
from search.workloads.base import Data
from search.workloads.data import read

X, Y = np.zeros((4, 3)), {"a": np.zeros((4, 1))}
GOOD = (X, Y)


def _refusal(train: Any, **parts: Any) -> str:
    with pytest.raises(PreflightError) as caught:
        read({"train": train, "validation": GOOD, **parts})
    return caught.value.reason.message


@pytest.mark.parametrize("form", [dict, SimpleNamespace, Data])
def test_data_comes_as_a_dict_an_object_or_data(form: Any) -> None:
    loaded = read(form(train=GOOD, validation=(X[:2], {"a": Y["a"][:2]})))
    assert (loaded.train.count, loaded.validation.count) == (4, 2)
    assert set(loaded.splits) == {"train", "validation"}


def test_lists_and_array_likes_will_do() -> None:
    loaded = read({"train": ([[1.0], [2.0]], {"a": [0, 1]}), "validation": ([[1.0]], {"a": [0]})})
    assert loaded.train.inputs["input"].shape == (2, 1)


def test_a_single_input_is_named_input_and_a_single_target_after_the_only_output() -> None:
    loaded = read({"train": (X, Y["a"]), "validation": (X, Y["a"])})
    assert list(loaded.train.inputs) == ["input"]
    assert list(loaded.train.targets) == ["target"]
    assert list(loaded.with_target_named("price").validation.targets) == ["price"]


def test_named_targets_keep_their_names() -> None:
    loaded = read({"train": GOOD, "validation": GOOD})
    assert list(loaded.with_target_named("price").train.targets) == ["a"]


def test_point_sets_have_a_batch_size_of_their_own() -> None:
    loaded = read({"train": GOOD, "validation": GOOD, "extra": {"edge": (np.zeros((9, 2)), 4), "corner": np.zeros((2, 2))}})
    assert (loaded.extra["edge"].batch_size, loaded.extra["corner"].batch_size) == (4, 2)


def test_another_form_altogether() -> None:
    with pytest.raises(PreflightError, match=r"load_data\(\) should return Data.*, got a list of 2"):
        read([GOOD, GOOD])


@pytest.mark.parametrize(
    ("parts", "wrong"), [({"validation": None}, "lacks 'validation'"), ({"dev": GOOD}, "the unknown part 'dev'")]
)
def test_missing_and_unknown_parts(parts: dict[str, Any], wrong: str) -> None:
    assert wrong in _refusal(GOOD, **parts)


def test_a_split_that_is_no_pair() -> None:
    assert _refusal(X) == "train should be (x, y) or (x, y, sample_weight), got a numpy.ndarray"
    assert _refusal((X,)) == "train should be (x, y) or (x, y, sample_weight), got a tuple of 1"


def test_arrays_of_different_length() -> None:
    message = "arrays of one split should have the same number of rows: train.x has 4, train.y['a'] has 3"
    assert _refusal((X, {"a": np.zeros(3)})) == message


def test_no_rows() -> None:
    assert _refusal((X[:0], {"a": np.zeros(0)})) == "train has no rows"


def test_text_as_labels() -> None:
    text = "train.y['a'] should be an array of numbers, got dtype <U1 (encode text as numbers in load_data())"
    assert _refusal((X, {"a": np.array(["b"] * 4)})) == text


@pytest.mark.parametrize("words", [np.array(["ä", "bc", "", "d"]), np.array(["ä", b"bc", "", "d"], object)])
def test_text_as_inputs_is_utf_8(words: Any) -> None:
    loaded = read({"train": (words, Y), "validation": (words, Y)})
    assert loaded.train.inputs["input"].tolist() == ["ä".encode(), b"bc", b"", b"d"]


def test_objects() -> None:
    assert "got dtype object" in _refusal((np.array([None] * 4), Y))


def test_rows_of_different_length() -> None:
    assert _refusal(([[1.0], [1.0, 2.0]], Y)) == "train.x cannot be made an array: its rows differ in length"


def test_infinite_labels_are_reported_with_their_place() -> None:
    labels = np.zeros((4, 1))
    labels[[1, 3]] = np.inf
    with pytest.raises(PreflightError) as caught:
        read({"train": GOOD, "validation": (X, {"a": labels})})
    assert caught.value.reason.at == "load_data: validation.y['a']"
    assert caught.value.reason.message == "validation.y['a'] has an infinite value in 2 of 4 rows, first in row 1"


def test_nan_in_labels_is_for_a_study_to_judge() -> None:
    labels = np.full((4, 1), np.nan)
    assert np.isnan(read({"train": GOOD, "validation": (X, {"a": labels})}).validation.targets["a"]).all()


def test_infinite_inputs() -> None:
    assert "has an infinite value in 4 of 4 rows" in _refusal((X + np.inf, Y))


def test_negative_sample_weights() -> None:
    assert _refusal((*GOOD, {"a": np.array([1, 1, -1, 1])})) == "train.sample_weight['a'] has negative numbers"


def test_a_tuple_of_targets_would_be_matched_by_order_alone() -> None:
    assert "order alone mixes outputs up" in _refusal((X, (Y["a"], Y["a"])))


def test_a_stream_of_batches() -> None:
    assert _refusal((iter([X]), Y)).endswith("streams of batches are not yet supported")


def test_splits_of_different_shapes() -> None:
    text = "validation and train differ in their inputs: validation has input [rows, 2], train input [rows, 3]"
    assert _refusal(GOOD, validation=(np.zeros((4, 2)), Y)) == text


@pytest.mark.parametrize("points", [np.zeros((0, 2)), (np.zeros((3, 2)), 0)])
def test_point_sets_without_points_or_batches(points: Any) -> None:
    with pytest.raises(PreflightError, match=r"extra\['edge'\]"):
        read({"train": GOOD, "validation": GOOD, "extra": {"edge": points}})


@pytest.mark.parametrize("place", ["x", "y"])
def test_nested_names_are_refused_with_the_flat_ones(place: str) -> None:
    nested = {"box": {"x": np.zeros((4, 1)), "y": np.zeros((4, 1))}, "cls": np.zeros((4, 1))}
    part = (nested, np.zeros(4)) if place == "x" else (np.zeros((4, 2)), nested)
    with pytest.raises(PreflightError) as caught:
        read({"train": part, "validation": part})
    assert f"train.{place}['box'] is a dict: inputs, outputs and targets are one level of names" in caught.value.reason.message
    assert "('box_x', 'box_y')" in caught.value.reason.message
