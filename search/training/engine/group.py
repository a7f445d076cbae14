"""Settings that are trained together on one stack, and where they begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.errors import PreflightError
from search.training.engine.stack import Arrays, Stack
from search.training.interface import Ended, Observer, Setting
from search.training.problem.problem import TrainingProblem
from search.training.problem.setting_inputs import SettingInputs
from search.training.weighting.in_graph import StepRules
from search.training.weighting.loading import check, rule_named, stacks_with
from search.training.weighting.schedule import WeightSchedule
from storage.records import TrialState

Values = dict[str, NDArray[np.float64]]
"""Numbers by path, each [K]."""


@dataclass(frozen=True)
class Start:
    """Where the settings of one seed begin: the network's variables, and epoch 0's numbers, one for all settings or [K]."""

    variables: Arrays
    train: Mapping[str, float | NDArray[np.float64]]
    validation: Mapping[str, float | NDArray[np.float64]]


@dataclass
class Group:
    """Settings that are trained on one stack. `places` maps the settings that go on to their places in it."""

    settings: Sequence[Setting]
    stack: Stack
    in_force: WeightSchedule
    places: dict[int, int] = field(init=False)
    done: int = 0

    def __post_init__(self) -> None:
        self.places = {place: place for place in range(len(self.settings))}

    @property
    def seed(self) -> int:
        return self.settings[0].seed

    def running(self) -> Iterator[tuple[Setting, int]]:
        """Yield each setting that goes on, and its place in the stack."""
        for place, where in list(self.places.items()):
            yield self.settings[place], where

    def counts(self, setting: Setting, path: str) -> bool:
        """Return whether a term counts in this epoch: its weight is not 0."""
        return self.in_force.counts(self.settings.index(setting), path)

    def drop(self, setting: Setting) -> None:
        self.places.pop(self.settings.index(setting))

    def knobs(self, problem: TrainingProblem) -> SettingInputs:
        """Return the settings' knobs, each [K, ...]; free places repeat the last setting."""
        rows = self.rows()
        usual = problem.usual
        arguments = [[self.settings[row].arguments.get(path, value) for path, value in usual.items()] for row in rows]
        given = (self.in_force.given[rows], np.reshape(arguments, (len(rows), len(usual))))
        return SettingInputs(*(tf.constant(each, keras.config.floatx()) for each in given))

    def rows(self) -> list[int]:
        """Return which of the settings is at each place of the stack; free places repeat the last."""
        there = {where: setting for setting, where in self.places.items()}
        return [there.get(where, len(self.settings) - 1) for where in range(self.stack.size)]

    def rules(self, epoch: int) -> StepRules | None:
        """Return what the graph must know to move weights in an epoch; None where none moves within it."""
        return self.in_force.rules(self.rows(), epoch)

    def begin(self, start: Start) -> None:
        """Set the stack, and what the weighting rules learn, to the start of the settings' seed."""
        self.stack.begin([start.variables] * self.stack.size)
        self.in_force.begin(of_first(start.train))
        self.stack.begin_learning(self.in_force.starts(self.rows()))

    def end_epoch(self, epoch: int, train: Values) -> None:
        """Let rules that move between epochs learn from the terms' means over epoch `epoch`."""
        for setting, where in self.places.items():
            means = [train[path][where] if path in train else np.nan for path in self.in_force.paths]
            self.in_force.end_epoch(setting, epoch, np.array(means))

    def moved_weights(self, epoch: int) -> Values:
        """Return the weights in force at the end of an epoch by path, each [K]; {} where none move."""
        return self.in_force.at_end(self.rows(), epoch, self.stack.learned(self.in_force.names))

    def undefined(self) -> Iterator[tuple[Setting, str]]:
        """Yield the settings whose rule is not defined for what a term has been, and why not."""
        for name in self.in_force.names:
            least, domain = self.stack.least(name), rule_named(name).domain
            if least is None:
                continue
            outside = least <= 0 if domain == "positive" else least < 0
            kind = "positive" if domain == "positive" else "never negative"
            for setting, where in self.running():
                if setting.rule == name and outside[where].any():
                    path, value = self.in_force.paths[int(outside[where].argmax())], least[where][outside[where].argmax()]
                    yield setting, f"{name} needs terms that are {kind}, and {path} was {value + 0:.4g}"  # -0 is 0


def of_first(values: Mapping[str, float | NDArray[np.float64]]) -> dict[str, float]:
    """Return the numbers of the first place of the stack, by path."""
    return {path: float(np.ravel(each)[0]) for path, each in values.items()}


def computable(settings: Sequence[Setting], observer: Observer) -> Iterator[Setting]:
    """Yield the settings whose rules this worker has; the others end."""
    for setting in settings:
        try:
            check(setting.rule)
        except PreflightError as refused:
            observer.ended(Ended(setting.number, TrialState.FAILED, 0, refused.reason))
        else:
            yield setting


def groups(settings: Sequence[Setting], size: int) -> Iterator[Sequence[Setting]]:
    """Yield the settings that are trained together: of one seed, at most `size`, in their order.

    Settings whose rules need different things of a step (`gradnorm`, `famo`) are apart.
    """
    alike: dict[tuple[object, ...], list[Setting]] = {}
    for setting in settings:
        alike.setdefault((setting.seed, *stacks_with(setting.rule)), []).append(setting)
    for same in alike.values():
        for first in range(0, len(same), size):
            yield same[first : first + size]
