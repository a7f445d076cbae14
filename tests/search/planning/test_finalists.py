"""Which search trials are trained again: the best that lie apart."""

from __future__ import annotations

from typing import Any

import pytest

from search.definition.axes import axes
from search.planning.finalists import distance, finalists
from storage.records import TrialRecord, TrialState
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial


def numbers(searched: list[TrialRecord], *weights: Any, top: int = 2) -> list[int]:
    definition = define(study(*(weights or (log_range(0.01, 1.0),)), 1.0, confirmation={"top": top, "seeds": 2}))
    return [each.number for each in finalists(definition, searched)]


def at(number: int, weight: float, value: float | None, **fields: Any) -> TrialRecord:
    return trial(number, {"t0.error": weight}, value=value, **fields)


def test_finalists_are_the_best_feasible_and_complete_of_equals_the_earlier() -> None:
    searched = [
        at(1, 0.01, 0.5),
        at(2, 0.02, 0.9, feasible=False),
        at(3, 0.05, 0.8),
        at(4, 0.2, 0.8),
        at(5, 0.5, None, state=TrialState.DIVERGED),
        at(6, 1.0, float("nan")),
    ]
    assert numbers(searched) == [3, 4]


def test_a_neighbour_of_a_better_one_gives_way_to_one_that_lies_apart() -> None:
    # a tenth of two decades on a log scale is a factor of 1.58
    searched = [at(1, 0.1, 0.9), at(2, 0.15, 0.8), at(3, 0.16, 0.7), at(4, 0.01, 0.6)]
    assert numbers(searched) == [1, 3]
    assert numbers(searched, top=3) == [1, 3, 4]


def test_neighbours_fill_up_where_too_few_lie_apart() -> None:
    searched = [at(1, 0.1, 0.9), at(2, 0.11, 0.8), at(3, 0.12, 0.7)]
    assert numbers(searched) == [1, 2]


def test_a_setting_that_was_drawn_twice_is_one_finalist() -> None:
    searched = [at(1, 0.1, 0.5), at(2, 0.1, 0.6), at(3, 0.1, 0.4)]
    assert numbers(searched) == [2]


def test_settings_are_neighbours_only_if_near_in_every_parameter() -> None:
    both = [
        trial(1, {"t0.error": 0.1, "t1.error": 0.01}, value=0.9),
        trial(2, {"t0.error": 0.1, "t1.error": 1.0}, value=0.8),
        trial(3, {"t0.error": 0.11, "t1.error": 0.011}, value=0.85),
    ]
    assert numbers(both, log_range(0.01, 1.0), log_range(0.01, 1.0)) == [1, 2]


@pytest.mark.parametrize(("one", "other", "expected"), [(0.01, 1.0, 1.0), (0.01, 0.1, 0.5), (0.1, 0.1, 0.0)])
def test_distance_is_a_share_of_the_range_on_its_scale(one: float, other: float, expected: float) -> None:
    spans = axes(define(study(log_range(0.01, 1.0), 1.0)))
    assert distance(spans, {"t0.error": one}, {"t0.error": other}) == pytest.approx(expected)


def test_values_of_a_choice_are_a_step_apart_each() -> None:
    spans = axes(define(study({"values": [1.0, 2.0, 100.0]}, 1.0)))
    assert distance(spans, {"t0.error": 1.0}, {"t0.error": 2.0}) == pytest.approx(0.5)
