"""How far a single training's value lies from seed to seed, and so which search values are as good as the best. Pure functions.

A search score is one training under one seed, and the best of many is partly the luckiest, so what the winner is worth is its mean
over fresh seeds where it was confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.definition.schema import Objective
from search.objective.scoring import evaluate, optimized
from search.planning.candidates import Candidate
from storage.records import AnchorRecord, TrialRecord, Values

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of the objective's value over seeds, with its degrees of freedom, and what it was measured on."""

    std: float
    freedom: float
    of: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least search value that is as good as the `best`, which is what the winner is worth; `margin` is what lies between."""

    best: float
    least: float
    margin: float
    noise: Noise
    confirmed: bool


def bar_of(
    objective: Objective, winner: TrialRecord, candidates: Sequence[Candidate], anchors: Sequence[AnchorRecord], rivals: int
) -> Threshold | None:
    """Return the bar of a study's winner, by the best that is known of the noise; None where nothing is.

    `candidates` are what was confirmed, `anchors` what the search was judged by, `rivals` the other search trials with a value.
    What is relative in the objective has been resolved as it was for the search, so that confirmed values and its values compare.
    """
    value = math.nan if winner.value is None else winner.value
    values = {each.told_as: list(each.values(objective, "validation").values()) for each in candidates if each.is_baseline}
    own = next((each for each in candidates if each.trial.number == winner.number and not each.is_baseline), None)
    if own is not None and (bar := confirmed_bar(own.name, value, list(own.values(objective, "validation").values()))):
        return bar
    noise = pooled(values) or propagated(objective, winner.values, anchors)
    return None if noise is None else searched_bar(value, rivals, noise)


def confirmed_bar(name: str, search_value: float, confirmed: Sequence[float]) -> Threshold | None:
    """Return the bar of a winner that was trained again on fresh seeds, or None where fewer than two have a finite value.

    A setting as good as the winner reaches m - t s sqrt(1 + 1 / n) with the probability `LEVEL` in one training: the one-sided
    prediction interval of one more value after n with mean m and standard deviation s, t with n - 1 degrees of freedom. Where the
    winner did worse than m in the search, where all trials shared one seed, that is taken in place of m.
    """
    finite = [value for value in confirmed if math.isfinite(value)]
    if len(finite) < 2:
        return None
    noise = Noise(stdev(finite), len(finite) - 1, f"{name} on {len(finite)} fresh seeds")
    margin = _quantile(1 - LEVEL, noise.freedom) * noise.std * math.sqrt(1 + 1 / len(finite))
    best = min(search_value, fmean(finite))
    return Threshold(best, best - margin, margin, noise, confirmed=True)


def searched_bar(search_value: float, rivals: int, noise: Noise) -> Threshold:
    """Return the bar of a winner that is known by its search value alone, the best of itself and `rivals`.

    Multiple comparisons with the best: Hsu, "Constrained Simultaneous Confidence Intervals for Multiple Comparisons with the Best"
    (Annals of Statistics 1984), Dunnett's quantile bounded by Bonferroni's: t(1 - (1 - level) / rivals) s sqrt(2).
    """
    margin = _quantile((1 - LEVEL) / max(rivals, 1), noise.freedom) * noise.std * math.sqrt(2)
    return Threshold(search_value, search_value - margin, margin, noise, confirmed=False)


def pooled(groups: Mapping[str, Sequence[float]]) -> Noise | None:
    """Return the noise of several settings together, each over its own seeds; None where no one has two finite values."""
    known = {name: [value for value in values if math.isfinite(value)] for name, values in groups.items()}
    several = {name: values for name, values in known.items() if len(values) > 1}
    freedom = sum(len(values) - 1 for values in several.values())
    if not freedom:
        return None
    variance = sum((len(values) - 1) * stdev(values) ** 2 for values in several.values()) / freedom
    return Noise(math.sqrt(variance), freedom, f"{' and '.join(several)} on fresh seeds")


def propagated(objective: Objective, values: Values, anchors: Iterable[AnchorRecord]) -> Noise | None:
    """Return the noise of the objective's value that follows from its metrics' spreads at anchors; None where one has no spread.

    First order, metrics taken as independent: each metric moves by its standard deviation both ways from `values`, half the change
    is its part, and parts add up squared. Degrees of freedom after Welch and Satterthwaite.
    """
    parts = []
    known = {anchor.path: anchor for anchor in anchors if anchor.std is not None}
    for path in [entry.metric for entry in optimized(objective)]:
        anchor = known.get(path)
        if anchor is None or anchor.std is None:
            return None
        up, down = (evaluate(objective, {**values, path: values[path] + way * anchor.std}).value for way in (1, -1))
        parts.append((((up - down) / 2) ** 2, len(anchor.seeds) - 1))
    variance = sum(part for part, _ in parts)
    if not math.isfinite(variance):
        return None
    spread = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / spread if spread else min(freedom for _, freedom in parts)
    return Noise(math.sqrt(variance), freedom, " and ".join(dict.fromkeys(f"{each.of} trainings" for each in known.values())))


def _quantile(beyond: float, freedom: float) -> float:
    """Return the quantile of Student's t that is exceeded with the probability `beyond`."""
    from scipy.special import stdtrit  # takes a moment to import, which only a study with noise need wait for

    return float(stdtrit(freedom, 1 - beyond))
