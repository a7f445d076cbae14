"""Which trial comes first."""

from __future__ import annotations

import math
from itertools import permutations

import pytest

from search.objective.order import closest, has_won, leader, place, winners
from storage.records import ADAPTIVE_ORIGIN, Role, TrialRecord, TrialState
from tests.search.histories import trial

FIRST_TO_LAST = [(True, 0.5), (True, -2.0), (True, -math.inf), (False, 9.0), (False, -1.0), (None, math.nan)]
"""Feasible before infeasible, finite before not, then by value."""


def test_feasible_goes_before_finite_and_finite_before_better() -> None:
    places = [place(feasible, value, 0) for feasible, value in FIRST_TO_LAST]
    assert sorted(places, reverse=True) == places
    assert len(set(places)) == len(places)


def test_what_is_not_finite_is_all_alike() -> None:
    assert place(True, math.inf, 3) == place(True, math.nan, 3) == place(True, None, 3)


def test_of_equals_the_lowest_number_goes_first() -> None:
    assert place(True, 0.5, 1) > place(True, 0.5, 2)
    assert place(True, -0.0, 1) > place(True, 0.0, 2)


@pytest.mark.parametrize(
    ("feasible", "value", "won"),
    [
        (True, -5.0, True),
        (False, 0.5, False),
        (None, 0.5, False),
        (True, math.inf, False),
        (True, math.nan, False),
        (True, None, False),
    ],
)
def test_the_first_has_won_only_if_it_is_feasible_and_finite(feasible: bool | None, value: float | None, won: bool) -> None:
    assert has_won(feasible, value) is won


def test_winners_are_the_complete_feasible_and_finite_the_best_first_in_whatever_order_they_come() -> None:
    able = [trial(1, value=0.5), trial(0, value=0.5), trial(2, value=0.9)]
    others = [trial(3, value=1.0, feasible=False), trial(4, value=math.inf), trial(5, value=2.0, state=TrialState.PRUNED)]
    for searched in permutations(able):
        assert [each.number for each in winners([*others, *searched])] == [2, 0, 1]


@pytest.mark.parametrize(
    "outsider",
    [
        trial(1, value=0.9, role=Role.REFERENCE),
        trial(1, value=0.9, role=Role.CONFIRMATION),
        trial(1, value=0.9, role=Role.BASELINE, origin=ADAPTIVE_ORIGIN),
        trial(1, value=0.9, state=TrialState.PRUNED, feasible=True),
        trial(1, value=0.9, feasible=None),
        trial(1, value=math.nan),
    ],
    ids=["reference", "confirmation", "adaptive", "pruned", "not judged", "not finite"],
)
def test_the_leader_is_one_that_may_win(outsider: TrialRecord) -> None:
    baseline = trial(2, value=0.1, role=Role.BASELINE, rule="equal")
    assert leader([outsider, baseline]) is baseline
    assert leader([outsider]) is None


def test_an_infeasible_trial_leads_where_no_feasible_one_is() -> None:
    worse, better = trial(0, value=0.1, feasible=False), trial(1, value=0.9, feasible=False)
    assert leader([worse, better]) is better
    assert leader([worse, better, trial(2, value=-9.0)]).number == 2  # type: ignore[union-attr]


def test_of_a_front_the_leader_says_whether_any_trial_is_feasible() -> None:
    broken, kept = trial(0, value=None, feasible=False), trial(1, value=None)
    assert leader([broken, kept], valued=False) is kept
    assert leader([broken, kept]) is None


def test_the_closest_misses_its_constraints_by_the_least_sum() -> None:
    missed = {0: {"a": 0.25, "b": 0.25}, 1: {"a": 0.3}, 2: {"b": 0.3}, 3: {"a": 0.0, "b": math.inf}}
    assert closest(missed) == 1
    assert closest({3: missed[3]}) == 3
    assert closest({}) is None
