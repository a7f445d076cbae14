"""Where trainings begin: the initial weights of each seed, and the numbers before training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search.training.engine.stack import Arrays
from search.training.engine.stacked_variable import GradientLayout
from search.training.problem.keras_private import is_seed_state
from search.training.problem.problem import TrainingProblem

MAX_SEEDS = 32
"""Seeds whose initial weights and numbers are kept."""

Values = dict[str, NDArray[np.float64]]
"""Numbers by path, each [K]."""


class Start(NamedTuple):
    """Epoch 0's numbers of a stack's places: the terms of the training rows, and all that is measured on validation rows."""

    train: Values
    validation: Values


class Starts:
    """Makes the starts of a problem's seeds, and keeps those that were used last.

    Seeds of the same frozen weights have these arrays in common. Where every training begins from the same weights
    (`initial_weights` fixed), all seeds have one start.
    """

    def __init__(self, problem: TrainingProblem, form: GradientLayout) -> None:
        self._problem, self._form = problem, form
        self._variables: dict[int, Arrays] = {}
        self._frozen: dict[int, bytes] = {}
        self._numbers: dict[int, tuple[Mapping[str, float], Mapping[str, float]]] = {}

    def variables(self, seed: int) -> Arrays:
        """Return the values of the network's variables under a seed, in their order."""
        return self._variables[self._used(seed)]

    def frozen(self, seed: int) -> bytes:
        """Return a digest of what training does not change under a seed: settings share one stack only where it is the same."""
        return self._frozen[self._used(seed)]

    def _used(self, seed: int) -> int:
        """Return the seed under which a start is kept, which is now the one used last; made where it is not kept."""
        key = self._problem.start_seed(seed)
        if key in self._variables:
            self._variables[key] = self._variables.pop(key)
        else:
            self._make(key)
        return key

    def _make(self, seed: int) -> None:
        while len(self._variables) >= MAX_SEEDS:
            oldest = next(iter(self._variables))
            for kept in (self._variables, self._frozen, self._numbers):
                kept.pop(oldest, None)
        network = self._problem.untouched_network(seed)
        arrays = [variable.numpy() for variable in network.variables]
        frozen = [
            len(network.trainable) + place
            for place, variable in enumerate(network.state)
            if place not in self._form.changing and not is_seed_state(variable)  # such a seed draws nothing, or it would change
        ]
        digest = hashlib.blake2b()
        for place in frozen:
            digest.update(np.ascontiguousarray(arrays[place]).tobytes())
        self._frozen[seed] = digest.digest()
        same = next((kept for kept in self._variables if self._frozen[kept] == self._frozen[seed]), seed)
        for place in frozen if same != seed else ():
            arrays[place] = self._variables[same][place]
        self._variables[seed] = arrays

    def numbers(self, seeds: Sequence[int]) -> Start | None:
        """Return the numbers before training of places with these seeds; None where they are not known of all."""
        keys = [self._problem.start_seed(seed) for seed in seeds]
        if self._problem.searches_terms or not all(key in self._numbers for key in keys):
            return None
        return Start(*(_side_by_side([self._numbers[key][part] for key in keys]) for part in range(2)))

    def keep(self, seeds: Sequence[int], start: Start) -> None:
        """Keep what was measured; not where each setting has numbers of its own, since it is a term's argument that is searched."""
        if self._problem.searches_terms:
            return
        for seed in dict.fromkeys(seeds):
            key = self._problem.start_seed(seed)
            if key in self._variables:
                train, validation = (_at(part, seeds.index(seed)) for part in start)
                self._numbers.setdefault(key, (train, validation))


def _at(values: Values, place: int) -> dict[str, float]:
    return {path: float(each[place]) for path, each in values.items()}


def _side_by_side(numbers: Sequence[Mapping[str, float]]) -> Values:
    paths = dict.fromkeys(path for each in numbers for path in each)
    return {path: np.array([each.get(path, np.nan) for each in numbers]) for path in paths}
