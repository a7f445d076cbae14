"""Looks at growing data, against numbers by hand and from tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from search.planning.looks import ERROR, Judgement, Look, called, chance, compare, error_of, half_width, luck, schedule, spent


@pytest.mark.parametrize(
    ("seeds", "looks"), [(0, ()), (2, (2,)), (5, (5,)), (6, (4, 6)), (8, (4, 6, 8)), (11, (4, 8, 11)), (12, (4, 8, 12))]
)
def test_the_winner_is_compared_after_thirds_of_the_seeds_and_once_where_they_are_few(seeds: int, looks: tuple[int, ...]) -> None:
    assert schedule(seeds) == looks


def test_the_error_that_may_be_spent_is_of_o_brien_and_flemings_kind() -> None:
    # 2 - 2 Phi(2.2414 / sqrt(t)): z of 0.9875 is 2.2414; at thirds 2 - 2 Phi(3.8822), 2 - 2 Phi(2.7452) and 0.025
    assert [spent(share) for share in (1 / 3, 2 / 3, 1)] == pytest.approx([0.000104, 0.006048, 0.025], rel=0.01)
    assert spent(0) == 0


@pytest.mark.parametrize("seeds", [3, 6, 8, 11, 12, 40])
def test_all_looks_together_spend_the_error_and_no_more(seeds: int) -> None:
    befores = [0, *schedule(seeds)][:-1]
    errors = [error_of(before / seeds, after / seeds) for before, after in zip(befores, schedule(seeds), strict=True)]
    assert sum(errors) == pytest.approx(ERROR)
    assert all(error > 0 for error in errors)


def test_an_interval_is_students_paired_one_at_the_error_of_its_look() -> None:
    look = compare("equal", [0.4, 0.3, 0.4, 0.4], 0.1, after=4, before=0, seeds=4)
    # mean .375, standard deviation .05, t(3) at 0.975 is 3.1824
    assert (look.difference, look.std, look.n) == (pytest.approx(0.375), pytest.approx(0.05), 4)
    assert look.high is not None
    assert look.high - 0.375 == pytest.approx(3.1824 * 0.05 / 2, rel=1e-4)
    assert look.call is Judgement.BETTER


@pytest.mark.parametrize(
    ("mean", "half", "call"),
    [
        (1.0, 0.9, Judgement.BETTER),
        (-1.0, 0.9, Judgement.WORSE),
        (0.1, 0.3, Judgement.AS_GOOD),
        (-0.1, 0.3, Judgement.AS_GOOD),
        (0.1, 0.5, Judgement.NOT_ENOUGH),
        (0.9, 1.0, Judgement.NOT_ENOUGH),
        (0.2, 0.1, Judgement.BETTER),  # as good too, and more than that
    ],
)
def test_an_interval_is_called_by_zero_and_by_one_trainings_luck(mean: float, half: float, call: Judgement) -> None:
    assert called(mean, half, margin=0.5) is call


@pytest.mark.parametrize(("seeds", "some_flat"), [(2, False), (3, True), (4, True), (5, True), (12, True)])
def test_a_metric_whose_steps_are_as_wide_as_its_luck_keeps_the_error(seeds: int, some_flat: bool) -> None:
    """Pairs then often differ all by the same, so that the interval has no width: it is called better no oftener for that.

    Of two such pairs nothing is called.
    """
    random, plays, better, flat = np.random.default_rng(0), 2000, 0, 0
    for _ in range(plays):
        offset, one, other, phase = (
            random.normal(size=seeds),
            random.normal(size=seeds),
            random.normal(size=seeds),
            random.uniform(),
        )
        pairs = np.floor(phase + (offset + one) / math.sqrt(2)) - np.floor(phase + (offset + other) / math.sqrt(2))
        for before, after in zip([0, *schedule(seeds)], schedule(seeds), strict=False):
            look = compare("equal", list(pairs[:after]), 1.0, after, before, seeds)
            if look.call in (Judgement.BETTER, Judgement.WORSE):
                better, flat = better + (look.call is Judgement.BETTER), flat + (look.std == 0)
                break
    assert (flat > 0) is some_flat
    assert better / plays <= ERROR


def test_two_pairs_that_differ_by_the_same_step_are_taken_to_spread_by_one_trainings_luck() -> None:
    look = compare("equal", [0.2, 0.2 + 1e-8], 0.1, after=2, before=0, seeds=2)
    # t(1) at .975 is 12.706, times .1 over sqrt 2
    assert look.high is not None
    assert look.high - 0.2 == pytest.approx(12.706 * 0.1 / math.sqrt(2), rel=1e-4)
    assert look.call is Judgement.NOT_ENOUGH


@pytest.mark.parametrize("differences", [[0.0, 0.0], [1e-9, 2e-9], [1e-5, 2e-5]])
def test_two_settings_that_are_the_same_but_for_last_bits_are_as_good_after_two_seeds(differences: list[float]) -> None:
    assert compare("equal", differences, 0.1, after=2, before=0, seeds=2).call is Judgement.AS_GOOD


def test_a_pair_that_broke_down_leaves_no_interval() -> None:
    look = compare("equal", [0.4, math.nan, 0.4], 0.1, after=3, before=0, seeds=3)
    assert (look.low, look.high, look.call) == (None, None, Judgement.NOT_ENOUGH)


def _look(mean: float, std: float = 1.0, margin: float = 1.0) -> Look:
    return compare("equal", [mean - std / math.sqrt(2), mean + std / math.sqrt(2)] * 4, margin, after=8, before=4, seeds=12)


def test_a_lead_that_holds_is_likely_to_be_called_and_one_between_all_calls_is_not() -> None:
    assert chance(_look(1.0), 12) > 0.9
    assert chance(_look(-1.0), 12) > 0.9
    assert chance(_look(0.3, margin=0.1), 12) < 0.2
    assert chance(_look(0.0, margin=0.1), 12) < 0.05


def test_the_chance_of_a_call_is_that_of_played_ends() -> None:
    look, random = _look(0.6, margin=0.01), np.random.default_rng(0)
    assert look.std is not None
    assert look.difference is not None
    ends = (8 * look.difference + 4 * (look.difference + random.normal(0, look.std / 2, 40_000))) / 12
    half = half_width(look.std, 12, error_of(8 / 12, 1.0))
    assert chance(look, 12) == pytest.approx(float(np.mean((ends > half) | (ends < -half))), abs=0.01)


def test_luck_is_pooled_over_settings_each_about_its_own_mean() -> None:
    # deviations -1, 1 and -2, 0, 2: (2 + 8) / (1 + 2)
    assert luck({"a": [1.0, 3.0], "b": [10.0, 12.0, 14.0], "c": [5.0]}) == pytest.approx(math.sqrt(10 / 3))
    assert luck({"a": [1.0], "b": [math.nan, 2.0]}) is None
    assert luck({"a": [0.9, 0.9 + 1e-8, 0.9 + 2e-8], "b": [0.5, 0.5]}) == 0.0
