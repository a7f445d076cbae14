"""Who keeps the constraints, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

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
    """By hand: the winner moves by .02 * sqrt 2 and its rival by nothing, pooled .02; t(3) at .975 is 3.18, over sqrt 4: .032."""
    moves = 0.02 * 1.5**0.5
    winner = measured(1, [0.5 + moves, 0.5 - moves, 0.5 + moves, 0.5 - moves])
    outs = [kept(at_least("b.accuracy"), winner, [measured(2, [at] * 4)], "validation", 0.025).out for at in (0.369, 0.367)]
    assert outs == [frozenset(), {"trial 2"}]
    still = kept(at_least("b.accuracy"), measured(1, [0.5] * 4), [measured(2, [0.39] * 4)], "validation", 0.025)
    assert still.out == {"trial 2"}, "nothing at all moves"


def test_a_rival_that_was_not_measured_keeps_nothing() -> None:
    found = kept(at_least("b.accuracy"), measured(1, [0.1, 0.1]), [Candidate(trial(2), {})], "validation", 0.025)
    assert (found.winner, found.keeping) == ((), frozenset())
