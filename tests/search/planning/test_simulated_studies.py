"""Whole studies with invented results, played from plan to verdict: no gain is claimed where there is none, and one is where it is.

A training measures what its weight is truly worth, plus what its seed is worth (the same for all weights on that seed: they begin
alike), plus noise of its own. In units of the standard deviation of a paired difference between two weights on one seed, that noise
has the standard deviation 1 / sqrt(2), and so has the seed's worth.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from search.analysis.verdict import Verdict
from search.definition.schema import StudyDefinition
from search.planning.looks import Judgement
from storage.records import Measured, PlannedTrial
from tests.search.definitions import define, log_range, task
from tests.search.played import played

NOISE = 1 / math.sqrt(2)
WEIGHT, METRIC = "b.error", "b.worth"

Worth = Callable[[float], float]
"""What a weight is truly worth, in standard deviations of a paired difference."""


def _definition(seed: int) -> StudyDefinition:
    """Return a study of one weight in [0.01, 100] as it is by default: 32 trials of TPE, finalists that meet equal weights."""
    worth = {"name": "worth", "metric": "lift", "direction": "maximize"}
    return define(
        {
            "workload": {"name": "ads"},
            "tasks": [task("a"), {**task("b", log_range()), "metrics": [worth]}],
            "objective": {"metrics": [{"metric": METRIC}]},
            "search": {"seed": seed, "trials": 32, "baselines": ["equal"]},
        }
    )


@functools.cache
def _verdict(worth: Worth, seed: int) -> Verdict:
    """Play a study and return its verdict; `seed` is that of its suggestions and of all noise."""
    random = np.random.default_rng([seed, 1])

    def measure(cohort: Sequence[PlannedTrial]) -> list[Measured]:
        return [_measured(worth(planned.weights[WEIGHT]), planned.seed, random) for planned in cohort]

    verdict = played(_definition(seed), measure).verdict()
    assert verdict is not None
    return verdict


def _measured(worth: float, seed: int, random: np.random.Generator) -> Measured:
    """Return one training's numbers, the same on all splits: that a split is of few rows is another matter."""
    of_seed = np.random.default_rng([seed, 2]).normal(0.0, NOISE)
    values = {METRIC: float(worth + of_seed + random.normal(0.0, NOISE))}
    return Measured(values, values, values)


def _nothing(weight: float) -> float:
    return 0.0


@functools.cache
def _plateau(gain: float) -> Worth:
    """Return a worth that is `gain` from 3 to 30 and 0 elsewhere: a quarter of the range, on its scale, is better than equal."""
    return lambda weight: gain if 3 <= weight <= 30 else 0.0


@functools.cache
def _bump(gain: float) -> Worth:
    """Return a worth that rises smoothly to `gain` above equal weights at 10, and falls as smoothly beyond."""
    rise = 1 - math.exp(-2)
    return lambda weight: gain / rise * math.exp(-2 * (math.log10(weight) - 1) ** 2)


def test_where_nothing_can_be_gained_no_gain_is_claimed_and_equal_weights_are_recommended_in_most_studies() -> None:
    found = [_verdict(_nothing, seed) for seed in range(20)]
    assert sum(verdict.call is Judgement.BETTER for verdict in found) <= 1
    assert sum(verdict.recommended.rule == "equal" for verdict in found) >= 10


@pytest.mark.parametrize(("shape", "gain"), [(_plateau, 3.0), (_plateau, 5.0), (_bump, 3.0), (_bump, 5.0)])
def test_a_planted_gain_is_called_one(shape: Callable[[float], Worth], gain: float) -> None:
    found = [_verdict(shape(gain), seed) for seed in range(5)]
    assert [verdict.call for verdict in found] == [Judgement.BETTER] * 5, [verdict.sentence for verdict in found]


def test_a_gain_of_two_standard_deviations_is_called_one_in_nine_of_ten_studies() -> None:
    assert sum(_verdict(_plateau(2.0), seed).call is Judgement.BETTER for seed in range(20)) >= 18


def test_a_narrow_gain_of_two_standard_deviations_is_called_one_in_nine_of_ten_studies() -> None:
    assert sum(_verdict(_bump(2.0), seed).call is Judgement.BETTER for seed in range(20)) >= 18


def test_fresh_seeds_take_at_most_the_planned_trainings_and_fewer_where_a_gain_is_great() -> None:
    for worth in (_nothing, _plateau(2.0)):
        assert all(_verdict(worth, seed).trainings <= 48 for seed in range(20))
    assert np.mean([_verdict(_plateau(5.0), seed).trainings for seed in range(5)]) < 24


def test_the_best_of_many_trials_that_are_worth_the_same_is_less_lucky_than_the_greatest_values() -> None:
    """The three greatest of 32 normal draws are 1.71 on average, times NOISE 1.21; a finalist by the model is less lucky."""
    optimism = [_verdict(_nothing, seed).optimism for seed in range(20)]
    assert np.mean(optimism) < 1.21 - 0.4  # two standard errors of twenty studies
