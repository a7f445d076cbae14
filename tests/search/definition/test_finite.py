"""Spaces of finitely many settings: their number, and when two trials have the same setting."""

from __future__ import annotations

from typing import Any

import pytest

from search.definition.finite import finite_space
from tests.search.definitions import define, log_range, study

TWO, THREE = {"values": [1, 2]}, {"values": [0.1, 1, 10]}


@pytest.mark.parametrize(
    ("weights", "search", "size"),
    [
        ((THREE, THREE), {}, 9),
        ((THREE, 1.0), {}, 3),
        ((THREE, log_range()), {}, None),
        ((THREE, log_range(points=5)), {}, None),  # points are a grid's
        ((TWO, TWO, 1.0), {"space": {"simplex": ["t0.error", "t1.error"]}}, 3),  # 1:1 is 2:2
        ((TWO, TWO, THREE), {"space": {"simplex": ["t0.error", "t1.error"]}}, 9),
    ],
)
def test_the_number_of_settings(weights: Any, search: Any, size: int | None) -> None:
    found = finite_space(define(study(*weights, **search)))
    assert (None if found is None else found.count(1000)) == size


def test_a_shared_weight_is_one_parameter() -> None:
    definition = define(study("walls", {"of": "walls", "times": 2.0}, shared={"walls": THREE}))
    assert finite_space(definition).count(1000) == 3  # type: ignore[union-attr]


def test_combinations_are_all_different_and_all_there() -> None:
    finite = finite_space(define(study(TWO, THREE)))
    assert finite is not None
    found = {tuple(finite.combination(index).items()) for index in range(finite.combinations)}
    assert len(found) == 6
    assert all({path for path, _ in each} == {"t0.error", "t1.error"} for each in found)


@pytest.mark.parametrize(
    ("one", "other", "same"), [((1, 1), (2, 2), True), ((0.1, 0.3), (0.3, 0.9), True), ((1, 1), (1, 2), False)]
)
def test_on_a_simplex_equal_ratios_are_one_setting(one: Any, other: Any, same: bool) -> None:
    values = {"values": sorted({*one, *other, 7})}
    finite = finite_space(define(study(values, values, space={"simplex": ["t0.error", "t1.error"], "total": 0.7})))
    assert finite is not None
    settings = [finite.setting({"t0.error": a, "t1.error": b}) for a, b in (one, other)]
    assert (settings[0] == settings[1]) is same


def test_settings_are_counted_no_further_than_asked() -> None:
    values = {"values": [float(number) for number in range(1, 41)]}
    finite = finite_space(define(study(values, values, values, space="simplex")))
    assert finite is not None
    assert finite.count(32) == 32
