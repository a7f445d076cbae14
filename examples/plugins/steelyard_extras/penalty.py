"""Huber's distance between two predictions: squared where it is small, so that a few outliers do not decide."""

from __future__ import annotations

from typing import Any

from keras import ops

from search.catalog import PenaltyEntry, number

HUBER = PenaltyEntry(
    name="huber",
    summary="Two predictions of the same thing should be equal; few large differences count less than when squared.",
    parameters=(
        number("delta", 0.5, "Difference from which it grows linearly.", above=0),
        number("tolerance", 0.1, "A row whose own value is above this counts as a violation.", least=0),
    ),
    formula="mean over features of d^2 / 2 where d = |a - b| <= delta, else delta (d - delta / 2)",
    implementation="steelyard_extras.penalty:huber",
)


def huber(a: Any, b: Any, delta: float) -> Any:
    """Return the distance of each row: [batch, ..., features] -> [batch, ...]."""
    gap = ops.abs(a - b)
    return ops.mean(ops.where(gap <= delta, gap**2 / 2, delta * (gap - delta / 2)), axis=-1)
