"""Weights: numbers, ranges, choices and references, their grids, and what is refused of each."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from search.definition.weights import MAX_WEIGHT, SharedWeight, Weight, WeightChoice, WeightOf, WeightRange
from tests.search.definitions import changed, faults_of, flagship

WEIGHT: TypeAdapter[Weight] = TypeAdapter(Weight)
SHARED: TypeAdapter[SharedWeight] = TypeAdapter(SharedWeight)
PLACE = "tasks.0.losses.0.weight"

bounds = st.floats(0, MAX_WEIGHT, allow_subnormal=False)


def refused(weight: Any) -> dict[str, str]:
    """Return what was expected where, of a weight in a definition; the paths begin after `weight`."""
    faults = faults_of(changed(flagship(), {PLACE: weight}))
    return {path.removeprefix(PLACE).lstrip("."): fault.expected for path, fault in faults.items()}


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a range with points, wide enough that they differ."""
    low, high = sorted([draw(bounds), draw(bounds)])
    scale = draw(st.sampled_from(["linear", "log"] if low > 0 else ["linear"]))
    assume(high > low * (1 + 1e-9) and high > 1e-9)
    return {"low": low, "high": high, "scale": scale, "points": draw(st.integers(2, 1000))}


# Forms


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1, float),
        (0, float),
        (0.5, float),
        ({"low": 1, "high": 2}, WeightRange),
        ({"values": [1, 2]}, WeightChoice),
        ("walls", str),
        ("1walls", str),
        ({"of": "walls"}, WeightOf),
        ({"of": "walls", "times": 0.5}, WeightOf),
    ],
)
def test_a_weight_has_one_of_five_forms(value: Any, form: type) -> None:
    assert isinstance(WEIGHT.validate_python(value), form)


@pytest.mark.parametrize("value", [None, True, [], [1.0]])
def test_what_has_no_form_is_refused_with_all_of_them(value: Any) -> None:
    expected = 'a number >= 0, {"low", "high"}, {"values": [...]}, the name of a shared weight, or {"of", "times"}'
    assert refused(value) == {"": expected}


@pytest.mark.parametrize("text", ["1", "1.0", "-1", ".5", "1e-3", "+2", "3."])
def test_a_numeral_is_no_name(text: str) -> None:
    assert refused(text) == {"": "a number"}


@pytest.mark.parametrize("value", [1.0, "walls", {"of": "walls"}, True])
def test_a_shared_weight_is_a_range_or_a_choice(value: Any) -> None:
    fault = faults_of({**flagship(), "weights": {"walls": value}})["weights.walls"]
    assert fault.expected == '{"low", "high"} or {"values": [...]}'


@pytest.mark.parametrize(
    ("weight", "paths"),
    [
        ({}, {"low", "high"}),
        ({"low": 1}, {"high"}),
        ({"lo": 1, "high": 2}, {"low", "lo"}),
        ({"low": "1", "high": True}, {"low", "high"}),
        ({"values": "x"}, {"values"}),
        ({"values": [1, "a", -1]}, {"values.1", "values.2"}),
        ({"low": 1, "high": 2, "values": [1, 2]}, {"low", "high"}),
        ({"times": 2}, {"of"}),
        ({"of": "walls", "times": 0}, {"times"}),
        ({"of": "walls", "times": -1, "low": 1}, {"times", "low"}),
        ({"of": 3}, {"of"}),
    ],
)
def test_a_typo_gives_one_message_for_each_wrong_field(weight: Any, paths: set[str]) -> None:
    assert set(refused(weight)) == paths


def test_the_path_of_a_shared_weight_s_field_is_that_of_the_json() -> None:
    faults = faults_of({**flagship(), "weights": {"range": {"low": 1, "high": "2"}, "values": {"values": [1, "x"]}}})
    assert {"weights.range.high", "weights.values.values.1"} <= set(faults)


# Ranges


@pytest.mark.parametrize(("low", "scale"), [(0.01, "log"), (1e-9, "log"), (0, "linear"), (0.0, "linear")])
def test_the_scale_is_log_where_low_is_above_zero(low: float, scale: str) -> None:
    assert WeightRange(low=low, high=10).scale == scale


def test_a_scale_that_is_given_is_kept() -> None:
    assert WeightRange(low=0.1, high=10, scale="linear").scale == "linear"


