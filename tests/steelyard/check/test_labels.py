"""What is said of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steelyard.check.labels import cautions, labels_of


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (np.array([2, 0, 2, 2]), {"kind": "classes", "counts": {"0": 1, "2": 3}}),
        (np.array([[0.0], [1.0], [1.0]]), {"kind": "classes", "counts": {"0": 1, "1": 2}}),
        (np.array([True, False]), {"kind": "classes", "counts": {"0": 1, "1": 1}}),
        (np.eye(3)[[0, 2, 2]], {"kind": "one_hot", "counts": {"0": 1, "1": 0, "2": 2}}),
        (np.array([[1, 1], [0, 0]]), {"kind": "yes_no", "counts": {"0": 1, "1": 1}}),
        (np.array([[1, np.nan], [1, 0]]), {"kind": "yes_no", "counts": {"0": 2, "1": 0}}),
        (np.array([[[0, 1], [1, 1]], [[0, 0], [0, 1]]]), {"kind": "classes", "counts": {"0": 4, "1": 4}}),
        (np.eye(2)[[[0, 1], [1, 1]]], {"kind": "one_hot", "counts": {"0": 1, "1": 3}}),
        (np.array([1_000_001, 1_000_002, 1_000_002]), {"kind": "classes", "counts": {"1000001": 1, "1000002": 2}}),
        (np.array([0.5, 1.5]), {"kind": "numbers", "min": 0.5, "mean": 1.0, "std": 0.5, "max": 1.5}),
        (np.array([1.0, 2.0, 6.0]), {"kind": "numbers", "min": 1.0, "mean": 3.0, "std": np.sqrt(14 / 3), "max": 6.0}),
    ],
)
def test_labels_are_classes_or_numbers(target: Any, expected: dict[str, Any]) -> None:
    found = labels_of(target)
    assert (found.pop("rows"), found.pop("missing"), found.pop("nan")) == (len(target), 0, np.isnan(target).sum())
    assert found == expected


def test_rows_without_weight_and_values_that_are_none_are_counted() -> None:
    found = labels_of(np.array([1.5, np.nan, 0.5]), np.array([1.0, 0.0, 0.0]))
    assert (found["missing"], found["nan"], found["mean"]) == (2, 1, 1.0)


def test_classes_that_a_split_lacks_or_has_alone_are_named() -> None:
    train, other = labels_of(np.array([0, 1, 1])), labels_of(np.array([1, 2]))
    assert list(cautions({"train": {"kind": train}, "validation": {"kind": other}})) == [
        "target 'kind': validation has class 2 that train lacks",
        "target 'kind': validation has no row of class 0",
    ]


def test_a_target_that_is_always_the_same_is_named() -> None:
    labels = {"train": {"one": labels_of(np.ones(3)), "same": labels_of(np.full(3, 0.5))}}
    assert list(cautions(labels)) == [
        "target 'one' has one class alone in train (1)",
        "target 'same' is the same number in every training row",
    ]
