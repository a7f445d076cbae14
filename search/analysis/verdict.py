"""What a confirmation says: the winner, how much it gains and how sure that is, in one sentence. Pure functions.

Finalists and baselines were trained on the same fresh seeds, so they are compared in pairs. The winner is the finalist with the
best mean on validation, those first whose constraints hold there; what it is worth is told on the test split where there is one,
which nothing was chosen by. A gain is claimed only where the paired t interval (99 %, Bonferroni over the confirmed finalists) lies
above 0, against equal weights first, then against the best baseline: simulated, the best of three on five seeds is falsely "better"
in 17 % by bootstrap and 5.5 % by t at 95 %; this way with eight seeds in 0.4 %.

What the objective is relative to (references, equal weights, the user's own) was confirmed on the same seeds and is measured anew
on each split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.catalog import find_baseline
from search.definition.rules import CURRENT, EQUAL
from search.definition.schema import Objective, ObjectiveMetric
from search.objective.anchors import Measurement, anchors, resolved
from search.objective.scoring import evaluate
from storage.records import AnchorRecord, Measured, Role, TrialRecord, Values

LEVEL = 0.99

FIXED_START = "every training started from the same weights, so this covers the order of rows alone"


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (of the sample) over `n` seeds."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finalist, baseline or reference, and what its trainings on fresh seeds measured, by seed."""

    trial: TrialRecord
    measured: Mapping[int, Measured]

    @property
    def name(self) -> str:
        return self.trial.rule or f"trial {self.trial.number}"

    @property
    def told_as(self) -> str:
        """Return the candidate as a sentence names it."""
        if not self.is_baseline:
            return self.name
        if self.trial.rule in (EQUAL, CURRENT) and set(self.trial.weights.values()) == {1.0}:
            return EQUALLY
        return told_rule(self.name)

    @property
    def is_baseline(self) -> bool:
        return self.trial.role is Role.BASELINE

    @property
    def is_reference(self) -> bool:
        return self.trial.role is Role.REFERENCE

    def values(self, objective: Objective, split: str) -> dict[int, float]:
        """Return the objective's value on a split, by seed."""
        return {seed: evaluate(objective, getattr(measured, split)).value for seed, measured in self.measured.items()}

    def means(self, split: str) -> dict[str, float]:
        """Return the mean over seeds of every number on a split, by path."""
        told: list[Values] = [getattr(measured, split) for measured in self.measured.values()]
        return {path: fmean(values[path] for values in told) for path in (told[0] if told else {}) if all(path in v for v in told)}


def told_rule(rule: str) -> str:
    """Return a baseline's rule in words."""
    baseline = find_baseline(rule)
    return rule if baseline is None else baseline.titled(rule.partition(":")[2])


EQUALLY = told_rule(EQUAL)


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of the winner's paired differences to another candidate (above 0: the winner is better), and its interval."""

    against: str
    told_as: str
    difference: float
    low: float
    high: float
    n: int

    @property
    def above_zero(self) -> bool:
        return self.low > 0


@dataclass(frozen=True, slots=True)
class ConstraintRate:
    """In how many of `n` trainings on fresh seeds the winner kept a constraint; the bound is that of the split told of."""

    metric: str
    at_least: float | None
    at_most: float | None
    held: int
    n: int

    def __str__(self) -> str:
        bounds = [f"at least {self.at_least:.4g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:.4g}"] if self.at_most is not None else []
        return f"{self.metric} {' and '.join(bounds)} holds in {self.held} of {self.n}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the confirmation says. `split` is what the numbers are of; `optimism` the search score minus the confirmed one."""

    winner: Candidate
    split: str
    values: Mapping[str, Spread]
    metrics: Mapping[str, Mapping[str, Spread]]
    intervals: tuple[Interval, ...]
    constraints: tuple[ConstraintRate, ...]
    anchors: tuple[AnchorRecord, ...]
    optimism: float
    sentence: str


