"""What was searched, as axes."""

from __future__ import annotations

import math

import pytest

from search.definition.axes import Axis, axes, located
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial


def test_a_range_goes_from_low_to_high_on_its_scale() -> None:
    found = axes(define(study(log_range(0.01, 100), {"low": 0.0, "high": 2.0})))
    assert found == {"t0.error": Axis("t0.error", 0.01, 100, log=True), "t1.error": Axis("t1.error", 0.0, 2.0)}


def test_choices_are_in_ascending_order() -> None:
    (axis,) = axes(define(study({"values": [3.0, 1.0, 2.0]}))).values()
    assert (axis.low, axis.high, axis.choices, axis.names) == (1.0, 3.0, (1.0, 2.0, 3.0), ())


def test_a_searched_shape_is_a_choice_of_names() -> None:
    found = axes(define(study(log_range(schedule={"shape": ["linear", "cosine"], "fraction": 0.5}))))
    assert found["t0.error.schedule.shape"].names == ("linear", "cosine")
    assert found["t0.error.schedule.shape"].choices == (0.0, 1.0)


def test_a_member_of_a_simplex_has_the_shares_that_its_range_allows() -> None:
    found = axes(define(study(log_range(1, 3), log_range(1, 9), space="simplex")))
    # 1 / (1 + 9) and 3 / (3 + 1); 1 / (1 + 3) and 9 / (9 + 1)
    assert found["t0.error"] == Axis("t0.error", pytest.approx(0.1), 0.75, log=True, total=1.0)
    assert found["t1.error"] == Axis("t1.error", 0.25, pytest.approx(0.9), log=True, total=1.0)


def test_on_a_lattice_a_share_goes_from_nothing_to_the_total() -> None:
    ranges = [log_range(1, 3, points=3)] * 2
    found = axes(define(study(*ranges, space={"simplex": ["t0.error", "t1.error"], "total": 2.0}, sampler={"name": "grid"})))
    assert found["t0.error"] == Axis("t0.error", 0.0, 2.0, total=2.0)


@pytest.mark.parametrize(
    ("axis", "place", "scaled"),
    [
        (Axis("a", 0.0, 2.0), 1.5, 1.5),
        (Axis("a", 0.01, 100, log=True), 10.0, math.log(10)),
        (Axis("a", 0.1, 0.9, log=True, total=1.0), 0.8, math.log(4)),
        (Axis("a", 0.1, 0.9, log=True, total=1.0), 0.90001, math.log(9)),
        (Axis("a", 1.0, 3.0, choices=(1.0, 2.0, 3.0)), 3.0, 2.0),
    ],
)
def test_equal_steps_count_equally(axis: Axis, place: float, scaled: float) -> None:
    assert axis.scaled(place) == pytest.approx(scaled)


def test_trials_lie_on_a_simplex_where_their_shares_are() -> None:
    definition = define(
        study(log_range(1, 3), log_range(1, 9), {"low": 0.0, "high": 5.0}, space={"simplex": ["t0.error", "t1.error"]})
    )
    (place,) = located(definition, [trial(0, {"t0.error": 1.0, "t1.error": 3.0, "t2.error": 4.0})])
    assert place == {"t0.error": 0.25, "t1.error": 0.75, "t2.error": 4.0}
