"""Which range of each searched parameter is as good as the best within noise, and the sentences that say so. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from search.analysis.noise import LEVEL, Threshold
from search.definition.axes import Axis, axes, located
from search.definition.schema import StudyDefinition
from search.objective.order import winners
from search.objective.scoring import is_pareto, optimized
from storage.records import Role, TrialRecord, TrialState, Values

KIND = "sensitivity"
"""What the importances are kept as."""

MOST = 1000
"""How many of the latest trials are looked at; ranges are told from as many of the best too."""

OBJECTIVE = "objective"
CHANCE = 0.05
ALONE = 2 / 3
"""What share of the trials near the winner is taken to be good before any is seen, where there is one parameter (after Laplace)."""
SURE = 0.9
"""At most so many of the trials inside count as good: one may always have been unlucky, so one worse trial never ends a range."""

IMPORTANCE = (
    "importance: how far the better half of the complete search trials lies from all of them along each parameter (PED-ANOVA), as "
    "shares that sum to 1; null where no parameter's effect can be told from chance (Kruskal-Wallis, 5 %)"
)
AS_GOOD = (
    "as good as the best: the value of the trial's one training in the search is not below noise.least, which a setting as good as "
    "the winner falls below in 5 % of trainings"
)
AS_GOOD_UNCONFIRMED = (
    "as good as the best: the value of the trial's one training in the search is not below noise.least; it falls short of the best "
    "by no more than chance explains at 5 % for all of them together"
)
RANGE = (
    "range: from the winner's value outwards through the search trials in the order of the parameter, to the last one as good as "
    "the best before a run of worse ones (diverged, pruned and infeasible ones too) that is too long to be chance (5 %, at the "
    "share of good ones inside); of a choice, every value that has a trial as good as the best"
)
ONLY = "with one parameter, all importance is its own, by definition"
OTHERS = "with several parameters, a trial stands for its value of each, whatever the others are there: change one, tune the others"


@dataclass(frozen=True, slots=True)
class Range:
    """The values of a parameter between `low` and `high`, both tried, that are as good as the winner's, which is `best`.

    `to_lowest` and `to_highest`: nothing worse was tried beyond. `values` are those of a choice; a schedule's shapes go by
    their names, have no order and no ends. `searched` are the ends of what could be drawn.
    """

    low: float | None
    high: float | None
    best: float | str
    to_lowest: bool
    to_highest: bool
    searched: tuple[float, float] | None
    sentence: str
    values: tuple[float | str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Tried:
    """What was tried at one value of a parameter: how many trials, and how many of them are as good as the best."""

    value: float
    trials: int
    good: int


def competing(searched: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the search trials that tell something: trained, diverged and pruned ones."""
    telling = (TrialState.DIVERGED, TrialState.PRUNED)
    return [trial for trial in searched if trial.role is Role.SEARCH and (trial.trained or trial.state in telling)]


