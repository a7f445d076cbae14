"""Points on a simplex: shares that sum to one total. Pure arithmetic, for the space and the grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def onto_simplex(drawn: Mapping[str, float], total: float) -> dict[str, float]:
    """Return the drawn values (none negative) divided by their sum, times `total`.

    Where all are 0, no direction was drawn: then every one gets an equal share.
    """
    greatest = max(drawn.values())
    if greatest == 0:
        return dict.fromkeys(drawn, total / len(drawn))
    shares = {path: value / greatest for path, value in drawn.items()}  # the sum of tiny values would lose digits
    whole = math.fsum(shares.values())
    return {path: total * (share / whole) for path, share in shares.items()}


def lattice_size(steps: int, least: Sequence[int]) -> int:
    """Return in how many ways `steps` whole steps are shared out, each place getting at least its `least`.

    Stars and bars: C(free + n - 1, n - 1) for n places and `free` steps that are left once every place has its least.
    """
    free = steps - sum(least)
    return math.comb(free + len(least) - 1, len(least) - 1) if free >= 0 else 0


def lattice_point(steps: int, least: Sequence[int], index: int) -> list[int]:
    """Return the steps of each place at point `index` of the lattice, from 0, in lexicographic order: last places change fastest.

    Raises IndexError beyond `lattice_size`.
    """
    if not 0 <= index < lattice_size(steps, least):
        raise IndexError(f"a lattice of {lattice_size(steps, least)} points has no point {index}")
    point: list[int] = []
    for place, fewest in enumerate(least[:-1]):
        count, left = fewest, steps - sum(point)
        while index >= (below := lattice_size(left - count, least[place + 1 :])):
            index -= below
            count += 1
        point.append(count)
    return [*point, steps - sum(point)]
