"""Intervals at the level of confidence that the verdict has: of means, and of what the winner leads by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

from search.planning.looks import LEVEL as LEVEL  # one level of confidence throughout
from search.planning.looks import Judgement


def mean_half_width(values: Sequence[float], comparisons: int = 1) -> float:
    """Return half the width of the t interval of the values' mean at `LEVEL`, Bonferroni-corrected for so many comparisons.

    NaN for fewer than two values.
    """
    from scipy.special import stdtrit  # takes a moment to import, which only a confirmed study need wait for

    count = len(values)
    if count < 2:
        return math.nan
    return float(stdtrit(count - 1, 1 - (1 - LEVEL) / 2 / comparisons)) * stdev(values) / math.sqrt(count)


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of the winner's paired differences to a baseline (above 0: the winner is better), and its interval.

    It is that of the last look at the baseline: wrong in at most 5 % of studies, whatever made the looks stop. `call` is what is
    said by it. `unit` is what the numbers are of, as it follows one in a sentence.
    """

    against: str
    in_words: str
    difference: float
    low: float
    high: float
    n: int
    call: Judgement
    unit: str = ""

    @property
    def above_zero(self) -> bool:
        return self.low > 0

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def difference(interval: Interval) -> str:
    return f"{interval.difference:+.3g}{interval.unit}, {ends(interval)}"


def ends(interval: Interval) -> str:
    return f"{LEVEL * 100:.0f} % interval {interval.low:+.3g} to {interval.high:+.3g}"
