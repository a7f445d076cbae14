"""What is planned of a study while a cohort of it still trains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from search.planning.ahead import plan_ahead
from search.planning.plan import History, Run, plan
from search.sampling.suggest import DrawIndex
from storage.records import Role, TrialRecord, TrialState
from tests.search.definitions import define, log_range, study
from tests.search.histories import history, trial

SIZE = 4


def searched(first: int, count: int, state: TrialState = TrialState.COMPLETE) -> list[TrialRecord]:
    numbers = range(first, first + count)
    return [trial(number, {"t0.error": 1.0 + number}, state=state, value=-float(number)) for number in numbers]


def in_training(**sampler: Any) -> tuple[Any, History, list[TrialRecord]]:
    """Return a study of which 12 trials have ended and 4 train, and those as if they had ended too."""
    definition = define(study(log_range(), sampler={"name": "tpe", **sampler}, trials=64))
    running = [replace(each, state=TrialState.RUNNING, value=None) for each in searched(12, SIZE)]
    return definition, history(definition, [*searched(0, 12), *running]), searched(12, SIZE)


def test_what_is_drawn_ahead_is_what_the_plan_says_of_the_cohort_once_it_has_ended_so() -> None:
    definition, now, cohort = in_training()
    ahead = plan_ahead(definition, now, SIZE, cohort)
    after = plan(definition, history(definition, [*searched(0, 12), *cohort]), SIZE)
    assert ahead is not None
    assert isinstance(after, Run)
    assert ahead.trials == after.trials
    assert ahead.draws(0, ()).place == DrawIndex(16, 16)


def test_the_plan_takes_draws_that_were_made_ahead_for_the_same_trials_whatever_the_cohort_came_to() -> None:
    definition, now, cohort = in_training()
    ahead = plan_ahead(definition, now, SIZE, cohort)
    assert ahead is not None
    better = [replace(each, value=1e6 * each.number) for each in cohort]
    ended = history(definition, [*searched(0, 12), *better])
    draws = ahead.draws(12, [each.number for each in cohort])
    took, drew = plan(definition, replace(ended, ahead=draws), SIZE), plan(definition, ended, SIZE)
    assert isinstance(took, Run)
    assert took.trials == tuple(replace(each, planned_after=12, planned_beside=(12, 13, 14, 15)) for each in ahead.trials)
    assert isinstance(drew, Run)
    assert [each.parameters for each in took.trials] != [each.parameters for each in drew.trials]


@pytest.mark.parametrize("other", [1, 8])
def test_the_plan_draws_anew_where_draws_were_made_for_other_trials_or_are_too_few(other: int) -> None:
    definition, now, cohort = in_training()
    ahead = plan_ahead(definition, now, SIZE, cohort)
    assert ahead is not None
    more = [*searched(0, 12), *cohort, *(searched(16, 1) if other == 1 else [])]
    ended = history(definition, more)
    assert plan(definition, replace(ended, ahead=ahead.draws(12, ())), other) == plan(definition, ended, other)


def test_no_generation_is_drawn_before_the_one_before_has_ended() -> None:
    definition = define(study(log_range(), log_range(), sampler={"name": "nsga2", "config": {"population_size": 4}}, trials=64))
    running = searched(0, SIZE, TrialState.RUNNING)
    assert plan_ahead(definition, history(definition, running), SIZE, searched(0, SIZE)) is None


def test_nothing_is_planned_ahead_of_trainings_on_fresh_seeds() -> None:
    definition, now, cohort = in_training()
    again = [replace(cohort[0], role=Role.CONFIRMATION, confirms=0), *cohort[1:]]
    assert plan_ahead(definition, now, SIZE, again) is None


@pytest.mark.parametrize("confirmation", [None, {}])
def test_nothing_is_expected_after_the_last_trial(confirmation: Any) -> None:
    """With a confirmation finalists are chosen first."""
    definition = define(study(log_range(), sampler={"name": "random"}, trials=SIZE, confirmation=confirmation))
    assert plan_ahead(definition, history(definition, searched(0, SIZE, TrialState.RUNNING)), SIZE, searched(0, SIZE)) is None


def test_what_a_search_is_expected_to_gain_is_not_known_of_a_cohort_that_trains() -> None:
    """The gain that is known is the one without the cohort: after it another analysis comes first."""
    definition = define(study(log_range(), sampler={"name": "tpe"}, trials=64, stop={"no_gain": 0.5}))
    now = history(definition, [*searched(0, 12), *searched(12, SIZE, TrialState.RUNNING)])
    assert plan_ahead(definition, replace(now, expected_gain=math.inf), SIZE, searched(12, SIZE)) is None


def test_finalists_of_a_search_that_went_on_are_not_those_of_the_cohort_that_trains() -> None:
    definition = define(study(log_range(), sampler={"name": "random"}, trials=2 * SIZE, confirmation={}))
    now = history(definition, [*searched(0, SIZE), *searched(SIZE, SIZE, TrialState.RUNNING)])
    assert plan_ahead(definition, replace(now, finalists=(2, 1)), SIZE, searched(SIZE, SIZE)) is None
