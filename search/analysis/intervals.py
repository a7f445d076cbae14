"""Intervals of means at the level of confidence that the verdict has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

from search.planning.looks import LEVEL as LEVEL  # one level of confidence throughout


def mean_half_width(values: Sequence[float], comparisons: int = 1) -> float:
    """Return half the width of the t interval of the values' mean at `LEVEL`, Bonferroni-corrected for so many comparisons.

    NaN for fewer than two values.
    """
    from scipy.special import stdtrit  # takes a moment to import, which only a confirmed study need wait for

    count = len(values)
    if count < 2:
        return math.nan
    return float(stdtrit(count - 1, 1 - (1 - LEVEL) / 2 / comparisons)) * stdev(values) / math.sqrt(count)
