"""The plan: what comes next, for every history that a study may have; and whole studies played through it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.planning.plan import End, Run, Step, Wait, plan
from search.worker.claim import again
from storage.records import Reason, Role, StudyState, TrialRecord, TrialState
from tests.search.definitions import define, flagship, log_range, study
from tests.search.histories import history, trial

GRID, RANDOM, TPE = ({"name": name} for name in ("grid", "random", "tpe"))
CURRENT = log_range(points=3, current=1.0)


def ran(step: Step) -> Run:
    assert isinstance(step, Run)
    return step


def searched(count: int, state: TrialState = TrialState.COMPLETE, *, first: int = 0, **fields: Any) -> list[TrialRecord]:
    """Return search trials of a study of one weight."""
    return [trial(number, {"t0.error": 1.0 + number}, state=state, **fields) for number in range(first, first + count)]


def baseline(state: TrialState = TrialState.COMPLETE) -> TrialRecord:
    return trial(0, {"t0.error": 1.0}, role=Role.BASELINE, rule="current", origin="rule", state=state)


# What comes first


def test_the_first_trial_is_the_baseline_current() -> None:
    definition = define(flagship())
    first = ran(plan(definition, history(definition), 8)).trials[0]
    assert (first.role, first.rule, first.origin, first.seed) == (Role.BASELINE, "current", "rule", 0)
    assert first.parameters == {"parity.crossentropy": 1.0, "agreement": 0.0}
    assert first.weights == {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 0.0}


def test_a_study_without_current_begins_with_suggestions() -> None:
    definition = define(study(log_range()))
    assert {planned.role for planned in ran(plan(definition, history(definition), 8)).trials} == {Role.SEARCH}


def test_a_suggestion_has_seed_origin_and_every_weight() -> None:
    definition = define(study(log_range(), 2.0, sampler=RANDOM, seed=7))
    planned = ran(plan(definition, history(definition), 1)).trials[0]
    assert (planned.rule, planned.origin, planned.seed, planned.confirms) == (None, "random", 7, None)
    assert planned.weights == {"t0.error": planned.parameters["t0.error"], "t1.error": 2.0}


@pytest.mark.parametrize("state", list(TrialState))
def test_the_baseline_comes_once_whatever_became_of_it(state: TrialState) -> None:
    definition = define(study(CURRENT, trials=8))
    planned = ran(plan(definition, history(definition, [baseline(state)]), 20)).trials
    assert [one.role for one in planned] == [Role.SEARCH] * 8


def test_the_baseline_is_no_part_of_the_budget() -> None:
    definition = define(study(CURRENT, sampler=GRID))
    roles = [planned.role for planned in ran(plan(definition, history(definition), 20)).trials]
    assert roles == [Role.BASELINE, *[Role.SEARCH] * 3]


def test_a_limit_of_one_plans_the_baseline_alone() -> None:
    definition = define(study(CURRENT))
    assert [planned.role for planned in ran(plan(definition, history(definition), 1)).trials] == [Role.BASELINE]


# How many


@pytest.mark.parametrize(("limit", "planned"), [(1, 1), (5, 5), (16, 16), (50, 16)])
def test_tpe_begins_with_sixteen_at_most(limit: int, planned: int) -> None:
    definition = define(study(log_range(), sampler=TPE))
    assert len(ran(plan(definition, history(definition), limit)).trials) == planned


def test_tpe_goes_on_with_eight_at_most() -> None:
    definition = define(study(log_range(), sampler=TPE))
    assert len(ran(plan(definition, history(definition, searched(16)), 50)).trials) == 8


def test_the_baseline_takes_a_place_of_the_first_cohort() -> None:
    definition = define(study(CURRENT, sampler=TPE))
    roles = [planned.role for planned in ran(plan(definition, history(definition), 50)).trials]
    assert roles == [Role.BASELINE, *[Role.SEARCH] * 15]


@pytest.mark.parametrize("state", list(TrialState))
def test_a_search_trial_is_of_the_budget_however_it_ended(state: TrialState) -> None:
    definition = define(study(log_range(), trials=10, sampler=RANDOM))
    assert len(ran(plan(definition, history(definition, searched(7, state)), 50)).trials) == 3


def test_a_raised_budget_goes_on_from_what_there_is() -> None:
    definition = define(study(log_range(), trials=10, sampler=RANDOM))
    assert len(ran(plan(definition, history(definition, searched(10), budget=14), 50)).trials) == 4


def test_a_raised_budget_adds_no_point_to_a_grid() -> None:
    definition = define(study(log_range(points=3), sampler=GRID))
    assert plan(definition, history(definition, searched(3), budget=9), 50) == End(StudyState.COMPLETE)


def test_numbers_go_on_after_the_baseline() -> None:
    """A suggestion is seeded by its trial's number, so the same number in the same study is the same draw."""
    definition = define(study(CURRENT, sampler=RANDOM))
    together = ran(plan(definition, history(definition), 4)).trials
    apart = ran(plan(definition, history(definition, [baseline()]), 3)).trials
    assert together[1:] == apart


