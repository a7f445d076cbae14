"""A default range widens once where the winner lies in its outer tenth; a range of the user's stays."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.door.widening import widened


def definition(**search: Any) -> dict[str, Any]:
    loss = {"name": "mse", "weight": {"low": 0.01, "high": 100.0, "scale": "log", "current": 1.0}}
    return {"tasks": [{"name": "a", "losses": [loss]}], "penalties": [], "search": {"trials": 32, **search}}


@pytest.mark.parametrize(
    ("weight", "span"), [(0.02, (0.0001, 100.0)), (50.0, (0.01, 10_000.0))]
)  # 10 ** (-2 + 0.4) = 0.025 and 10 ** (2 - 0.4) = 40 are where the outer tenths of four decades begin
def test_a_winner_at_an_edge_widens_that_side_a_hundredfold(weight: float, span: tuple[float, float]) -> None:
    before = definition()
    found, why = widened(before, {"weights": {"a.mse": weight}}, ["a.mse"])
    assert found is not None
    used = found["tasks"][0]["losses"][0]["weight"]
    assert (used["low"], used["high"], used["current"]) == pytest.approx((*span, 1.0))
    assert "is at the edge of its range: searched again from" in why[0]
    assert before == definition()


@pytest.mark.parametrize("weight", [0.03, 1.0, 39.0])
def test_a_winner_inside_leaves_the_range(weight: float) -> None:
    assert widened(definition(), {"weights": {"a.mse": weight}}, ["a.mse"]) == (None, [])


def test_a_range_of_the_users_stays_and_so_does_a_simplex() -> None:
    assert widened(definition(), {"weights": {"a.mse": 99.0}}, []) == (None, [])
    simplex = definition(space={"simplex": ["a.mse", "b.mse"], "total": 2.0})
    assert widened(simplex, {"weights": {"a.mse": 1.99}}, ["a.mse"]) == (None, [])
