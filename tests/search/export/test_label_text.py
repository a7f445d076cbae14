"""The row weights that a file of plain Keras makes of its targets, run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from search.definition.schema import Task
from search.export.label_text import FUNCTIONS, label_constants
from steelyard.door.python_text import compile_text

IDS = np.array([0.0, 2, np.nan, 0, 0, 1])
TASKS = [
    Task.model_validate({"name": "topic", "missing": "nan", "class_weight": "balanced"}),
    Task.model_validate({"name": "click", "missing": -1, "class_weight": {"1": 5.0}}),
    Task.model_validate({"name": "price"}),
]


def made(tasks: list[Task], y: Any, *weight: Any) -> Any:
    namespace: dict[str, Any] = {"np": np}
    exec("\n".join([*label_constants(tasks), *FUNCTIONS]), namespace)
    return namespace["row_weights"](y, *weight)


def test_row_weights_are_those_of_labels_that_are_there_and_of_their_classes() -> None:
    clicks = np.array([[1.0], [0], [-1], [1], [0], [0]])
    y, weights = made(TASKS, {"topic": IDS, "click": clicks, "price": np.arange(6.0)})
    np.testing.assert_allclose(weights["topic"], [5 / 9, 5 / 3, 0, 5 / 9, 5 / 9, 5 / 3])
    np.testing.assert_allclose(weights["click"], [5, 1, 0, 5, 1, 1])
    np.testing.assert_array_equal(weights["price"], np.ones(6))
    assert (y["topic"][2], y["click"][2, 0], y["price"].tolist()) == (0, 0, [0, 1, 2, 3, 4, 5])


def test_classes_of_one_hot_rows_are_theirs() -> None:
    _, weights = made(TASKS[:1], {"topic": np.where(np.isnan(IDS)[:, None], np.nan, np.eye(3)[np.nan_to_num(IDS).astype(int)])})
    np.testing.assert_allclose(weights["topic"], [5 / 9, 5 / 3, 0, 5 / 9, 5 / 9, 5 / 3])


def test_row_weights_of_ones_own_are_multiplied_and_classes_balanced_under_them() -> None:
    own = np.array([1.0, 2, 3, 1, 2, 0.5])
    _, of_all = made(TASKS[:1], {"topic": IDS}, own)
    totals = [of_all["topic"][each == IDS].sum() for each in range(3)]
    np.testing.assert_allclose(totals, 6.5 / 3)
    np.testing.assert_allclose(of_all["topic"][:1], 6.5 / (3 * 4))
    _, by_name = made(TASKS[1:2], {"click": np.array([1.0, 0, -1])}, {"click": np.array([[2.0], [3], [4]])})
    np.testing.assert_allclose(by_name["click"], [10, 3, 0])


def test_the_only_target_may_be_an_array() -> None:
    y, weights = made(TASKS[:1], IDS)
    np.testing.assert_allclose(weights, [5 / 9, 5 / 3, 0, 5 / 9, 5 / 9, 5 / 3])
    assert y.tolist() == [0, 2, 0, 0, 0, 1]
    with pytest.raises(ValueError, match="a dict of arrays by target"):
        made(TASKS, [IDS, IDS])


def test_labels_that_all_count_alike_need_no_row_weights() -> None:
    assert label_constants(TASKS[2:]) == []


def test_a_result_as_python_has_the_row_weights_of_its_tasks() -> None:
    task = {"name": "a", "missing": "nan", "losses": [{"name": "error", "loss": "mse"}]}
    best = {
        "reproduced_by": "compile_with_losses",
        "loss_weights": {"a": 1.0},
        "losses": {"a": None},
        "trial": 1,
        "picked_by": "objective",
        "study": {"name": "s"},
        "training": {"optimizer": {"name": "adam", "config": {}}},
        "terms": {"tasks": [task]},
    }
    namespace: dict[str, Any] = {}
    exec(compile_text(best), namespace)
    _, weights = namespace["row_weights"]({"a": np.array([1.0, np.nan])})
    assert weights["a"].tolist() == [1, 0]
