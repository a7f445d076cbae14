"""What one weighting rule remembers of a stack's settings, as stacked variables, and the optimizers that move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.engine.stacked_variable import Stacked
from search.training.engine.strategies import Strategy
from search.training.problem.batch import Tensor, Tensors
from search.training.problem.optimizers import rule_optimizer
from search.training.problem.per_setting_optimizer import set_hyperparameters
from search.training.problem.problem import TrainingProblem
from search.training.weighting.loading import computes, rule_named
from search.training.weighting.protocol import Start, StepView


class Learned:
    """The states of rule `name`, each [K, n] as wide as `widths` says, and the optimizers of those that it descends by.

    These are of the study's kind and learning rate, but apart from the model's: clipping and weight decay are meant for the model,
    and a norm over all its gradients must not change with what a rule learns.
    """

    def __init__(self, problem: TrainingProblem, strategy: Strategy, size: int, name: str, widths: Mapping[str, int]) -> None:
        self.name, self.widths, self._size = name, widths, size
        self._rule = computes(name)
        self._states = {state: _stacked(state, width, strategy, size) for state, width in widths.items()}
        bounded = rule_named(name).domain != "any"
        self._least = _stacked("least", len(problem.terms), strategy, size) if bounded else None
        self._optimizers = {state: rule_optimizer(problem.optimizer, self._states[state].variable) for state in self._rule.descends}
        self._optimizer_starts = {
            state: [variable.numpy() for variable in optimizer.variables] for state, optimizer in self._optimizers.items()
        }

    @property
    def variables(self) -> list[Any]:
        """Return all variables: stacked ones, and what the optimizers count."""
        stacked = [*self._states.values(), *([] if self._least is None else [self._least])]
        return [*(each.variable for each in stacked), *(each for own in self._optimizers.values() for each in own.variables)]

    def begin(self, start: Start) -> None:
        """Set the states to `start`, and the optimizers to theirs."""
        for state, stacked in self._states.items():
            stacked.assign(list(start[state]))
        if self._least is not None:
            self._least.variable.assign(np.full(self._least.variable.shape, np.inf))
        for state, optimizer in self._optimizers.items():
            for variable, value in zip(optimizer.variables, self._optimizer_starts[state], strict=True):
                variable.assign(value)

    def take_over(self, other: Learned, places: Sequence[int]) -> None:
        """Go on where the settings at `places` of another stack are."""
        for mine, theirs in zip(self.variables, other.variables, strict=True):
            value = theirs.numpy()
            stacked = tuple(mine.shape) != value.shape  # what the optimizer counts is not
            mine.assign(value.reshape(other._size, -1)[list(places)].reshape(mine.shape) if stacked else value)

    def values(self) -> dict[str, Tensor]:
        """Return the states, each [K, n]."""
        return {state: self._value(state) for state in self._states}

    def least(self) -> NDArray[Any] | None:
        """Return the least value that each term has had, [K, terms]; None for a rule that is defined for all values."""
        return None if self._least is None else self._least.variable.numpy().reshape(self._size, -1)

    def step(self, follows: Tensor, view: StepView, numbers: Tensors) -> None:
        """Let the settings of `follows` [K] learn from a step, in the graph; `numbers` are the optimizer's that are searched."""
        for optimizer in self._optimizers.values():
            set_hyperparameters(optimizer, numbers)
        mine = follows[:, tf.newaxis]
        seen = view._replace(counts=view.counts & mine, measured=view.measured & mine, descend=partial(self._descend, mine))
        for state, value in self._rule.update(self.values(), seen).items():
            self._states[state].update(tf.cast(value, self._states[state].variable.dtype))
        for terms in (view.terms, view.after) if self._least is not None else ():
            self._watch(terms, seen.measured)

    def _watch(self, terms: Tensor | None, measured: Tensor) -> None:
        """Remember the least value of each term; NaN is not less than any."""
        if terms is not None and self._least is not None:
            least = tf.reshape(self._least.value(), (self._size, terms.shape[-1]))
            self._least.update(tf.where(measured & (terms < least), terms, least))

    def _descend(self, mine: Tensor, state: str, gradient: Tensor) -> Tensor:
        stacked = self._states[state]
        own = tf.where(mine, gradient, tf.zeros_like(gradient))
        self._optimizers[state].apply([tf.reshape(own, tuple(stacked.variable.shape))], [stacked.variable])
        return self._value(state)

    def _value(self, state: str) -> Tensor:
        return tf.reshape(self._states[state].value(), (self._size, self.widths[state]))


def _stacked(name: str, width: int, strategy: Strategy, size: int) -> Stacked:
    own = keras.Variable(np.zeros(width), dtype=keras.config.floatx(), name=name)
    return Stacked(own, strategy, size)
