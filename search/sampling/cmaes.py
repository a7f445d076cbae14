"""CMA-ES rebuilt from rows: Optuna's sampler, with what it has learned as numbers in place of a pickle."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from search.sampling.cmaes_state import from_numbers, to_numbers
from search.sampling.spaced import Spaced


@dataclass(slots=True)
class Replayed:
    """What the first of several samplers has learned anew from the same trials, for the others; empty where nothing had to be."""

    numbers: Mapping[str, Any] = field(default_factory=dict)


class CmaEs(Spaced, optuna.samplers.CmaEsSampler):
    """CMA-ES. Optuna's draws at random until there are complete trials, so that the whole first cohort would belong to no
    generation.

    Optuna's keeps a pickle with each trial. This one keeps numbers, and unpickles nothing: what a study of an earlier version has
    learned is learned anew from its rows, generation by generation.
    """

    learned: Sequence[FrozenTrial] = ()  # trials that the optimizer may have learned from
    optimizer: Any = None
    replayed = Replayed()
    unkept: Mapping[str, Any] = {}  # replayed, and in no trial yet

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        self.learned = completed_trials

    def _init_optimizer(self, trans: Any, direction: Any) -> Any:
        before = self._cma_rng.rng.get_state()
        self.optimizer = super()._init_optimizer(trans, direction)
        if not from_numbers(self.optimizer, self.replayed.numbers):
            self._replay(trans, direction)
        if self.optimizer.generation:  # as where nothing had to be made: the draws below depend on it
            self._cma_rng.rng.set_state(before)
        return self.optimizer

    def _replay(self, trans: Any, direction: Any) -> None:
        """Go on from the latest stored numbers, through the generations that were drawn since."""
        stored = (trial.system_attrs.get(self._attr_prefix + "state") for trial in reversed(self.learned))
        next((numbers for numbers in stored if numbers is not None and from_numbers(self.optimizer, numbers)), None)
        began, members = self.optimizer.generation, self._by_generation()
        latest = max(members, default=0)
        while self.optimizer.generation < latest:
            ended = members.get(self.optimizer.generation, [])[: self.optimizer.population_size]
            if len(ended) < self.optimizer.population_size:
                break
            self.optimizer.tell(self._solutions(ended, trans, direction))
        if self.optimizer.generation > began:
            self.unkept = self.replayed.numbers = to_numbers(self.optimizer)

    def _by_generation(self) -> dict[int, list[FrozenTrial]]:
        members: dict[int, list[FrozenTrial]] = {}
        for trial in self.learned:
            members.setdefault(trial.system_attrs.get(self._attr_key_generation, -1), []).append(trial)
        return members

    def _solutions(self, members: Sequence[FrozenTrial], trans: Any, direction: Any) -> list[tuple[Any, float]]:
        """Return settings and values, smaller is better, that make the optimizer's next generation."""
        sign = 1.0 if direction is optuna.study.StudyDirection.MINIMIZE else -1.0
        raw = [trial.system_attrs.get("x_for_tell") for trial in members]
        places = [trans.transform(trial.params) if x is None else np.array(x) for trial, x in zip(members, raw, strict=True)]
        return [(place, sign * trial.values[0]) for place, trial in zip(places, members, strict=True)]

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, Any]:
        self.unkept = {}
        return {self._attr_prefix + "state": to_numbers(self.optimizer)}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `use_separable_cma` does nothing for one weight: no harm
            drawn = super().sample_relative(study, trial, search_space)
        if self.unkept:
            study._storage.set_trial_system_attr(trial._trial_id, self._attr_prefix + "state", self.unkept)
        return drawn
