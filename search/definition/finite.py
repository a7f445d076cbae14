"""Spaces of finitely many settings: how many there are, and when two trials have the same.

Only lists of values make a space finite; `points` of a range are a grid's. A setting trained again on the same seed gives the same
numbers, so no search trains one twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from search.definition import space
from search.definition.lattice import onto_simplex
from search.definition.schema import StudyDefinition
from search.definition.weights import WeightChoice

Setting = tuple[float, ...]

MOST_ENUMERATED = 20_000
"""Combinations of a simplex's values that are counted one by one; of more, every one counts as another setting."""


def size(definition: StudyDefinition) -> int | None:
    """Return how many different settings there are, None where a parameter is drawn from a range."""
    choices = _choices(definition)
    if choices is None:
        return None
    members = space.simplex_members(definition.search.space, space.searched_weights(definition))
    others = math.prod(len(values) for path, values in choices.items() if path not in members)
    return others * (_ratios(tuple(choices[path] for path in members)) if members else 1)


def combinations(definition: StudyDefinition) -> int:
    """Return how many combinations of drawn values a finite space has; on a simplex several may be one setting."""
    return math.prod(len(values) for values in (_choices(definition) or {}).values())


def combination(definition: StudyDefinition, index: int) -> dict[str, float]:
    """Return the parameters of combination `index` of a finite space, from 0; the first parameter changes fastest."""
    drawn = {}
    for path, values in (_choices(definition) or {}).items():
        index, place = divmod(index, len(values))
        drawn[path] = values[place]
    return drawn


def setting(definition: StudyDefinition, drawn: Mapping[str, float]) -> Setting:
    """Return what drawn parameters come to: two trials with equal settings train the same."""
    members = space.simplex_members(definition.search.space, space.searched_weights(definition))
    total = space.simplex_total(definition.search.space) if members else 1.0
    used = {**drawn, **(onto_simplex({path: drawn[path] for path in members}, total) if members else {})}
    return tuple(used[path] for path in space.parameters(definition))


def affordable(definition: StudyDefinition, budget: int) -> int:
    """Return how many search trials a budget pays for: no more than a grid has points, or a finite space settings."""
    limit = space.grid_size(definition) if definition.search.sampler.name == "grid" else size(definition)
    return budget if limit is None else min(budget, limit)


def _choices(definition: StudyDefinition) -> dict[str, tuple[float, ...]] | None:
    searched = space.parameters(definition)
    found = {path: tuple(sorted(each.values)) for path, each in searched.items() if isinstance(each, WeightChoice)}
    return found if len(found) == len(searched) else None


@lru_cache(maxsize=64)
def _ratios(members: Sequence[tuple[float, ...]]) -> int:
    """Return how many different shares of a total the members' values have."""
    whole = math.prod(map(len, members))
    if whole > MOST_ENUMERATED:
        return whole
    found = set()
    for index in range(whole):
        drawn = {}
        for path, values in enumerate(members):
            index, place = divmod(index, len(values))
            drawn[str(path)] = values[place]
        found.add(tuple(onto_simplex(drawn, 1.0).values()))
    return len(found)