@pytest.mark.parametrize(("low", "high"), [(2, 1), (1, 1), (0, 0)])
def test_low_is_below_high(low: float, high: float) -> None:
    assert refused({"low": low, "high": high}) == {"": "low < high (a fixed weight is written as a plain number)"}


def test_a_log_scale_needs_a_low_above_zero() -> None:
    assert refused({"low": 0, "high": 1, "scale": "log"}) == {"": "low > 0 with scale log (use scale linear, or a small low)"}


def test_a_negative_low_is_refused_once() -> None:
    assert refused({"low": -1, "high": 1}) == {"low": "at least 0"}


def test_a_range_too_narrow_for_its_points_is_refused() -> None:
    assert refused({"low": 1, "high": 1 + 1e-15, "points": 100}) == {"": "a range wide enough for 100 different points"}


@pytest.mark.parametrize("current", [0, 1e-9, 1e9])
def test_current_may_lie_outside_the_range(current: float) -> None:
    assert WeightRange(low=0.1, high=10, current=current).current == current


def test_a_log_grid_has_equal_ratios() -> None:
    grid = WeightRange(low=0.01, high=100, points=5).grid()
    np.testing.assert_allclose(grid, [0.01, 0.1, 1, 10, 100], rtol=1e-12)


def test_a_linear_grid_has_equal_steps() -> None:
    np.testing.assert_allclose(WeightRange(low=0, high=10, points=5).grid(), [0, 2.5, 5, 7.5, 10], rtol=1e-12)


def test_a_log_grid_is_numpy_s_geomspace() -> None:
    np.testing.assert_allclose(WeightRange(low=3e-4, high=70, points=17).grid(), np.geomspace(3e-4, 70, 17), rtol=1e-12)


@given(ranges())
@settings(deadline=None, derandomize=True)
def test_a_grid_has_its_points_in_order_and_both_ends_exactly(document: dict[str, Any]) -> None:
    grid = WeightRange(**document).grid()
    assert len(grid) == document["points"]
    assert (grid[0], grid[-1]) == (document["low"], document["high"])
    assert all(one < following for one, following in pairwise(grid))


@given(st.floats(0, 1e6, allow_subnormal=False), st.floats(0, 1e6, allow_subnormal=False), st.integers(2, 1000))
@settings(deadline=None, derandomize=True)
def test_a_range_is_refused_or_its_points_differ(low: float, high: float, points: int) -> None:
    try:
        grid = WeightRange(low=low, high=high, points=points).grid()
    except ValidationError:
        return
    assert len(set(grid)) == points


# Choices and references


@pytest.mark.parametrize("values", [[], [1]])
def test_a_choice_has_two_values_at_least(values: list[float]) -> None:
    assert refused({"values": values}) == {"values": "at least 2 items"}


@pytest.mark.parametrize("values", [[1, 1], [1, 1.0], [0, 2, 0.0]])
def test_the_values_of_a_choice_differ(values: list[float]) -> None:
    assert refused({"values": values}) == {"": "values that differ"}


def test_the_grid_of_a_choice_is_its_values_in_their_order() -> None:
    assert WeightChoice(values=(0.3, 0.1, 2.0)).grid() == (0.3, 0.1, 2.0)


@pytest.mark.parametrize(("value", "may_be"), [(0.1, True), (10, True), (1, True), (0.09, False), (11, False)])
def test_a_range_may_be_what_lies_between_its_bounds(value: float, may_be: bool) -> None:
    assert WeightRange(low=0.1, high=10).may_be(value) is may_be


@pytest.mark.parametrize(("value", "may_be"), [(0.1, True), (2, True), (1, False)])
def test_a_choice_may_be_its_values_alone(value: float, may_be: bool) -> None:
    assert WeightChoice(values=(0.1, 2)).may_be(value) is may_be


def test_a_factor_on_a_shared_weight_is_one_unless_given() -> None:
    assert WeightOf(of="walls").times == 1.0


@given(ranges())
@settings(deadline=None, derandomize=True)
def test_a_range_survives_json(document: dict[str, Any]) -> None:
    weight = WeightRange(**document)
    assert SHARED.validate_json(SHARED.dump_json(weight)) == weight
