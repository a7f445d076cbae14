"""Samplers of Optuna with a fixed search space."""

from __future__ import annotations

from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial


class Spaced(optuna.samplers.BaseSampler):
    """A sampler that knows its space. Optuna's learn it from complete trials, at every call anew."""

    whole: Mapping[str, BaseDistribution] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self.whole)
