"""The front, its hypervolume and the picks: by hand, by counting cells, and by what dominance means."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.objective.pareto import (
    dominates,
    front,
    hypervolume,
    knee,
    nearest_ideal,
    normalised,
    oriented,
    worst,
)

UP, DOWN = "maximize", "minimize"
PLAIN = settings(deadline=None, derandomize=True)
DIRECTIONS = st.lists(st.sampled_from([UP, DOWN]), min_size=1, max_size=4)


@st.composite
def clouds(draw: st.DrawFn, most: int = 12) -> tuple[list[str], list[tuple[int, ...]]]:
    """Draw directions and points on a small lattice, so that equal and dominated ones are common."""
    directions = draw(DIRECTIONS)
    point = st.tuples(*[st.integers(0, 4)] * len(directions))
    return directions, draw(st.lists(point, min_size=1, max_size=most))


# The front


def test_the_front_by_hand() -> None:
    points = [(0.9, 0.3), (0.8, 0.2), (0.7, 0.2), (0.95, 0.9), (0.5, 0.1), (0.4, 0.1)]
    assert front(points, [UP, DOWN]) == [0, 1, 3, 4]
    assert front(points, [UP, UP]) == [3]
    assert front(points, [DOWN, DOWN]) == [5]


def test_equal_points_are_on_the_front_together() -> None:
    assert front([(1.0, 2.0), (1.0, 2.0), (0.0, 2.0)], [UP, UP]) == [0, 1]


def test_one_metric_has_a_front_of_its_best() -> None:
    assert front([(0.5,), (0.7,), (0.7,)], [UP]) == [1, 2]


def test_of_no_points_the_front_is_empty() -> None:
    assert front([], [UP, UP]) == []


@given(clouds())
@PLAIN
def test_a_point_is_on_the_front_unless_another_dominates_it(cloud: tuple[list[str], list[tuple[int, ...]]]) -> None:
    directions, points = cloud
    turned = oriented(points, directions)
    alone = [i for i, point in enumerate(turned) if not any(dominates(other, point) for other in turned)]
    assert front(points, directions) == alone


@given(clouds())
@PLAIN
def test_what_is_not_on_the_front_is_dominated_by_it(cloud: tuple[list[str], list[tuple[int, ...]]]) -> None:
    directions, points = cloud
    turned, found = oriented(points, directions), front(points, directions)
    for i, point in enumerate(turned):
        assert i in found or any(dominates(turned[j], point) for j in found)


@given(st.integers(1, 4).flatmap(lambda size: st.tuples(*[st.tuples(*[st.integers(0, 3)] * size)] * 3)))
@PLAIN
def test_dominance_is_a_strict_order(points: tuple[tuple[int, ...], ...]) -> None:
    a, b, c = points
    assert not dominates(a, a)
    assert not (dominates(a, b) and dominates(b, a))
    assert dominates(a, c) or not (dominates(a, b) and dominates(b, c))


# The hypervolume


@pytest.mark.parametrize(
    ("points", "reference", "volume"),
    [
        ([(3, 1), (2, 2), (1, 3)], (0, 0), 6),  # stairs: 3 + 2 + 1
        ([(3, 1), (2, 2), (1, 3), (1, 1)], (0, 0), 6),  # a dominated point adds nothing
        ([(3, 1), (3, 1)], (1, 0), 2),
        ([(3, 1)], (3, 0), 0),  # no better than the reference
        ([(3, -1), (1, 1)], (0, 0), 1),  # worse than the reference in one metric
        ([], (0, 0), 0),
        ([(2, 2, 1), (1, 1, 2)], (0, 0, 0), 5),  # 4 + 2 - 1
        ([(2, 1, 1), (1, 2, 1), (1, 1, 2)], (0, 0, 0), 4),  # the cube of 1 and three more on its sides
        ([(2, 2, 2, 1), (1, 1, 1, 3)], (0, 0, 0, 0), 10),  # 8 + 3 - 1
        ([(5,), (7,)], (4,), 3),
    ],
)
def test_hypervolumes_by_hand(points: list[tuple[float, ...]], reference: tuple[float, ...], volume: float) -> None:
    assert hypervolume(points, [UP] * len(reference), reference) == pytest.approx(volume)


def test_a_hypervolume_with_directions() -> None:
    # accuracy above 0.5, error below 0.4: 0.4 x 0.1 + 0.3 x (0.2 - 0.1)
    points = [(0.9, 0.3), (0.8, 0.2)]
    assert hypervolume(points, [UP, DOWN], (0.5, 0.4)) == pytest.approx(0.4 * 0.1 + 0.3 * 0.1)


@given(clouds(most=8))
@PLAIN
def test_a_hypervolume_is_the_number_of_cells_that_a_point_covers(cloud: tuple[list[str], list[tuple[int, ...]]]) -> None:
    directions, points = cloud
    cells = itertools.product(range(4), repeat=len(directions))
    corners = [tuple(place + (1 if way == UP else 0) for place, way in zip(cell, directions, strict=True)) for cell in cells]
    covered = sum(any(_reaches(point, corner, directions) for point in points) for corner in corners)
    reference = [0 if direction == UP else 4 for direction in directions]
    assert hypervolume(points, directions, reference) == covered


def _reaches(point: tuple[int, ...], corner: tuple[int, ...], directions: list[str]) -> bool:
    """Return whether a cell, by its corner that is hardest to reach, lies between the reference and the point."""
    return all(
        (value >= least) if way == UP else (value <= least) for value, least, way in zip(point, corner, directions, strict=True)
    )


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 5), min_size=1, max_size=6), st.tuples(*[st.floats(0, 1)] * 5))
@PLAIN
def test_one_point_more_never_covers_less_and_a_dominated_one_no_more(
    points: list[tuple[float, ...]], more: tuple[float, ...]
) -> None:
    before, after = (hypervolume(each, [UP] * 5, [0.0] * 5) for each in (points, [*points, more]))
    assert after >= before - 1e-12
    if any(dominates(point, more) for point in points):
        assert after == pytest.approx(before)


# Picks


def test_the_knee_is_farthest_beyond_the_line_between_the_ends() -> None:
    points = [(0.0, 10.0), (0.5, 9.0), (0.8, 6.0), (1.0, 0.0)]  # normalised sums: 1, 1.4, 1.4, 1
    assert knee(points, [UP, UP]) == 1
    assert knee([*points[:1], (0.5, 8.9), *points[2:]], [UP, UP]) == 2


def test_a_front_that_bends_inwards_has_its_knee_at_an_end() -> None:
    assert knee([(0.0, 1.0), (0.3, 0.3), (1.0, 0.0)], [UP, UP]) == 0


def test_the_nearest_to_the_ideal_is_by_distance() -> None:
    # normalised (0, 1), (.6, .6), (.95, .3), (1, 0): distances 1, .566, .702, 1; sums 1, 1.2, 1.25, 1
    points = [(0.0, 0.0), (0.6, 4.0), (0.95, 7.0), (1.0, 10.0)]
    assert nearest_ideal(points, [UP, DOWN]) == 1
    assert knee(points, [UP, DOWN]) == 2


@pytest.mark.parametrize("pick", [knee, nearest_ideal])
def test_a_front_of_one_or_of_equals_has_its_first(pick: object) -> None:
    assert callable(pick)
    assert pick([(0.3, 0.4)], [UP, DOWN]) == 0
    assert pick([(0.3, 0.4)] * 2, [UP, DOWN]) == 0


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1, 1)), min_size=1, max_size=6))
@PLAIN
def test_normalised_points_lie_between_0_and_1_whatever_the_units(points: list[tuple[float, float]]) -> None:
    assert all(0 <= value <= 1 for point in normalised(points, [UP, DOWN]) for value in point)


def test_the_worst_value_of_each_metric_is_the_reference() -> None:
    assert worst([(0.9, 0.3), (0.5, 0.1)], [UP, DOWN]) == (0.5, 0.3)
    assert math.isclose(hypervolume([(0.9, 0.3), (0.5, 0.1)], [UP, DOWN], (0.5, 0.3)), 0.0)
