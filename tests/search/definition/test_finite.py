"""Spaces of finitely many settings: their number, and when two trials have the same setting."""

from __future__ import annotations

from typing import Any

import pytest

from search.definition import finite
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
    assert finite.size(define(study(*weights, **search))) == size


def test_a_shared_weight_is_one_parameter() -> None:
    definition = define(study("walls", {"of": "walls", "times": 2.0}, shared={"walls": THREE}))
    assert finite.size(definition) == 3


def test_combinations_are_all_different_and_all_there() -> None:
    definition = define(study(TWO, THREE))
    found = {tuple(finite.combination(definition, index).items()) for index in range(finite.combinations(definition))}
    assert len(found) == 6
    assert all({path for path, _ in each} == {"t0.error", "t1.error"} for each in found)


def test_on_a_simplex_equal_ratios_are_one_setting() -> None:
    definition = define(study(TWO, TWO, space={"simplex": ["t0.error", "t1.error"]}))
    one, two = ({"t0.error": number, "t1.error": number} for number in (1.0, 2.0))
    assert finite.setting(definition, one) == finite.setting(definition, two)
    assert finite.setting(definition, one) != finite.setting(definition, {**one, "t0.error": 2.0})