# Waiting and ending


@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.RUNNING])
def test_a_study_waits_while_a_planned_trial_is_unfinished(state: TrialState) -> None:
    definition = define(study(log_range(), trials=3))
    step = plan(definition, history(definition, [*searched(2), *searched(1, state, first=2)]), 8)
    assert step == Wait(Reason("trials_running", "1 planned trials are not finished yet"))


def test_a_study_waits_for_its_baseline_too() -> None:
    definition = define(study(CURRENT, trials=2))
    assert isinstance(plan(definition, history(definition, [baseline(TrialState.RUNNING), *searched(2, first=1)]), 8), Wait)


def test_a_study_with_one_result_ends_complete() -> None:
    definition = define(study(log_range(), trials=3))
    trials = [*searched(2, TrialState.FAILED), *searched(1, first=2)]
    assert plan(definition, history(definition, trials), 8) == End(StudyState.COMPLETE)


def test_a_study_with_no_trial_that_could_be_the_best_fails_though_one_was_pruned() -> None:
    definition = define(study(log_range(), trials=3))
    lost = Reason("no_objective", "t0.mse is undefined on validation")
    pruned = searched(1, TrialState.PRUNED, first=2, reason=Reason("pruned", "epoch 3: worse than the median of 2 others"))
    step = plan(definition, history(definition, [*searched(2, TrialState.FAILED, reason=lost), *pruned]), 8)
    text = (
        "not one of 3 search trials is complete: 1 PRUNED, 2 FAILED; t0.mse is undefined on validation; "
        "epoch 3: worse than the median of 2 others"
    )
    assert step == End(StudyState.FAILED, Reason("no_trial_complete", text))


def test_a_study_without_any_result_fails_with_the_counts_and_the_causes() -> None:
    definition = define(study(log_range(), trials=4))
    diverged = searched(3, TrialState.DIVERGED, reason=Reason("not_finite", "t0.error is nan"))
    failed = searched(1, TrialState.FAILED, first=3, reason=Reason("term_failed", "loss.py:12 raised"))
    step = plan(definition, history(definition, [*diverged, *failed]), 8)
    text = "not one of 4 search trials is complete: 1 FAILED, 3 DIVERGED; t0.error is nan; loss.py:12 raised"
    assert step == End(StudyState.FAILED, Reason("no_trial_complete", text))


def test_a_complete_baseline_does_not_save_a_study_whose_search_failed() -> None:
    definition = define(study(CURRENT, trials=1))
    step = plan(definition, history(definition, [baseline(), *searched(1, TrialState.FAILED, first=1)]), 8)
    assert isinstance(step, End)
    assert step.state is StudyState.FAILED


# Which waiting trials go together


def limits(chosen: list[TrialRecord]) -> list[int]:
    return [record.number for record in chosen]


@pytest.mark.parametrize(
    ("bounds", "size", "chosen"),
    [
        ([], 8, []),
        ([None, None, None], 8, [0, 1, 2]),
        ([None, None, None], 2, [0, 1]),
        ([4, 4, 4, 4, 4, 4], 8, [0, 1, 2, 3]),
        ([1, 1, 1], 8, [0]),
        ([1, None, None], 8, [0]),
        ([None, 1, None], 8, [0]),
        ([None, 2, 4], 8, [0, 1]),
        ([None, None, 2], 8, [0, 1]),
        ([3, None, None, None], 2, [0, 1]),
    ],
)
def test_trials_go_again_in_as_small_a_cohort_as_the_most_cautious_allows(
    bounds: list[int | None], size: int, chosen: list[int]
) -> None:
    records = [trial(i, state=TrialState.WAITING, cohort_limit=bound) for i, bound in enumerate(bounds)]
    assert limits(again(records, size)) == chosen


@pytest.mark.parametrize(("size", "chosen"), [(8, [0, 1]), (5, [0]), (2, [0])])
def test_a_trial_that_goes_again_takes_a_place_for_each_of_its_seeds(size: int, chosen: list[int]) -> None:
    records = [trial(i, state=TrialState.WAITING, by_seed=dict.fromkeys((0, 1, 2))) for i in range(3)]
    assert limits(again(records, size)) == chosen


@given(st.lists(st.none() | st.integers(1, 8), min_size=1, max_size=12), st.integers(1, 8))
@settings(deadline=None, derandomize=True)
def test_no_trial_goes_again_in_a_greater_cohort_than_it_may(bounds: list[int | None], size: int) -> None:
    records = [trial(i, state=TrialState.WAITING, cohort_limit=bound) for i, bound in enumerate(bounds)]
    chosen = again(records, size)
    assert limits(chosen) == list(range(len(chosen)))
    assert 1 <= len(chosen) <= min(size, *(record.cohort_limit or size for record in chosen))