def judge(
    objective: Objective, candidates: Sequence[Candidate], known: Sequence[AnchorRecord] = (), *, fixed_start: bool = False
) -> Verdict | None:
    """Return the verdict over candidates that were trained on the same seeds, or None where there is no finalist to judge.

    `known` are the anchors of the search, for what was not confirmed. `fixed_start`: every training started from the same weights.
    """
    competing = [candidate for candidate in candidates if not candidate.is_reference]
    finalists = [candidate for candidate in competing if not candidate.is_baseline and len(candidate.measured) >= 2]
    if not finalists:
        return None
    split = "test" if all(each.test for candidate in finalists for each in candidate.measured.values()) else "validation"
    winner = _winner(resolved(objective, _anchors(objective, candidates, "validation", known)), finalists)
    found = _anchors(objective, candidates, split, known)
    judged = resolved(objective, found)
    intervals = tuple(
        interval
        for baseline in competing
        if baseline.is_baseline and (interval := paired(winner, baseline, judged, split, len(finalists))) is not None
    )
    values = {candidate.name: spread(list(candidate.values(judged, split).values())) for candidate in competing}
    held = _held(judged, winner, split)
    return Verdict(
        winner=winner,
        split=split,
        values=values,
        metrics={candidate.name: _metrics(candidate, split) for candidate in candidates},
        intervals=intervals,
        constraints=held,
        anchors=found,
        optimism=(math.nan if winner.trial.value is None else winner.trial.value) - values[winner.name].mean,
        sentence=_sentence(winner, intervals, values, split, held, fixed_start),
    )


def _anchors(
    objective: Objective, candidates: Sequence[Candidate], split: str, known: Sequence[AnchorRecord]
) -> tuple[AnchorRecord, ...]:
    """Return what the objective is relative to, measured on a split of the confirmation; else as the search knew it."""
    measured = [
        Measurement(candidate.trial.role, candidate.trial.rule, seed, getattr(each, split))
        for candidate in candidates
        for seed, each in candidate.measured.items()
    ]
    found = {(anchor.of, anchor.path): anchor for anchor in (*known, *anchors(objective, measured))}
    return tuple(found.values())


def _winner(objective: Objective, finalists: Sequence[Candidate]) -> Candidate:
    """Return the finalist with the best mean on validation; those whose means keep the constraints go first."""

    def rank(candidate: Candidate) -> tuple[bool, float, int]:
        feasible = evaluate(objective, candidate.means("validation")).feasible
        return feasible, _mean(candidate.values(objective, "validation")), -candidate.trial.number

    return max(finalists, key=rank)


def _held(objective: Objective, winner: Candidate, split: str) -> tuple[ConstraintRate, ...]:
    violations = [evaluate(objective, getattr(measured, split)).violations for measured in winner.measured.values()]
    return tuple(
        ConstraintRate(entry.metric, *_bounds(entry), sum(each[entry.metric] == 0 for each in violations), len(violations))
        for entry in objective.metrics
        if entry.strategy == "constraint"
    )


def _bounds(entry: ObjectiveMetric) -> tuple[float | None, float | None]:
    at_least, at_most = (bound if isinstance(bound, float) else None for bound in (entry.at_least, entry.at_most))
    return at_least, at_most


def paired(winner: Candidate, other: Candidate, objective: Objective, split: str, comparisons: int) -> Interval | None:
    """Return the paired t interval of winner minus other, over the seeds that both have; None for fewer than two."""
    mine, theirs = winner.values(objective, split), other.values(objective, split)
    differences = [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]
    if len(differences) < 2 or not all(map(math.isfinite, differences)):
        return None
    mean, half = fmean(differences), half_width(differences, comparisons)
    return Interval(other.name, other.told_as, mean, mean - half, mean + half, len(differences))


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


def _sentence(
    winner: Candidate,
    intervals: Sequence[Interval],
    values: Mapping[str, Spread],
    split: str,
    held: Sequence[ConstraintRate],
    fixed_start: bool,
) -> str:
    constraints = "".join(f"; {each}" for each in held)
    start = f"; {FIXED_START}" if fixed_start else ""
    return f"{winner.name} {_compared(winner, intervals, values, split)}{constraints}{start}."


def _compared(winner: Candidate, intervals: Sequence[Interval], values: Mapping[str, Spread], split: str) -> str:
    """Say whether the winner beats equal weights, then whether it beats the best of the baselines."""
    if not intervals:
        worth = f"is worth {values[winner.name].mean:.4g} on fresh seeds ({split} split)"
        return f"{worth}; there is no baseline to hold it against"
    best = max(intervals, key=lambda interval: values[interval.against].mean)
    equal = next((interval for interval in intervals if interval.told_as == EQUALLY), None)
    if equal is not None and not equal.above_zero:
        return f"is no better than equal weights within noise ({_told(equal, split)})"
    if best.above_zero:
        return f"is better than the best baseline, {best.told_as} ({_told(best, split)})"
    beaten = "" if equal is None or equal is best else f"is better than equal weights ({_told(equal, split)}), but "
    return f"{beaten}is no better than {best.told_as} within noise ({_told(best, split)})"


def _told(interval: Interval, split: str) -> str:
    ends = f"{LEVEL:.0%} interval {interval.low:+.4g} to {interval.high:+.4g}".replace("%", " %")
    return f"{interval.difference:+.4g}, {ends}, {interval.n} fresh seeds, {split} split"
