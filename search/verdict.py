"""What a confirmation says: the winner, how much it gains and how sure that is, in one sentence. Pure functions.

Finalists and baselines were trained on the same fresh seeds, so they are compared in pairs. The winner is the finalist with the
best mean on validation; what it is worth is told on the test split where there is one, which nothing was chosen by. A gain is
claimed only where the paired t interval (99 %, Bonferroni over the confirmed finalists) against the best baseline lies above 0:
simulated, the best of three on five seeds is falsely "better" in 17 % by bootstrap and 5.5 % by t at 95 %; this way with eight
seeds in 0.4 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.definition import Objective
from search.objective import evaluate
from storage.records import Measured, Role, TrialRecord, Values

LEVEL = 0.99


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (of the sample) over `n` seeds."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finalist or baseline, and what its trainings on fresh seeds measured, by seed."""

    trial: TrialRecord
    measured: Mapping[int, Measured]

    @property
    def name(self) -> str:
        return self.trial.rule or f"trial {self.trial.number}"

    @property
    def is_baseline(self) -> bool:
        return self.trial.role is Role.BASELINE

    def values(self, objective: Objective, split: str) -> dict[int, float]:
        """Return the objective's value on a split, by seed."""
        return {seed: evaluate(objective, getattr(measured, split)).value for seed, measured in self.measured.items()}


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of the winner's paired differences to another candidate (above 0: the winner is better), and its interval."""

    against: str
    difference: float
    low: float
    high: float
    n: int

    @property
    def above_zero(self) -> bool:
        return self.low > 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the confirmation says. `split` is what the numbers are of; `optimism` the search score minus the confirmed one."""

    winner: Candidate
    split: str
    values: Mapping[str, Spread]
    metrics: Mapping[str, Mapping[str, Spread]]
    intervals: tuple[Interval, ...]
    optimism: float
    sentence: str


def judge(objective: Objective, candidates: Sequence[Candidate]) -> Verdict | None:
    """Return the verdict over candidates that were trained on the same seeds, or None where there is no finalist to judge."""
    finalists = [candidate for candidate in candidates if not candidate.is_baseline and len(candidate.measured) >= 2]
    if not finalists:
        return None
    split = "test" if all(each.test for candidate in finalists for each in candidate.measured.values()) else "validation"
    winner = max(finalists, key=lambda candidate: (_mean(candidate.values(objective, "validation")), -candidate.trial.number))
    intervals = tuple(
        interval
        for baseline in candidates
        if baseline.is_baseline and (interval := paired(winner, baseline, objective, split, len(finalists))) is not None
    )
    values = {candidate.name: spread(list(candidate.values(objective, split).values())) for candidate in candidates}
    optimism = (winner.trial.value or math.nan) - values[winner.name].mean
    return Verdict(
        winner=winner,
        split=split,
        values=values,
        metrics={candidate.name: _metrics(candidate, split) for candidate in candidates},
        intervals=intervals,
        optimism=optimism,
        sentence=_sentence(winner, intervals, values, split),
    )


def paired(winner: Candidate, other: Candidate, objective: Objective, split: str, comparisons: int) -> Interval | None:
    """Return the paired t interval of winner minus other, over the seeds that both have; None for fewer than two."""
    mine, theirs = winner.values(objective, split), other.values(objective, split)
    differences = [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]
    if len(differences) < 2 or not all(map(math.isfinite, differences)):
        return None
    mean, half = fmean(differences), half_width(differences, comparisons)
    return Interval(other.name, mean, mean - half, mean + half, len(differences))


def half_width(differences: Sequence[float], comparisons: int) -> float:
    """Return half the width of the t interval of a mean at `LEVEL`, Bonferroni-corrected for so many comparisons."""
    from scipy.special import stdtrit  # takes a moment to import, which only a confirmed study need wait for

    count = len(differences)
    quantile = float(stdtrit(count - 1, 1 - (1 - LEVEL) / 2 / comparisons))
    return quantile * stdev(differences) / math.sqrt(count)


def spread(values: Sequence[float]) -> Spread:
    """Return mean, standard deviation and number of values."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Spread(math.nan, math.nan, 0)
    return Spread(fmean(finite), stdev(finite) if len(finite) > 1 else math.nan, len(finite))


def _mean(values: Mapping[int, float]) -> float:
    """Return the mean over seeds; a candidate that failed on one of them comes last."""
    return fmean(values.values()) if all(map(math.isfinite, values.values())) else -math.inf


def _metrics(candidate: Candidate, split: str) -> dict[str, Spread]:
    told: list[Values] = [getattr(measured, split) for measured in candidate.measured.values()]
    return {path: spread([values[path] for values in told if path in values]) for path in (told[0] if told else {})}


def _sentence(winner: Candidate, intervals: Sequence[Interval], values: Mapping[str, Spread], split: str) -> str:
    if not intervals:
        worth = f"{winner.name} is worth {values[winner.name].mean:.4g} on fresh seeds ({split} split)"
        return f"{worth}; there is no baseline to hold it against."
    best = max(intervals, key=lambda interval: values[interval.against].mean)
    told = f"{best.difference:+.4g}, 99 % interval {best.low:+.4g} to {best.high:+.4g}, {best.n} fresh seeds, {split} split"
    against = {"equal": "equal weights", "current": "your weights of today"}.get(best.against, best.against)
    if best.above_zero:
        return f"{winner.name} is better than the best baseline, {against} ({told})."
    return f"{winner.name} is no better than {against} within noise ({told})."
