"""Settings as places for a smooth model: coordinates that are 0 and 1 at a parameter's ends, on its scale. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.definition.axes import Axis, axes, located
from search.definition.lattice import onto_simplex
from search.definition.rules import weighting_of
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace, shared_by, simplex_members, simplex_total
from search.definition.weights import SharedWeight, WeightChoice
from search.sampling.quasirandom import value_at
from search.sampling.surrogate import Array, even_points
from storage.records import TrialRecord, Values

SAME = 1e-9
DIGITS = 4
"""What follows them in a place that a model names is rounding, and differs between machines."""

FAR = 1.0
"""A baseline farther than so many ranges beyond an end says nothing of what is inside."""


@dataclass(frozen=True)
class Places:
    """The searched parameters of a definition as coordinates, in the order of its parameters."""

    definition: StudyDefinition

    @cached_property
    def axes(self) -> dict[str, Axis]:
        return axes(self.definition)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The parameters on a simplex; none for a box."""
        return simplex_members(self.definition.search.space, SearchSpace(self.definition).weights)

    @property
    def unordered(self) -> list[bool]:
        return [bool(axis.names) for axis in self.axes.values()]

    def of(self, trials: Sequence[TrialRecord]) -> Array:
        """Return the places of trials that have every parameter: [len(trials), d]."""
        return self.at(located(self.definition, trials))

    def at(self, located_values: Sequence[Values]) -> Array:
        """Return the places of values on the axes (of a simplex, shares)."""
        rows = [[coordinate(axis, values[path]) for path, axis in self.axes.items()] for values in located_values]
        return np.array(rows, dtype=float).reshape(len(rows), len(self.axes))

    def on_axes(self, drawn: Values) -> Values:
        """Return drawn parameters as values on the axes."""
        if not self.members:
            return drawn
        total = simplex_total(self.definition.search.space)
        return {**drawn, **onto_simplex({path: drawn[path] for path in self.members}, total)}

    def moved(self, located_values: Values, path: str, value: float) -> dict[str, float]:
        """Return values on the axes with one of them changed; on a simplex the other members share out what is left."""
        changed = {**located_values, path: value}
        if path in self.members:
            total = simplex_total(self.definition.search.space)
            rest = onto_simplex({other: located_values[other] for other in self.members if other != path}, total - value)
            changed |= rest
        return changed

    def spread(self, count: int) -> list[dict[str, float]]:
        """Return parameters that fill the space evenly."""
        spans = SearchSpace(self.definition).parameters
        return [
            {path: value_at(span, float(share)) for (path, span), share in zip(spans.items(), row, strict=True)}
            for row in even_points(count, len(spans))
        ]

    def near(self, drawn: Values, count: int, reach: float = 0.1) -> list[dict[str, float]]:
        """Return parameters around drawn ones, up to `reach` of each range away."""
        spans = SearchSpace(self.definition).parameters
        found = []
        for row in even_points(count, len(spans)):
            moved = [(_share(spans[path], drawn[path]) + reach * (2 * step - 1)) for path, step in zip(spans, row, strict=True)]
            found.append(
                {path: value_at(span, min(max(at, 0.0), 1.0)) for (path, span), at in zip(spans.items(), moved, strict=True)}
            )
        return found

    def rounded(self, drawn: Values) -> dict[str, float]:
        """Return parameters with `DIGITS` significant digits, values of a choice as they are; still within their ranges."""
        spans = SearchSpace(self.definition).parameters
        return {path: _rounded(spans[path], value) for path, value in drawn.items()}

    def baseline(self, trial: TrialRecord, divisors: Mapping[str, float]) -> list[float] | None:
        """Return the place of a baseline's used weights, possibly outside the ranges; None where they lie on no such place.

        Weights that a rule moves have none, nor have those that differ from the search in what it does not search: a fixed weight,
        a schedule, the sum on a simplex.
        """
        moved = weighting_of(trial.rule, self.definition.search.plugins) != "fixed"
        if moved or any(span.schedule for span in SearchSpace(self.definition).weights.values()):
            return None
        drawn = self._drawn_by(trial, divisors)
        if drawn is None:
            return None
        total = simplex_total(self.definition.search.space)
        if self.members and not math.isclose(sum(drawn[path] for path in self.members), total, rel_tol=1e-6):
            return None
        known = {**trial.parameters, **drawn}
        row = [_beyond(axis, known.get(path)) for path, axis in self.axes.items()]
        inside = [at for at in row if at is not None and -FAR <= at <= 1 + FAR]
        return inside if len(inside) == len(row) else None

    def _drawn_by(self, trial: TrialRecord, divisors: Mapping[str, float]) -> dict[str, float] | None:
        """Return the searched weights that give a baseline's used ones, or None where none do."""
        found: dict[str, float] = {}
        for term in SearchSpace(self.definition).terms:
            used = trial.weights.get(term.path, math.nan) * divisors.get(term.path, 1.0)
            shared = shared_by(term.weight)
            path, times = shared or (term.path, 1.0)
            if path not in self.axes:
                wanted = term.weight
                if not isinstance(wanted, int | float) or not math.isclose(used, wanted, rel_tol=SAME):
                    return None
            elif not math.isclose(found.setdefault(path, used / times), used / times, rel_tol=SAME):
                return None
        return found


def coordinate(axis: Axis, value: float) -> float:
    """Return where a value lies between an axis's ends: 0 to 1 on its scale; of choices, in equal steps."""
    if axis.choices:
        return axis.choices.index(value) / max(len(axis.choices) - 1, 1)
    low, high = axis.scaled(axis.low), axis.scaled(axis.high)
    return (axis.scaled(value) - low) / (high - low) if high > low else 0.0


def value_on(axis: Axis, at: float) -> float:
    """Return the value at a coordinate: the inverse of `coordinate`; of choices, the nearest."""
    if axis.choices:
        return axis.choices[min(max(round(at * (len(axis.choices) - 1)), 0), len(axis.choices) - 1)]
    if at <= 0 or at >= 1:
        return axis.low if at <= 0 else axis.high
    scaled = axis.scaled(axis.low) + at * (axis.scaled(axis.high) - axis.scaled(axis.low))
    if not axis.log:
        return scaled
    return math.exp(scaled) if axis.total is None else axis.total / (1 + math.exp(-scaled))


def _rounded(span: SharedWeight, value: float) -> float:
    if isinstance(span, WeightChoice):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), span.low), span.high)


def _share(span: SharedWeight, value: float) -> float:
    """Return where a drawn value lies in its range or in the order of its values, such that `value_at` gives it back."""
    if isinstance(span, WeightChoice):
        return (sorted(span.values).index(value) + 0.5) / len(span.values)
    if span.scale == "log":
        return (math.log(value) - math.log(span.low)) / (math.log(span.high) - math.log(span.low))
    return (value - span.low) / (span.high - span.low)


def _beyond(axis: Axis, value: float | None) -> float | None:
    """Return a coordinate that may lie outside of 0 to 1; None for a value that has none."""
    if value is None or (axis.choices and value not in axis.choices):
        return None
    if axis.choices or axis.low <= value <= axis.high or axis.total is not None:
        return coordinate(axis, value)
    if axis.log:
        return math.log(value / axis.low) / math.log(axis.high / axis.low) if value > 0 else None
    return (value - axis.low) / (axis.high - axis.low)
