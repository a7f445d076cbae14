"""Compare two settings after more and more seeds without ever being more than 5 % wrong. Pure functions of numbers.

Every look at growing data is another chance to be wrong. So look k may add only the error S(t_k) - S(t_(k-1)), where t is the share
of the planned seeds that have been trained, and S(t) = 2 - 2 Phi(z / sqrt(t)), z the normal quantile of 1 - 0.025 / 2: Lan and
DeMets, "Discrete sequential boundaries for clinical trials" (Biometrika 1983), of O'Brien and Fleming's kind. The errors are
added up as a union bound, so the intervals of all looks together cover the truth in at least 95 % of studies, whatever made the
study stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, stdev

LEVEL = 0.95
"""The one level of confidence of all that a study says."""

ERROR = (1 - LEVEL) / 2
"""How often either end of an interval may be wrong, over all looks together."""

FUTILE = 0.05
"""Below this chance of any call, under the present trend, a comparison trains no further."""

LOOKS = 3
STILL = 1e-3
"""Two differences that lie closer than this share of one training's luck are the same step of a metric."""

FEWEST = 4
"""A look at fewer seeds says next to nothing."""


class Judgement(StrEnum):
    """What is said of the winner beside a baseline."""

    BETTER = "better"  # its interval lies above zero
    WORSE = "worse"  # its interval lies below zero
    AS_GOOD = "as_good"  # its interval lies within one training's luck of zero
    NOT_ENOUGH = "not_enough"  # none of these: there are not enough trainings to tell


@dataclass(frozen=True, slots=True)
class Look:
    """The winner beside one rival after `after` seeds of the meeting, a share of all that are planned.

    `difference` is the mean of the winner's value minus the rival's over the `n` seeds that both finished, with its standard
    deviation `std` by seed; `low` and `high` its interval, wrong on either side with the probability `error`. `margin` is one
    training's luck. Numbers are None where fewer than two pairs are finite.
    """

    against: str
    after: int
    share: float
    error: float
    n: int
    difference: float | None
    std: float | None
    low: float | None
    high: float | None
    margin: float | None
    call: Judgement


def schedule(seeds: int) -> tuple[int, ...]:
    """Return after how many of `seeds` seeds the winner is compared: after thirds of them; once where they are few."""
    if seeds < FEWEST + 2:
        return (seeds,) if seeds else ()
    return tuple(sorted({max(FEWEST, math.ceil(seeds * look / LOOKS)) for look in range(1, LOOKS + 1)}))


def spent(share: float) -> float:
    """Return how much of `ERROR` may have been spent once this share of the seeds has been trained."""
    from scipy.special import ndtr, ndtri  # takes a moment to import, which only a study at its end need wait for

    return float(2 * ndtr(-ndtri(1 - ERROR / 2) / math.sqrt(share))) if share > 0 else 0.0


def error_of(before: float, share: float) -> float:
    """Return the error that a look at `share` of the seeds may add after one at the share `before`."""
    return spent(share) - spent(before)


def compare(against: str, differences: Sequence[float], margin: float | None, after: int, before: int, seeds: int) -> Look:
    """Return the look after `after` of `seeds` seeds, the last one having been after `before`, from paired differences.

    A pair that is not finite leaves the look without numbers: a setting that breaks down on a seed is not compared by the others.
    Where the seeds changed nothing (`margin` is 0), settings that differ are not judged: what chance does was not seen. Two pairs
    of a metric that moves in steps often differ by the same: their spread is then taken to be one training's luck.
    """
    share, error, n = after / seeds, error_of(before / seeds, after / seeds), len(differences)
    if n < 2 or not all(map(math.isfinite, differences)):
        return Look(against, after, share, error, n, None, None, None, None, margin, Judgement.NOT_ENOUGH)
    mean, std = fmean(differences), stdev(differences)
    half = half_width(_spread(mean, std, n, margin), n, error)
    return Look(against, after, share, error, n, mean, std, mean - half, mean + half, margin, called(mean, half, margin))


def _spread(mean: float, std: float, n: int, margin: float | None) -> float:
    """Return what the interval of differences is made of: two that are the same, and not nearly nothing, show no spread."""
    if margin is None or n > 2 or abs(mean) <= STILL * margin or std > STILL * margin:
        return std
    return margin


def called(mean: float, half: float, margin: float | None) -> Judgement:
    """Return what an interval says, given what one training's luck is."""
    if margin == 0 and mean != 0:
        return Judgement.NOT_ENOUGH
    if mean - half > 0:
        return Judgement.BETTER
    if mean + half < 0:
        return Judgement.WORSE
    if margin is not None and abs(mean) + half <= margin:
        return Judgement.AS_GOOD
    return Judgement.NOT_ENOUGH


def half_width(std: float, n: int, error: float) -> float:
    """Return half the width of Student's t interval of a mean of `n`, wrong on either side with the probability `error`."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - error)) * std / math.sqrt(n)


def chance(look: Look, seeds: int) -> float:
    """Return the chance that the last look, after all `seeds`, makes a call, if what is still to come goes on as it did so far.

    The final mean is then normal about the present one with the standard deviation std sqrt(seeds - n) / seeds; the interval is
    taken to stay as wide as the present spread makes it.
    """
    from scipy.special import ndtr

    if look.difference is None or look.std is None:
        return 1.0
    if look.margin == 0 and look.difference != 0:
        return 0.0  # further seeds would give the same again
    planned = schedule(seeds)
    before = planned[-2] if len(planned) > 1 else 0
    half, mean = half_width(look.std, seeds, error_of(before / seeds, 1.0)), look.difference
    move = look.std * math.sqrt(max(seeds - look.after, 0)) / seeds
    if move == 0:
        return float(called(mean, half, look.margin) is not Judgement.NOT_ENOUGH)
    within = max((look.margin or 0.0) - half, 0.0)
    better, worse = ndtr((mean - half) / move), ndtr((-mean - half) / move)
    as_good = ndtr((within - mean) / move) - ndtr((-within - mean) / move)
    return float(better + worse + as_good)


LAST_BITS = 3e-7
"""Share of a value by which float32 trainings of the same setting and seed may differ."""


def luck(values: Mapping[str, Sequence[float]]) -> float | None:
    """Return the standard deviation of one training over seeds, pooled over settings; None where no one has two finite values.

    It is 0 where seeds change last bits alone: those depend on which settings train together.
    """
    known = [[value for value in group if math.isfinite(value)] for group in values.values()]
    several = [group for group in known if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return None
    found = math.sqrt(sum((len(group) - 1) * stdev(group) ** 2 for group in several) / freedom)
    return found if found > LAST_BITS * max(abs(value) for group in several for value in group) else 0.0