def winner_of(searched: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the search trial that ranges are told around, the best; None where none is feasible and has a finite value."""
    return next(iter(winners(trial for trial in searched if trial.role is Role.SEARCH)), None)


def ranges(definition: StudyDefinition, searched: Sequence[TrialRecord], winner: TrialRecord, bar: Threshold) -> dict[str, Range]:
    """Return the range of each parameter that is as good as the winner's value of it, by parameter path.

    The winner itself counts as good, even one whose search value lies below the bar.
    """
    told = [winner, *(trial for trial in competing(searched) if trial.number != winner.number)]
    places = located(definition, told)
    reached = {trial.number for trial in winners(told) if trial.value is not None and trial.value >= bar.least}
    good = [trial is winner or trial.number in reached for trial in told]
    along = axes(definition)
    return {path: _range(axis, path, places, good, len(along) > 1) for path, axis in along.items() if path in places[0]}


def _range(axis: Axis, path: str, places: Sequence[Values], good: Sequence[bool], others: bool) -> Range:
    tried = _tried([(place[path], fine) for place, fine in zip(places, good, strict=True) if path in place])
    best = places[0][path]
    if axis.choices:
        return _choice(axis, tried, best, others)
    start = next(i for i, each in enumerate(tried) if each.value == best)
    # What is good of one parameter is good whatever happens; of several, only together with the others.
    prior = (sum(good) - 1) / max(len(good) - 1, 1) if others else ALONE
    low, high = _reach(tried[start::-1], prior), _reach(tried[start:], prior)
    to_lowest, to_highest = low == tried[0].value, high == tried[-1].value
    sentence = (
        _sentence(path, best, (low, to_lowest), (high, to_highest), others)
        if len(tried) > 1
        else f"no other value of {path} was tried than {best:.3g}"
    )
    return Range(low, high, best, to_lowest, to_highest, (axis.low, axis.high), sentence)


def _tried(pairs: Sequence[tuple[float, bool]]) -> list[_Tried]:
    """Return what was tried of a parameter, by ascending value; trials at one value are one place, the best of them its profile."""
    groups = [(value, [fine for _, fine in group]) for value, group in groupby(sorted(pairs), key=lambda pair: pair[0])]
    return [_Tried(value, len(fine), sum(fine)) for value, fine in groups]


def _reach(outwards: Sequence[_Tried], prior: float) -> float:
    """Return how far the good values reach from the first, the winner's: up to a run of worse trials too long to be chance.

    Where a share g of the trials is good, a run of r worse ones has the chance (1 - g)^r. g is the share so far beyond the winner,
    with two trials more at the `prior` share.
    """
    end, good, trials, run = outwards[0].value, 0, 0, 0
    for each in outwards[1:]:
        if not each.good:
            run += each.trials
            continue
        share = min((good + 2 * prior) / (trials + 2), SURE)
        if (1 - share) ** run < CHANCE:
            return end
        end, good, trials, run = each.value, good + each.good, trials + run + each.trials, 0
    return end


def _choice(axis: Axis, tried: Sequence[_Tried], best: float, others: bool) -> Range:
    """Return the values of a choice that have a good trial: each stands for itself. Shapes of a schedule have no order besides."""
    fine = [each.value for each in tried if each.good]
    if axis.names:
        names = tuple(axis.names[int(value)] for value in fine)
        return Range(None, None, axis.names[int(best)], False, False, None, _chosen(axis.path, names, others), names)
    low, high = fine[0], fine[-1]
    ends = (low == tried[0].value, high == tried[-1].value)
    sentence = _chosen(axis.path, [f"{value:.3g}" for value in fine], others)
    return Range(low, high, best, *ends, (axis.low, axis.high), sentence, tuple(fine))


def _chosen(path: str, values: Sequence[str], others: bool) -> str:
    if len(values) == 1:
        return f"no other value of {path} that was tried is as good as {values[0]} within noise"
    return f"of {path}, {', '.join(values[:-1])} and {values[-1]} are as good as the best within noise{_suit(others)}"


def _sentence(path: str, best: float, low: tuple[float, bool], high: tuple[float, bool], others: bool) -> str:
    if low[0] == high[0]:
        return f"no value of {path} that was tried near {best:.3g} is as good as that within noise"
    if low[1] and high[1]:
        tried = f"{low[0]:.3g} to {high[0]:.3g}"
        return f"any {path} that was tried, {tried}, is as good as the best within noise{_suit(others)}"
    ends = "; ".join(_open_ends(low, high))
    beyond = f" ({ends})" if ends else ""
    return f"any {path} in [{low[0]:.3g}, {high[0]:.3g}] is as good as the best within noise{beyond}{_suit(others)}"


def _open_ends(low: tuple[float, bool], high: tuple[float, bool]) -> Iterator[str]:
    if low[1]:
        yield "down to the lowest value tried"
    if high[1]:
        yield "up to the highest value tried"


def _suit(others: bool) -> str:
    return ", the other parameters tuned to it" if others else ""


def importance_told(definition: StudyDefinition, analysis: Mapping[str, Any]) -> dict[str, Any]:
    """Return the importances by parameter from what a worker kept (`importance.Importances`); None for what is not told."""
    shares, untold = analysis["shares"], dict(analysis["untold"])
    metrics = [entry.metric for entry in optimized(definition.objective)]
    if is_pareto(definition.objective):
        untold[OBJECTIVE] = "the objective is a front: it has no value"
    told = {
        path: {
            OBJECTIVE: shares.get(OBJECTIVE, {}).get(path),
            "metrics": {metric: shares.get(metric, {}).get(path) for metric in metrics},
        }
        for path in axes(definition)
    }
    return {"trials": analysis["trials"], "importance": told, "untold": untold}


def ranges_told(found: Mapping[str, Range]) -> dict[str, Any]:
    """Return the ranges as JSON has them; `values` only of a choice."""
    return {
        path: {key: value for key, value in asdict(each).items() if (key, value) != ("values", None)}
        for path, each in found.items()
    }


def noise_told(bar: Threshold | None, why: str | None) -> dict[str, Any]:
    """Return the noise and the bar as JSON has them, or `why` there is none."""
    if bar is None:
        return {"std": None, "of": None, "level": LEVEL, "best": None, "margin": None, "least": None, "why": why}
    noise = {"std": bar.noise.std, "of": bar.noise.of, "level": LEVEL}
    return {**noise, "best": bar.best, "margin": bar.margin, "least": bar.least, "why": None}


def rules(definition: StudyDefinition, *, confirmed: bool) -> list[str]:
    """Return how importances and ranges are defined, one sentence each."""
    return [
        IMPORTANCE,
        AS_GOOD if confirmed else AS_GOOD_UNCONFIRMED,
        RANGE,
        OTHERS if len(axes(definition)) > 1 else ONLY,
    ]
