"""The weights of a group's settings, epoch by epoch: what is set before an epoch, and what the graph must know of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.interface import Setting
from search.training.weighting.formulas import Numbers
from search.training.weighting.in_graph import StepRules
from search.training.weighting.loading import FIXED, computes, moves_by_step, rule_named
from search.training.weighting.protocol import Start, State, StepView


def moves(setting: Setting) -> bool:
    """Return whether a setting's weights move in its training."""
    return setting.rule != FIXED or bool(setting.schedules)


class WeightSchedule:
    """Knows a group's settings by their places in `settings`, whatever stack they are on.

    `given` [settings, terms] are the weights set before the epoch that runs: fixed ones, scheduled ones (their final weight times
    the schedule's factor of the epoch), those of a rule that moves between epochs, and 1 for terms that a rule moves within one.
    """

    def __init__(self, settings: Sequence[Setting], paths: Sequence[str], epochs: int, steps: int) -> None:
        self._settings, self._paths, self._epochs, self._steps = settings, list(paths), epochs, steps
        self._weights = np.array([[setting.weights[path] for path in paths] for setting in settings], np.float64)
        self._names = tuple(sorted({setting.rule for setting in settings if moves_by_step(setting.rule)}))
        self.given: Numbers
        self._initial = np.ones(self._weights.shape)
        self._states: dict[int, State] = {}
        self.begin_epoch(1)

    @property
    def paths(self) -> list[str]:
        """The terms' paths, in the order of all that is [terms] here."""
        return self._paths

    def begin(self, initial: Numbers) -> None:
        """Set the terms' values before training [settings, terms]; 0 for one that nothing counted for, which a rule ignores."""
        self._initial = initial
        self._states = {}
        self.begin_epoch(1)

    def begin_epoch(self, epoch: int) -> None:
        """Set the weights of epoch `epoch` (from 1)."""
        self.given = np.array([self._given(place, epoch) for place in range(len(self._settings))])

    def end_epoch(self, place: int, epoch: int, means: Numbers) -> None:
        """Let a rule that moves between epochs learn from the means [terms] of the setting at `place` over epoch `epoch`."""
        if self._moves_by_epoch(place):
            view = self._view(place, epoch * self._steps)._replace(terms=means[np.newaxis])
            self._states[place] = {**self._state(place), **computes(self._settings[place].rule).update(self._state(place), view)}

    def _given(self, place: int, epoch: int) -> Numbers:
        setting, weights = self._settings[place], self._weights[place]
        if setting.rule == FIXED:
            factors = {path: schedule.factor(epoch - 1, self._epochs) for path, schedule in setting.schedules.items()}
            return np.asarray([factors.get(path, 1.0) for path in self._paths] * weights)
        counts = weights != 0
        if not self._moves_by_epoch(place):
            return np.asarray(counts, np.float64)
        view = self._view(place, (epoch - 1) * self._steps)
        found = np.asarray(computes(setting.rule).weights(self._state(place), view), np.float64)[0]
        used: Numbers = np.where(counts, found, 0.0)
        return used

    def _moves_by_epoch(self, place: int) -> bool:
        rule = self._settings[place].rule
        return rule != FIXED and rule_named(rule).moves == "epoch"

    def _state(self, place: int) -> State:
        """Return what the rule of the setting at `place`, which moves between epochs, remembers: K is 1."""
        if place not in self._states:
            self._states[place] = self._start(self._settings[place].rule, place)
        return self._states[place]

    def _start(self, name: str, place: int) -> Start:
        """Return where rule `name` starts for the setting at `place`: K is 1."""
        return computes(name).init(self._counts([place]), self._initial[place])

    def _counts(self, places: Sequence[int]) -> NDArray[np.bool_]:
        counts: NDArray[np.bool_] = self._weights[list(places)] != 0
        return counts

    def _view(self, place: int, step: int) -> StepView:
        counts = self._counts([place])
        return StepView(counts, counts, np.int64(self._settings[place].seed), np.int64(step))

    def counts(self, place: int, path: str) -> bool:
        """Return whether a term counts in this epoch."""
        return bool(self.given[place, self._paths.index(path)] != 0)

    # Within an epoch

    @property
    def names(self) -> tuple[str, ...]:
        """The rules of the group whose weights move within an epoch."""
        return self._names

    @property
    def needs_shared_layer(self) -> bool:
        """Return whether the settings, all of them, follow rules that read gradients by a layer that the losses share."""
        return any(rule_named(name).needs_shared_layer for name in self._names)

    def rules(self, places: Sequence[int], epoch: int) -> StepRules | None:
        """Return what the graph must know to move weights in epoch `epoch` (from 1), of the settings at `places`: each [K, ...].

        None where no setting of the group has weights that move within an epoch.
        """
        if not self._names:
            return None
        rules = [self._settings[place].rule for place in places]
        follows = tuple(tf.constant([rule == name for rule in rules]) for name in self._names)
        seed, before = (tf.constant(number, tf.int64) for number in (self._settings[0].seed, (epoch - 1) * self._steps))
        return StepRules(self._names, follows, seed, before)

    def starts(self, places: Sequence[int]) -> dict[str, Start]:
        """Return by rule what it remembers before training, each [K, n], of the settings at `places`."""
        found: dict[str, Start] = {}
        for name in self._names:
            each = [self._start(name, place) for place in places]
            found[name] = {state: np.concatenate([one[state] for one in each]) for state in each[0]}
        return found

    def at_end(self, places: Sequence[int], epoch: int, learned: Mapping[str, State]) -> dict[str, Numbers]:
        """Return the weights in force at the end of epoch `epoch` (0: at the start) by path, each [K]; {} where none move.

        `learned` is what the stack holds, by rule, each [K, n].
        """
        if not any(moves(setting) for setting in self._settings):
            return {}
        rows = [self._at_end(place, epoch, where, learned) for where, place in enumerate(places)]
        return dict(zip(self._paths, np.array(rows).T, strict=True))

    def _at_end(self, place: int, epoch: int, where: int, learned: Mapping[str, State]) -> Numbers:
        name, given = self._settings[place].rule, self.given[place]
        if name not in self._names or (epoch == 0 and not rule_named(name).weighs_this_step):
            return np.asarray(given)
        state: dict[str, Any] = {each: value[where : where + 1] for each, value in learned[name].items()}
        found = np.asarray(computes(name).weights(state, self._view(place, epoch * self._steps - 1)))[0]
        return np.where(given != 0, found, 0.0).astype(np.float64)
