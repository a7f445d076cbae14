"""Widen a default range once, where the winner lies at its edge: it was chosen here, and not by the user."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from search.definition.weights import MAX_WEIGHT
from steelyard.door.answer import place_in_range, weights_of
from steelyard.door.definition import TIMES

OUTER = 0.1
"""The share of a range, on its log scale, that counts as its edge."""


def widened(
    definition: Mapping[str, Any], best: Mapping[str, Any], default: Sequence[str]
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the definition with wider ranges, and a sentence for each; None where no winner lies at the edge of a default range.

    default: the paths of the terms whose ranges were chosen here. On a simplex ranges bound what is drawn, so they stay.
    """
    if isinstance((definition.get("search") or {}).get("space"), Mapping):
        return None, []
    found, said = copy.deepcopy(dict(definition)), []
    weights = weights_of(found)
    for path in default:
        weight, value = weights.get(path), best["weights"].get(path)
        place = place_in_range(weight, value)
        if not isinstance(weight, dict) or place is None or OUTER <= place <= 1 - OUTER:
            continue
        if place < OUTER:
            weight["low"] = weight["low"] / TIMES
        else:
            weight["high"] = min(weight["high"] * TIMES, MAX_WEIGHT)
        span = f"{weight['low']:g} to {weight['high']:g}"
        said.append(f"the best weight of {path}, {value:.3g}, is at the edge of its range: searched again from {span}")
    return (found, said) if said else (None, [])
