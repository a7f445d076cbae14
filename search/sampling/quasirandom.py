"""Quasi-random points: a sequence that fills the space evenly. A point is a function of the seed and its index: no state."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.definition.weights import SharedWeight, WeightChoice

SCRAMBLE = 1
"""Beside the study's seed, so that the sequence shares no numbers with trials' seeds."""


def quasirandom_points(definition: StudyDefinition, index: int, count: int) -> list[dict[str, float]]:
    """Return the parameters of the points `index`, `index` + 1, ... of the study's sequence."""
    searched = SearchSpace(definition).parameters
    rows = _unit_points(definition, len(searched), index, count)
    return [
        {path: value_at(weight, float(share)) for (path, weight), share in zip(searched.items(), row, strict=True)} for row in rows
    ]


def _unit_points(definition: StudyDefinition, width: int, index: int, count: int) -> Sequence[Sequence[float]]:
    """Return points of [0, 1)^width: [count, width]. Scrambled, since plain Sobol and Halton points begin at the lower corner."""
    from scipy.stats import qmc  # takes a third of a second to load, and only this sampler wants it

    engines: Mapping[str, Any] = {"sobol": qmc.Sobol, "halton": qmc.Halton}
    scramble = np.random.default_rng([definition.search.seed, SCRAMBLE])
    engine = engines[str(definition.search.sampler.config.get("qmc_type", "sobol"))](width, scramble=True, rng=scramble)
    if index:
        engine.fast_forward(index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Sobol's advice to draw a power of two: the budget is the user's own
        points: Sequence[Sequence[float]] = engine.random(count)
    return points


def value_at(weight: SharedWeight, share: float) -> float:
    """Return the value that lies at `share` (0 to 1) of a weight's range on its scale, or of its values in their order."""
    if isinstance(weight, WeightChoice):
        ordered = sorted(weight.values)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
    if weight.scale == "log":
        start, end = math.log(weight.low), math.log(weight.high)
        value = math.exp(start + share * (end - start))
    else:
        value = weight.low + share * (weight.high - weight.low)
    return min(max(value, weight.low), weight.high)
