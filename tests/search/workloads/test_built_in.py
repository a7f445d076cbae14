"""The built-in workloads' data: deterministic, disjoint, and what their docstrings say."""

from __future__ import annotations

import math
import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from search.errors import PreflightError
from search.workloads import quadratics, registry
from search.workloads.base import bind
from search.workloads.data import Loaded, read


def _loaded(name: str) -> Loaded:
    return read(bind(name, registry.load(name), {}).load_data())


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_data_are_the_same_each_time(name: str) -> None:
    one, other = _loaded(name), _loaded(name)
    for split, rows in one.splits.items():
        for part in ("inputs", "targets"):
            for key, array in getattr(rows, part).items():
                np.testing.assert_array_equal(array, getattr(other.splits[split], part)[key])


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("digits", [1150, 287, 360]),
        ("digits-overlay", [6000, 2000, 2000]),
        ("digits-mask", [1150, 287, 360]),
        ("quadratics", [8, 8, 8]),
    ],
)
def test_splits_have_these_sizes(name: str, counts: list[int]) -> None:
    assert [rows.count for rows in _loaded(name).splits.values()] == counts


def test_digits_are_gray_values_with_their_parity() -> None:
    for rows in _loaded("digits").splits.values():
        assert rows.inputs["input"].min() == 0.0
        assert rows.inputs["input"].max() == 1.0
        np.testing.assert_array_equal(rows.targets["parity"][:, 0], rows.targets["digit"] % 2)


def test_overlays_of_different_splits_are_made_of_different_digits() -> None:
    right = {split: {row.tobytes() for row in rows.targets["right"]} for split, rows in _loaded("digits-overlay").splits.items()}
    assert not right["train"] & right["validation"]
    assert not right["train"] & right["test"]
    assert not right["validation"] & right["test"]


def test_an_overlay_shows_the_right_digit_where_the_left_one_does_not_reach() -> None:
    rows = _loaded("digits-overlay").train
    canvas = rows.inputs["input"].reshape(-1, 11, 11)
    right = rows.targets["right"].reshape(-1, 8, 8)
    np.testing.assert_array_equal(canvas[:, 8:, 3:], right[:, 5:, :])
    assert (canvas[:, 3:, 3:] >= right).all()


def test_the_masks_mean_is_the_ink_fraction() -> None:
    for rows in _loaded("digits-mask").splits.values():
        np.testing.assert_allclose(rows.targets["mask"].mean(axis=(1, 2)), rows.targets["object"])
        assert set(np.unique(rows.targets["mask"])) == {0.0, 1.0}


def test_in_a_tasks_units_the_mean_squared_error_is_its_quadratic() -> None:
    options = quadratics.QuadraticsOptions(centre_a=(2.0, -1.0))
    rows = read(quadratics.Quadratics(options).load_data()).train
    output = quadratics.units(options.curvature_a) * np.array([3.0, 0.5])
    assert np.mean((output - rows.targets["a"][0]) ** 2) == pytest.approx((1.0 * 1.0**2 + 4.0 * 1.5**2) / 2)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"centre_a": (0.0,)}, r"as many numbers in each of curvature and centre, one or more, got \[1, 2\]"),
        ({"curvature_b": (1.0, 0.0)}, "expected curvatures above 0"),
        ({"curvature_a": (1.0, math.inf)}, "expected curvatures above 0"),
    ],
)
def test_bowls_that_are_none_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(PreflightError, match=message):
        bind("quadratics", quadratics.Quadratics, wrong)
