"""What a model of all trainings believes of a study's settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, replace
from functools import cache

import numpy as np
import pytest

from search.sampling import beliefs as module
from search.sampling.beliefs import Beliefs, SeedTraining, beliefs
from storage.records import TrialRecord, TrialState
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

PATH = "t0.error"
ONE = define(study(log_range()))
TRIALS = 24


def hill(at: float) -> float:
    """The best is at 0.4 of the range, which is 0.398."""
    return -abs(at - 0.4)


def searched(count: int = TRIALS, curve: Callable[[float], float] = hill, noise: float = 0.05) -> list[TrialRecord]:
    rng = np.random.default_rng(1)
    places = rng.uniform(size=count)
    return [
        trial(i, {PATH: float(10 ** (4 * at - 2))}, value=curve(at) + noise * rng.normal()) for i, at in enumerate(places.tolist())
    ]


@cache
def believed() -> Beliefs:
    found = beliefs(ONE, searched())
    assert found is not None
    return found


def test_tried_settings_are_worth_what_their_neighbours_say_too() -> None:
    """A third of the noise of single trainings is left at most."""
    truth = {each.number: hill((math.log10(each.parameters[PATH]) + 2) / 4) for each in searched()}
    wrong = [believed().means[number] - value for number, value in truth.items()]
    raw = [float(each.value or 0) - truth[each.number] for each in searched()]
    assert np.std(wrong) < 0.7 * np.std(raw)


def test_the_best_place_is_near_the_top_of_the_curve() -> None:
    assert 0.2 < believed().best[PATH] < 0.8


def test_of_a_grid_the_best_place_is_a_point_of_it() -> None:
    definition = define(study(log_range(points=9), sampler={"name": "grid"}))
    points = [trial(i, {PATH: float(10 ** (i / 2 - 2))}, value=hill(i / 8)) for i in range(9)]
    found = beliefs(definition, points)
    assert found is not None
    assert found.best[PATH] == pytest.approx(10**-0.5)


def test_more_trials_leave_less_to_gain() -> None:
    few, many = beliefs(ONE, searched(6)), beliefs(ONE, searched(60))
    assert few is not None
    assert many is not None
    assert many.expected_gain < 0.5 * few.expected_gain


def test_the_same_trials_are_believed_the_same() -> None:
    again = beliefs(ONE, searched())
    assert again is not None
    assert (again.best, again.expected_gain) == (believed().best, believed().expected_gain)


def test_fewer_than_five_trials_are_no_ground() -> None:
    assert beliefs(ONE, searched(4)) is None


def test_what_broke_a_constraint_or_diverged_is_no_better_than_the_worst() -> None:
    good = searched()
    bad = [
        trial(90 + i, {PATH: 10.0 ** (0.2 * i + 1)}, value=5.0, feasible=False)
        if i % 2
        else trial(90 + i, {PATH: 10.0 ** (0.2 * i + 1)}, state=TrialState.DIVERGED)
        for i in range(4)
    ]
    found = beliefs(ONE, [*good, *bad])
    assert found is not None
    assert found.best[PATH] < 2
    assert set(found.means) == {each.number for each in good}


BOUNDED = study(log_range())
BOUNDED["objective"]["metrics"].append({"metric": "t0.error", "strategy": "constraint", "at_most": 0.5})


def bounded(number: int, at: float, value: float, error: float) -> TrialRecord:
    """Return a trial at a place of the range whose error must not exceed 0.5."""
    return trial(number, {PATH: 10 ** (4 * at - 2)}, value=value, values={"t0.error": error}, feasible=error <= 0.5)


def rising(chance: int) -> Beliefs:
    """Return what is believed of a value and an error that both rise along the range; the error at place `chance` of 20 is 0.6."""
    places = [i / 20 for i in range(21)]
    found = beliefs(define(BOUNDED), [bounded(i, at, at, 0.6 if i == chance else at) for i, at in enumerate(places)])
    assert found is not None
    return found


def test_a_setting_that_breaks_a_constraint_by_chance_does_not_spoil_its_neighbours() -> None:
    found = rising(chance=6)
    assert found.ranks[7] > found.ranks[5] > found.ranks[2]


def test_where_a_constraint_is_broken_no_best_place_lies_however_great_the_value_is_there() -> None:
    found = rising(chance=20)
    assert 0.3 < found.best[PATH] < 1.5  # the bound is at 0.5 of the range, which is 1


def test_a_setting_that_hardly_keeps_a_constraint_is_ranked_behind_all_others() -> None:
    found = rising(chance=20)
    assert max(found.ranks, key=lambda number: found.ranks[number]) < 10
    assert found.ranks[10] < found.ranks[0]


def test_noise_is_what_trainings_of_one_setting_differ_by() -> None:
    again = [SeedTraining(3, None, seed, value) for seed, value in enumerate((1.0, 2.0, 3.0), start=5)]
    found = beliefs(ONE, searched(), again)
    assert found is not None
    assert found.surrogate.noise == pytest.approx(1.0)


def test_noise_of_several_search_seeds_is_kept_where_each_setting_was_repeated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Surrogate", lambda observations: observations)
    ways = [0.5, -0.5, 0.5, -0.5, 0.5]
    twice = [trial(i, {PATH: 10.0 ** (i - 2)}, value=1.0, by_seed={0: 1 - way, 1: 1 + way}) for i, way in enumerate(ways)]
    alone, once = (beliefs(ONE, twice, again) for again in ((), [SeedTraining(90, None, 5, 1.0)]))
    assert alone is not None
    assert once is not None
    assert alone.surrogate.noise is not None
    assert once.surrogate.noise is not None
    assert astuple(once.surrogate.noise) == pytest.approx(astuple(alone.surrogate.noise))


def test_of_a_long_search_the_model_has_every_so_many_trials_and_the_repeated_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(module, "MOST", 6)
    monkeypatch.setattr(module, "Surrogate", lambda observations: given.append(len(observations.values)))
    found = beliefs(ONE, searched(21), [SeedTraining(1, (0.5,), 7, 0.0)])
    assert found is not None
    assert len(found.tried) == 21
    assert given == [6 + 1 + 1]  # 0, 4, 8, 12, 16, 20; trial 1, and its training on a fresh seed


def test_a_trial_on_several_seeds_is_a_training_under_each() -> None:
    """What was measured on the seeds says how noisy a training is, where nothing was trained on fresh ones."""
    rng = np.random.default_rng(2)
    several = []
    for each in searched(8, noise=0.0):
        values = [float(each.value or 0) + 0.05 * float(rng.normal()) for _ in range(3)]
        several.append(replace(each, value=float(np.mean(values)), by_seed=dict(zip((0, 5, 9), values, strict=True))))
    found = beliefs(ONE, several)
    assert found is not None
    assert len(found.surrogate.trained) == 24
    assert found.surrogate.measured is not None
    assert 0.02 < found.surrogate.measured.total < 0.1


def test_a_trial_on_several_seeds_that_came_to_nothing_counts_once() -> None:
    broken = trial(9, {PATH: 1.0}, value=0.5, feasible=False, by_seed={0: 0.4, 5: 0.6})
    found = beliefs(ONE, [*searched(8), broken])
    assert found is not None
    assert len(found.surrogate.trained) == 9
