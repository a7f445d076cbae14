"""A sampler that draws around the middle of every range, on its scale: for a study that knows about where to look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from search.catalog import SamplerEntry, number

CENTRED = SamplerEntry(
    name="centred",
    summary="Independent draws around the middle of each range, on its scale.",
    parameters=(number("width", 1.0, "Share of each range that may be drawn.", above=0, most=1),),
    implementation="steelyard_extras.sampler:make",
    learns=False,
)


class Centred(optuna.samplers.BaseSampler):
    """Draws each parameter by itself, from the sum of two uniform numbers."""

    def __init__(self, width: float, seed: int) -> None:
        self._width, self._random = width, np.random.default_rng(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        share = 0.5 + self._width * (self._random.random(2).mean() - 0.5)
        if isinstance(param_distribution, IntDistribution):  # the index of one of a weight's `values`
            return round(param_distribution.low + share * (param_distribution.high - param_distribution.low))
        assert isinstance(param_distribution, FloatDistribution)
        low, high = param_distribution.low, param_distribution.high
        if param_distribution.log:
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        return low + share * (high - low)


def make(config: Mapping[str, Any], seed: int) -> Centred:
    """Return the sampler of one suggestion; study and trial decide the seed."""
    return Centred(config["width"], seed)
