"""Settings that are trained together on one stack: who is where, and what each place is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from search.training.engine.stack import Stack
from search.training.engine.starts import Values
from search.training.interface import Setting
from search.training.problem.batch import Tensor
from search.training.problem.problem import TrainingProblem
from search.training.problem.seeding import epoch_order
from search.training.problem.setting_inputs import SettingInputs
from search.training.weighting.in_graph import StepRules
from search.training.weighting.loading import rule_named
from search.training.weighting.schedule import WeightSchedule


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

    def seeds(self) -> list[int]:
        """Return the seed of each place of the stack."""
        return [self.settings[row].seed for row in self.rows()]

    def order(self, epoch: int, count: int, stream: int = 0, *, shuffle: bool = True) -> Tensor:
        """Return the order of rows in epoch `epoch` (from 1): [count], or [K, count] where the settings have several seeds."""
        seeds = dict.fromkeys(setting.seed for setting in self.settings)
        drawn = {seed: epoch_order(seed, epoch - 1, count, stream, shuffle=shuffle) for seed in seeds}
        return tf.constant(next(iter(drawn.values())) if len(drawn) == 1 else np.stack([drawn[seed] for seed in self.seeds()]))

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

    def begin_learning(self, train: Values) -> None:
        """Set what the weighting rules learn to where it begins, given the terms of the places before training."""
        paths = self.in_force.paths
        initial = np.stack([train[path] if path in train else np.zeros(self.stack.size) for path in paths], axis=1)
        self.in_force.begin(initial[: len(self.settings)])
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
