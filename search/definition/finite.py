"""Spaces of finitely many settings: how many there are, and when two trials have the same.

Only lists of values make a space finite; `points` of a range are a grid's. A setting trained again on the same seed gives the same
numbers, so no search trains one twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from search.definition.lattice import onto_simplex
from search.definition.plugins import is_grid
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.definition.weights import WeightChoice

Setting = tuple[float, ...]

MOST_ENUMERATED = 20_000
"""Combinations of a simplex's values that are looked at to count its settings; the others are taken to be settings of their own."""

DIGITS = 12
"""Shares of a total that agree to so many digits are equal: 0.1 to 0.3 is 0.3 to 0.9."""


@dataclass(frozen=True, slots=True)
class FiniteSpace:
    """The values of every parameter, by path, and which of them share one total."""

    paths: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    members: tuple[str, ...]

    @property
    def combinations(self) -> int:
        """How many combinations of drawn values there are; on a simplex several may be one setting."""
        return math.prod(map(len, self.values))

    def combination(self, index: int) -> dict[str, float]:
        """Return the parameters of combination `index`, from 0; the first parameter changes fastest."""
        drawn = {}
        for path, values in zip(self.paths, self.values, strict=True):
            index, place = divmod(index, len(values))
            drawn[path] = values[place]
        return drawn

    def setting(self, drawn: Mapping[str, float]) -> Setting:
        """Return what drawn parameters come to: two trials with equal settings train the same."""
        if not self.members:
            return tuple(drawn[path] for path in self.paths)
        shares = onto_simplex({path: drawn[path] for path in self.members}, 1.0)
        rounded = {path: float(f"{share:.{DIGITS}g}") for path, share in shares.items()}
        return tuple(rounded.get(path, drawn[path]) for path in self.paths)

    def count(self, limit: int) -> int:
        """Return how many different settings there are, at most `limit`."""
        return min(limit, self.combinations) if not self.members else _counted(self, limit)


@lru_cache(maxsize=64)
def _counted(finite: FiniteSpace, limit: int) -> int:
    found: set[Setting] = set()
    looked_at = min(finite.combinations, MOST_ENUMERATED)
    for index in range(looked_at):
        found.add(finite.setting(finite.combination(index)))
        if len(found) >= limit:
            return limit
    return min(limit, len(found) + finite.combinations - looked_at)


def finite_space(definition: StudyDefinition) -> FiniteSpace | None:
    """Return the space of a definition, None where a parameter is drawn from a range."""
    space = SearchSpace(definition)
    values = [tuple(sorted(each.values)) for each in space.parameters.values() if isinstance(each, WeightChoice)]
    if len(values) < len(space.parameters):
        return None
    return FiniteSpace(tuple(space.parameters), tuple(values), space.members)


def affordable(definition: StudyDefinition, budget: int) -> int:
    """Return the budget of search trials, capped at the number of different settings."""
    if is_grid(definition.search.sampler):
        return min(budget, SearchSpace(definition).grid_size())
    finite = finite_space(definition)
    return budget if finite is None else finite.count(budget)
