"""Played studies with a constraint, in miniature."""

from __future__ import annotations

import pytest

from benchmarks import bounds
from benchmarks.bounds import CLEARLY, SCENES


@pytest.mark.parametrize("scene", SCENES[1:3], ids=lambda scene: scene.in_words)
def test_no_recommended_setting_clearly_breaks_a_bound(scene: bounds.Scene) -> None:
    found = [bounds.play(scene, seed, trials=24) for seed in (30, 31)]
    assert all(each.misses is not None and each.misses < CLEARLY for each in found)


def test_a_bound_far_from_the_best_costs_nothing() -> None:
    found = bounds.play(SCENES[3], 30, trials=24)
    assert found.regret is not None
    assert found.regret < 1


def test_where_nothing_is_allowed_there_is_no_answer() -> None:
    assert bounds.play(SCENES[-1], 30, trials=12).misses is None


def test_a_relative_bound_is_what_the_baseline_truly_reaches() -> None:
    assert SCENES[1].least() == pytest.approx(-0.55)  # equal weights lie in the middle of a fall from 0 to -1
