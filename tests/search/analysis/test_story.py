"""What a difference is said to be in."""

from __future__ import annotations

from typing import Any

import pytest

from search.analysis.story import unit_of
from search.definition.schema import Objective

A, B = {"metric": "a.binary_accuracy", "direction": "maximize"}, {"metric": "b.mse", "direction": "minimize"}


@pytest.mark.parametrize(
    ("metrics", "aggregate", "unit"),
    [
        ([A, B], "delta_m", " percentage points of the mean change"),
        ([A, B], "mean", " in the mean of the metrics"),
        ([A, {**B, "utility": 2.0}], "mean", " in the weighted mean of the metrics"),
        ([A, B], "worst", " in the worst metric"),
        ([A], "worst", " in a accuracy"),
        ([{**A, "utility": 3.0}], "worst", " in the objective"),
        ([{**A, "utility": 3.0}], "mean", " in a accuracy"),
        ([A, {**B, "utility": 2.0}], "worst", " in the objective"),
        ([A, B], "tchebycheff", " in the objective"),
        ([A, {**B, "strategy": "constraint", "at_most": 0.1}], None, " in a accuracy"),
        ([B], None, " in the objective"),
    ],
)
def test_a_difference_is_in_the_unit_of_its_objective(metrics: list[dict[str, Any]], aggregate: str | None, unit: str) -> None:
    assert unit_of(Objective.model_validate({"metrics": metrics, "aggregate": aggregate})) == unit
