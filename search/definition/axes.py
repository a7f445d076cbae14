"""What was searched, as axes: one a parameter, with where on it each trial lies. Pure functions.

On a simplex only ratios count: the values drawn there say nothing by themselves, so a member's axis has the share that was used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.definition.lattice import onto_simplex
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.definition.weights import SharedWeight, WeightChoice
from storage.records import TrialRecord, Values

LEAST_REST = 1e-15


@dataclass(frozen=True, slots=True)
class Axis:
    """A searched parameter: from `low` to `high`, on a logarithmic scale or not.

    Of a member of a simplex it is the share, and `total` what the members sum to: shares near the total count by what is left.
    `choices` are all values there are where it is not a range, ascending; `names` say what they stand for (shapes of a schedule).
    """

    path: str
    low: float
    high: float
    log: bool = False
    choices: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    total: float | None = None

    def scaled(self, place: float) -> float:
        """Return a place on the scale on which equal steps count equally, within its ends; of choices, the index.

        Of a share on a logarithmic scale it is log(share / rest), so that the two members of a simplex move alike.
        """
        if self.choices:
            return float(self.choices.index(place))
        inside = min(max(place, self.low), self.high)
        if not self.log:
            return inside
        rest = 1.0 if self.total is None else max(self.total - inside, self.total * LEAST_REST)
        return math.log(inside) - math.log(rest)


def axes(definition: StudyDefinition) -> dict[str, Axis]:
    """Return the axes of what a definition searches, by parameter path."""
    space = SearchSpace(definition)
    found: dict[str, Axis] = {}
    for path, span in space.parameters.items():
        if path in space.members:
            found[path] = _share(space, path, span)
        elif isinstance(span, WeightChoice):
            choices = tuple(sorted(span.values))
            found[path] = Axis(path, choices[0], choices[-1], choices=choices, names=_names(space, path))
        else:
            found[path] = Axis(path, span.low, span.high, log=span.scale == "log")
    return found


def _share(space: SearchSpace, path: str, span: SharedWeight) -> Axis:
    """Return the axis of a member of a simplex: the shares that can come of its own range and those of the others.

    A grid's lattice goes through the corners, so there a share is anything from 0 to the total.
    """
    if space.is_grid:
        return Axis(path, 0.0, space.total, total=space.total)
    low, high = _ends(span)
    lows, highs = zip(*(_ends(space.parameters[other]) for other in space.members if other != path), strict=True)
    smallest, largest = _part(low, sum(highs), space.total), _part(high, sum(lows), space.total)
    return Axis(path, smallest, largest, log=low > 0, total=space.total)


def _ends(span: SharedWeight) -> tuple[float, float]:
    return (min(span.values), max(span.values)) if isinstance(span, WeightChoice) else (span.low, span.high)


def _part(own: float, others: float, total: float) -> float:
    return total * own / (own + others) if own + others > 0 else 0.0


def _names(space: SearchSpace, path: str) -> tuple[str, ...]:
    """Return the shapes that the indices of a searched shape stand for; nothing for any other parameter."""
    weight = space.weights.get(path.removesuffix(".schedule.shape"))
    named = weight is not None and path.endswith(".schedule.shape") and weight.schedule is not None
    shape = weight.schedule.shape if named else ()  # type: ignore[union-attr]
    return shape if isinstance(shape, tuple) else ()


def located(definition: StudyDefinition, trials: Sequence[TrialRecord]) -> list[Values]:
    """Return where on the axes each trial lies; a parameter that a trial does not have is left out."""
    space = SearchSpace(definition)
    return [_place(trial.parameters, space.members, space.total) for trial in trials]


def _place(drawn: Values, members: Sequence[str], total: float) -> Values:
    if not members or not all(path in drawn for path in members):
        return drawn
    return {**drawn, **onto_simplex({path: drawn[path] for path in members}, total)}
