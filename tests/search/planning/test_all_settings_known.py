"""Searches of a finite space: no setting twice on one seed, and an early end where all are known."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from search.planning.phases import phases
from search.sampling.suggest import DrawIndex, suggest
from search.validation.normalize import normalise
from storage.records import Role, StudyState, TrialState
from tests.search.definitions import UNPUBLISHED, define, log_range, study
from tests.search.histories import trial
from tests.search.planning.test_whole_studies import Play

THREE = {"values": [0.1, 1, 10], "current": 1.0}
SAMPLERS: list[dict[str, Any]] = [{"name": name} for name in ("tpe", "random", "qmc", "cmaes", "nsga2", "nsga3")]


def played(definition: Any, size: int = 4, state: TrialState = TrialState.COMPLETE, budget: int | None = None) -> Play:
    play = Play(definition, size)
    play.budget = budget or play.budget
    return played_on(play, state)


def played_on(play: Play, state: TrialState = TrialState.COMPLETE) -> Play:
    """Play a study to its end; every trial ends in this state."""
    while play.end is None:
        play.claim("w1")
        for number in list(play.held.get("w1", ())):
            play._change(number, state=state, value=1.0 if state is TrialState.COMPLETE else None, feasible=True)
        play.held = {}
    return play


def searched(play: Play) -> Counter[tuple[float, ...]]:
    return Counter(tuple(record.parameters.values()) for record in play.trials if record.role is Role.SEARCH)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: str(sampler["name"]))
def test_each_setting_is_trained_once_and_the_search_ends_early(sampler: dict[str, Any]) -> None:
    play = played(define(study(THREE, THREE, sampler=sampler, trials=30, confirmation=None)))
    assert searched(play) == Counter({(a, b): 1 for a in THREE["values"] for b in THREE["values"]})
    assert play.end is not None
    assert play.end.state is StudyState.COMPLETE
    assert play.end.reason is not None
    assert play.end.reason.code == "all_settings_known"
    assert play.end.reason.message == "all 9 settings were tried; 30 trials were asked for"


def test_a_setting_that_diverged_is_not_tried_again() -> None:
    play = played(define(study(THREE, trials=8, confirmation=None)), state=TrialState.DIVERGED)
    assert set(searched(play).values()) == {1}
    assert play.end is not None
    assert play.end.state is StudyState.FAILED


def test_fewer_trials_than_settings_end_as_always() -> None:
    play = played(define(study(THREE, THREE, trials=7, confirmation=None)))
    assert set(searched(play).values()) == {1}
    assert sum(searched(play).values()) == 7
    assert play.end is not None
    assert play.end.reason is None


def test_a_raised_budget_ends_the_same_way() -> None:
    definition = define(study(THREE, trials=3, confirmation=None))
    assert played(definition).end.reason is None  # type: ignore[union-attr]
    again = played(definition, budget=12)
    assert again.end.reason.code == "all_settings_known"  # type: ignore[union-attr]
    assert sum(searched(again).values()) == 3


def test_what_an_earlier_version_trained_twice_counts_once() -> None:
    definition = define(study(THREE, THREE, trials=30, confirmation=None))
    twice = [(a, b) for a in (0.1, 1.0, 10.0) for b in (0.1, 1.0)] * 2
    play = Play(definition, 4)
    play.trials = [trial(i, {"t0.error": a, "t1.error": b}, value=1.0) for i, (a, b) in enumerate(twice)]
    ended = played_on(play)
    assert len(searched(ended)) == 9
    assert ended.end.reason.message == "all 9 settings were tried; 30 trials were asked for"  # type: ignore[union-attr]


def test_a_setting_that_was_cancelled_may_be_tried() -> None:
    definition = define(study(THREE, trials=30, confirmation=None))
    play = Play(definition, 4)
    play.trials = [trial(0, {"t0.error": 0.1}, state=TrialState.CANCELLED)]
    assert searched(played_on(play)) == Counter({(0.1,): 2, (1.0,): 1, (10.0,): 1})


def test_a_grid_still_trains_every_point() -> None:
    play = played(define(study(THREE, THREE, sampler={"name": "grid"}, trials=None, confirmation=None)))
    assert sum(searched(play).values()) == 9
    assert play.end is not None
    assert play.end.reason is None


def test_what_was_planned_beyond_the_observed_trials_is_known_too() -> None:
    definition = define(study(THREE, THREE, trials=30))
    planned = [{"t0.error": a, "t1.error": b} for a in (0.1, 1.0, 10.0) for b in (0.1, 1.0)]
    drawn = suggest(definition, [], DrawIndex(6, 6), 4, planned)
    assert sorted(tuple(one.parameters.values()) for one in drawn) == [(0.1, 10.0), (1.0, 10.0), (10.0, 10.0)]


def test_suggestions_of_a_space_with_a_range_are_left_alone() -> None:
    definition = define(study(THREE, log_range(), trials=30))
    observed = [trial(0, {"t0.error": 1.0, "t1.error": 1.0})]
    known = [each.parameters for each in suggest(definition, observed, DrawIndex(1, 1), 4)]
    assert [each.parameters for each in suggest(definition, observed, DrawIndex(1, 1), 4, known)] == known


def test_the_plan_counts_no_more_searches_than_there_are_settings() -> None:
    assert phases(define(study(THREE, THREE, trials=30)))[Role.SEARCH] == 9


def test_more_trials_than_settings_are_warned_of() -> None:
    warned = normalise(study(THREE, THREE, trials=30), workloads=UNPUBLISHED).warnings
    assert "search.trials: 30 trials of 9 settings: each is trained once, and the search ends when all are known" in warned
    assert not [text for text in normalise(study(THREE, THREE, trials=9), workloads=UNPUBLISHED).warnings if "settings" in text]
