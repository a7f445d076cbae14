"""Played studies with known curves, in miniature: a stated range keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.played_curves import CURVES, World
from benchmarks.ranges import scored


@pytest.mark.parametrize(
    ("curve", "noise", "found"),
    [
        ("lopsided", 0.1, 0.3),
        ("level", 0.1, 0.5),
        ("notch", 0.1, 0.0),
    ],
)
def test_no_value_of_a_stated_range_is_truly_worse(curve: str, noise: float, found: float) -> None:
    """And of the true range at least so much is in it; across the hole of a notch no range goes."""
    world = World(CURVES[1][curve], noise, 1, np.random.default_rng(5))
    (score,) = scored(world, curve, 40, 5)
    assert not score.holds_worse
    assert score.found > found


def test_a_seed_is_the_same_luck_for_all_settings_under_it() -> None:
    """Of 400 seeds, two near settings share far more of a training's noise than two distant ones."""
    world = World(CURVES[1]["level"], 1.0, 1, np.random.default_rng(0))
    here, near, far = (np.array([at]) for at in (0.3, 0.32, 0.95))
    drawn = np.array([[world.train(place, seed) for place in (here, near, far)] for seed in range(400)])
    shared = np.corrcoef(drawn.T)
    assert shared[0, 1] > shared[0, 2] > 0.05
    assert drawn.std() == pytest.approx(1.0, abs=0.15)


def test_the_true_profile_is_the_best_over_the_other_parameters() -> None:
    world = World(CURVES[2]["bowl"], 0.1, 2, np.random.default_rng(0))
    at = np.array([0.45, 0.8])
    # 1 - ((x - .45) / .35)^2 with the second at its best, .45, which is one of the 61 values
    assert world.profile(0, at) == pytest.approx([0.0, -1.0], abs=1e-6)
