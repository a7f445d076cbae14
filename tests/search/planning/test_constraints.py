"""Who keeps the constraints, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np
import pytest
from scipy import stats

from search.definition.schema import Objective
from search.planning.candidates import Candidate
from search.planning.constraints import kept, surely_broken, surely_kept
from storage.records import Measured
from tests.search.histories import trial

FOUR = [0.30, 0.42, 0.33, 0.37]


def at_least(*metrics: str) -> Objective:
    bounds = [{"metric": metric, "direction": "maximize", "strategy": "constraint", "at_least": 0.4} for metric in metrics]
    return Objective.model_validate({"metrics": [{"metric": "a.accuracy", "direction": "maximize"}, *bounds]})


def measured(number: int, b: Sequence[float], c: float = 0.9) -> Candidate:
    values = [{"a.accuracy": 0.5, "b.accuracy": each, "c.accuracy": c} for each in b]
    return Candidate(trial(number), {seed: Measured(validation=each) for seed, each in enumerate(values)})


def test_the_error_is_divided_among_the_bounds() -> None:
    missed = [0.4 - each for each in FOUR]
    chance = float(stats.t.sf(fmean(missed) / (stdev(missed) / 2), df=3))
    one, two = at_least("b.accuracy"), at_least("b.accuracy", "c.accuracy")
    assert surely_broken(one, measured(1, FOUR), "validation", chance * 1.01) == ("b.accuracy",)
    assert surely_broken(two, measured(1, FOUR), "validation", chance * 1.99) == ()
    assert surely_broken(two, measured(1, FOUR), "validation", chance * 2.01) == ("b.accuracy",)


def test_keeping_is_sure_where_the_whole_interval_keeps() -> None:
    kept_by = [0.8 - each for each in FOUR]
    spare = [each - 0.4 for each in kept_by]
    chance = float(stats.t.sf(fmean(spare) / (stdev(spare) / 2), df=3))
    assert surely_kept(at_least("b.accuracy"), measured(1, kept_by), "validation", chance * 1.01)
    assert not surely_kept(at_least("b.accuracy"), measured(1, kept_by), "validation", chance * 0.99)


def test_a_setting_that_is_the_same_on_all_seeds_by_chance_moves_as_those_beside_it_do() -> None:
    """By hand: the winner moves by .02 and its rival by nothing; t(3) at .975 is 3.18, times .02 over sqrt 4: .032."""
    moves = 0.02 * 0.75**0.5
    winner = measured(1, [0.5 + moves, 0.5 - moves, 0.5 + moves, 0.5 - moves])
    outs = [kept(at_least("b.accuracy"), winner, [measured(2, [at] * 4)], "validation", 0.025).out for at in (0.369, 0.367)]
    assert outs == [frozenset(), {"trial 2"}]
    still = kept(at_least("b.accuracy"), measured(1, [0.5] * 4), [measured(2, [0.39] * 4)], "validation", 0.025)
    assert still.out == {"trial 2"}, "nothing at all moves"


@pytest.mark.parametrize(("seeds", "out"), [(2, frozenset()), (3, frozenset()), (4, {"trial 2"})])
def test_two_or_three_seeds_on_which_nothing_moves_make_no_broken_bound_sure(seeds: int, out: frozenset[str]) -> None:
    assert kept(at_least("b.accuracy"), measured(1, [0.5] * seeds), [measured(2, [0.39] * seeds)], "validation", 0.025).out == out


def test_a_setting_that_just_keeps_its_bound_surely_breaks_it_in_few_meetings() -> None:
    """The metric's steps are twice as wide as it moves, so that all seeds of a setting often give the same."""
    random, plays, wrong = np.random.default_rng(0), 500, 0
    for _ in range(plays):
        phase = random.uniform()
        values = 2 * np.floor(phase + random.normal(size=(2, 4)) / 2)
        above = sum(stats.norm.cdf((phase - k) * 2) for k in range(1, 9))
        below = sum(stats.norm.sf((phase - k) * 2) for k in range(-8, 1))
        mean = 2 * float(above - below)
        bound = Objective.model_validate(
            {"metrics": [{"metric": "a.accuracy"}, {"metric": "b.accuracy", "strategy": "constraint", "at_least": mean}]}
        )
        winner, rival = (measured(1 + i, list(map(float, each))) for i, each in enumerate(values))
        wrong += bool(kept(bound, winner, [rival], "validation", 0.025).out)
    assert 0 < wrong / plays <= 0.025


def test_a_rival_that_was_not_measured_keeps_nothing() -> None:
    found = kept(at_least("b.accuracy"), measured(1, [0.1, 0.1]), [Candidate(trial(2), {})], "validation", 0.025)
    assert (found.winner, found.keeping) == ((), frozenset())
