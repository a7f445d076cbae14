"""The weights of a group's settings, epoch by epoch: what is set before an epoch, and what the graph must know of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.interface import Setting
from search.training.weighting.formulas import Numbers, dwa_weights, random_weights, uncertainty_weights
from search.training.weighting.rules import Balancing, Moving, Rules

FIXED, UNCERTAINTY, DWA, RANDOM, GRADNORM = "fixed", "uncertainty", "dwa", "random", "gradnorm"

IN_GRAPH = (UNCERTAINTY, RANDOM, GRADNORM)
"""Rules whose weights move from step to step."""


def moves(setting: Setting) -> bool:
    """Tell whether a setting's weights move in its training."""
    return setting.rule != FIXED or bool(setting.schedules)


class WeightSchedule:
    """Knows a group's settings by their places in `settings`, whatever stack they are on.

    `given` [settings, terms] are the weights set before the epoch that runs: fixed ones, scheduled ones (their final weight times
    the schedule's factor of the epoch), those of `dwa`, and 1 for terms that a rule moves within the epoch.
    """

    def __init__(self, settings: Sequence[Setting], paths: Sequence[str], epochs: int, steps: int) -> None:
        self._settings, self._paths, self._epochs, self._steps = settings, list(paths), epochs, steps
        self._weights = [np.array([setting.weights[path] for path in paths], np.float64) for setting in settings]
        self.given: Numbers
        self._means: list[list[Numbers]] = [[] for _ in settings]
        self._initial = np.ones(len(self._paths))
        self.begin_epoch(1)

    @property
    def paths(self) -> list[str]:
        """The terms' paths, in the order of all that is [terms] here."""
        return self._paths

    def begin(self, initial: Mapping[str, float]) -> None:
        """Set the terms' values before training; 0 for one that nothing counted for, which tells a rule nothing."""
        self._initial = np.array([initial.get(path, 0.0) for path in self._paths])

    def begin_epoch(self, epoch: int) -> None:
        """Set the weights of epoch `epoch` (from 1)."""
        self.given = np.array([self._given(place, epoch) for place in range(len(self._settings))])

    def end_epoch(self, place: int, means: Numbers) -> None:
        """Hear the terms' means [terms] over an epoch of the setting at `place`."""
        self._means[place] = [*self._means[place][-1:], means]

    def _given(self, place: int, epoch: int) -> Numbers:
        setting, weights = self._settings[place], self._weights[place]
        if setting.rule == FIXED:
            factors = {path: schedule.factor(epoch - 1, self._epochs) for path, schedule in setting.schedules.items()}
            return np.asarray([factors.get(path, 1.0) for path in self._paths] * weights)
        counts: NDArray[np.bool_] = weights != 0
        if setting.rule == DWA and len(self._means[place]) == 2:
            earlier, latest = self._means[place]
            return dwa_weights(latest, earlier, counts)
        return counts.astype(np.float64)

    def counts(self, place: int, path: str) -> bool:
        """Tell whether a term counts in this epoch."""
        return bool(self.given[place, self._paths.index(path)] != 0)

    # Within an epoch

    @property
    def balances(self) -> bool:
        """Tell whether the settings, all of them, follow `gradnorm`."""
        return self._settings[0].rule == GRADNORM

    def rules(self, places: Sequence[int], epoch: int) -> Rules | None:
        """Return what the graph must know to move weights in epoch `epoch` (from 1), of the settings at `places`: each [K, ...].

        None where no setting of the group has weights that move within an epoch.
        """
        if not any(setting.rule in IN_GRAPH for setting in self._settings):
            return None
        if self.balances:
            return Balancing(tf.constant(self._initial, keras.config.floatx()))
        rules = [self._settings[place].rule for place in places]
        uncertain, random = (tf.constant([rule == each for rule in rules]) for each in (UNCERTAINTY, RANDOM))
        seed, before = (tf.constant(number, tf.int64) for number in (self._settings[0].seed, (epoch - 1) * self._steps))
        return Moving(uncertain, random, seed, before)

    def learned_start(self, places: Sequence[int]) -> Numbers:
        """Return what the rules have learned before training, [K, terms]: weights 1, or their log-variances 0."""
        return self.given[list(places)] if self.balances else np.zeros((len(places), len(self._paths)))

    def at_end(self, places: Sequence[int], epoch: int, learned: NDArray[np.floating]) -> dict[str, Numbers]:
        """Return the weights in force at the end of epoch `epoch` (0: at the start) by path, each [K]; {} where none move.

        `learned` is what the stack holds, [K, terms].
        """
        if not any(moves(setting) for setting in self._settings):
            return {}
        rows = [self._at_end(place, epoch, learned[where]) for where, place in enumerate(places)]
        return dict(zip(self._paths, np.array(rows).T, strict=True))

    def _at_end(self, place: int, epoch: int, learned: NDArray[np.floating]) -> Numbers:
        given: Numbers = self.given[place]
        rule = self._settings[place].rule
        if epoch == 0 or rule not in IN_GRAPH:
            return given
        if rule == RANDOM:
            seed, last = (tf.constant(number, tf.int64) for number in (self._settings[place].seed, epoch * self._steps - 1))
            drawn: Numbers = np.asarray(random_weights(seed, last, tf.constant(given != 0)))
            return drawn
        found = np.asarray(uncertainty_weights(learned)) if rule == UNCERTAINTY else learned
        return np.where(given != 0, found, 0.0).astype(np.float64)
