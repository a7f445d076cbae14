"""The trials that no other beats in every metric, how much they cover, and two rules to pick one: pure functions of numbers.

A point has one finite number a metric, in the order of `directions` ("maximize" or "minimize").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import ge, mul

Point = tuple[float, ...]

MOST_OBJECTIVES = 6
MOST_POINTS = 200
"""No hypervolume of more: its time grows exponentially with the one, and steeply with the other."""

KNEE = (
    "knee: the greatest sum of the metrics, each put on [0, 1] over the front's own range, 1 best; with two metrics, the trial "
    "farthest beyond the straight line between the front's ends"
)
NEAREST_IDEAL = (
    "nearest_ideal: the least Euclidean distance to 1 in every metric, each put on [0, 1] over the front's own range, 1 best"
)


def oriented(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[Point]:
    """Return the points with the sign of what is minimised turned, so that greater is better everywhere."""
    signs = [1.0 if direction == "maximize" else -1.0 for direction in directions]
    return [tuple(map(mul, signs, point)) for point in points]


def dominates(one: Point, other: Point) -> bool:
    """Return whether `one`, oriented, is nowhere worse than `other` and somewhere better."""
    return one != other and all(map(ge, one, other))


def front(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[int]:
    """Return the indices of the points that no other dominates, in order. Of equal points all are there, or none."""
    turned = oriented(points, directions)
    kept = set(_non_dominated(turned))
    return [i for i, point in enumerate(turned) if point in kept]


def _non_dominated(turned: Sequence[Point]) -> list[Point]:
    """Return the distinct non-dominated points, the greatest in the first metric first."""
    kept: list[Point] = []
    # In descending order a point can be dominated only by one before it; with two metrics, only by the latest that was kept.
    for point in sorted(set(turned), reverse=True):
        if not any(all(map(ge, other, point)) for other in (kept[-1:] if len(point) == 2 else kept)):
            kept.append(point)
    return kept


def hypervolume(points: Sequence[Sequence[float]], directions: Sequence[str], reference: Sequence[float]) -> float:
    """Return the exact volume of what the points dominate and `reference` bounds, in the product of the metrics' units.

    A point that is not better than the reference in every metric adds nothing. Two metrics are a sweep; more are sliced one after
    another by exclusive volumes (While, Bradstreet, Barone, "A fast way of calculating exact hypervolumes", IEEE TEC 2012: WFG).
    """
    *turned, worst = oriented([*points, reference], directions)
    boxes = [tuple(value - least for value, least in zip(point, worst, strict=True)) for point in turned]
    return _volume(_non_dominated([box for box in boxes if all(side > 0 for side in box)]))


def _volume(boxes: Sequence[Point]) -> float:
    """Return the volume of the union of boxes that have a corner at 0, of which none contains another, widest first."""
    if not boxes:
        return 0.0
    if len(boxes) == 1:
        return math.prod(boxes[0])
    if len(boxes[0]) == 2:
        heights = [0.0, *(height for _, height in boxes)]
        return sum(width * (height - below) for (width, height), below in zip(boxes, heights, strict=False))
    return _sliced(sorted(boxes, key=lambda box: box[-1]))


def _sliced(boxes: Sequence[Point]) -> float:
    """Add up what each box has alone beside the boxes after it: those are at least as high, so its height is common to all."""
    volume = 0.0
    for i, (*base, height) in enumerate(boxes):
        shared = [tuple(map(min, base, other)) for other in boxes[i + 1 :]]  # cut to the base: one metric less
        volume += height * (math.prod(base) - _volume(_non_dominated(shared)))
    return volume


def knee(points: Sequence[Sequence[float]], directions: Sequence[str]) -> int:
    """Return the index of the front's point with the greatest sum of normalised metrics, the first of equals: see `KNEE`.

    On a front that bends inwards it is one of the ends.
    """
    sums = [sum(point) for point in normalised(points, directions)]
    return sums.index(max(sums))


def nearest_ideal(points: Sequence[Sequence[float]], directions: Sequence[str]) -> int:
    """Return the index of the front's point nearest to the best value of every metric, the first of equals: see `NEAREST_IDEAL`."""
    distances = [math.dist(point, [1.0] * len(point)) for point in normalised(points, directions)]
    return distances.index(min(distances))


def normalised(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[Point]:
    """Return the points on [0, 1] over their own range in each metric, 1 best; a metric that is the same in all of them is 1."""
    columns = list(zip(*oriented(points, directions), strict=True))
    return list(zip(*map(_unit, columns), strict=True))


def _unit(column: Sequence[float]) -> list[float]:
    low, high = min(column), max(column)
    if low == high:
        return [1.0] * len(column)
    width = high / 2 - low / 2  # halved, since the range of two finite numbers need not be finite
    return [(value / 2 - low / 2) / width if width else 1.0 for value in column]


def worst(points: Sequence[Sequence[float]], directions: Sequence[str]) -> Point:
    """Return the worst value of each metric: the reference point unless another is given. `points` must not be empty."""
    return tuple(
        min(column) if direction == "maximize" else max(column)
        for column, direction in zip(zip(*points, strict=True), directions, strict=True)
    )
