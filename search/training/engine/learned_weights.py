"""What weighting rules learn in training, as stacked variables, and the optimizer that moves them."""

from __future__ import annotations

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
from search.training.weighting.rules import Rules


class Learned:
    """What the rules of a stack's settings learn of every term, [K, terms], and the optimizer that moves it.

    It is an optimizer of the study's kind and learning rate, but one apart: clipping and weight decay are meant for the model,
    and a norm over all its gradients must not change with what a rule learns.
    """

    def __init__(self, problem: TrainingProblem, strategy: Strategy, size: int) -> None:
        self._shape = (size, len(problem.terms))
        own = keras.Variable(np.zeros(len(problem.terms)), dtype=keras.config.floatx(), name="learned")
        self._stacked = Stacked(own, strategy, size)
        self._optimizer = rule_optimizer(problem.optimizer, self._stacked.variable)
        self._optimizer_start = [variable.numpy() for variable in self._optimizer.variables]

    @property
    def variables(self) -> list[Any]:
        return [self._stacked.variable, *self._optimizer.variables]

    def begin(self, start: NDArray[Any]) -> None:
        """Set what is learned to `start` [K, terms], and the optimizer to its start."""
        self._stacked.assign(list(start))
        for variable, value in zip(self._optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)

    def value(self) -> Tensor:
        """Return what is learned: [K, terms]."""
        return tf.reshape(self._stacked.variable.value, self._shape)

    def step(self, rules: Rules, given: Tensor, terms: Tensor, norms: Tensor | None, numbers: Tensors) -> None:
        """Learn from a step in which the terms were `terms`, in the graph; `numbers` are the optimizer's that are searched."""
        set_hyperparameters(self._optimizer, numbers)
        gradient = tf.reshape(rules.gradient(given, self.value(), terms, norms), tuple(self._stacked.variable.shape))
        self._optimizer.apply([gradient], [self._stacked.variable])
        self._stacked.update(rules.kept(given, self.value()))
