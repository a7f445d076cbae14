"""Weights that move from step to step, inside of the graph that trains: what the rules are told, and what they learn.

Settings of fixed, scheduled and dwa weights, whose weights stand still within an epoch, share a graph with those of the rules
`random` and `uncertainty`: masks choose by setting. `gradnorm` needs every term's own gradient, so its settings have a graph of
their own.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from search.training.problem.batch import Tensor
from search.training.weighting.formulas import (
    gradnorm_gradient,
    gradnorm_weights,
    random_weights,
    uncertainty_gradient,
    uncertainty_weights,
)


class Moving(NamedTuple):
    """Who follows which rule: `uncertain` and `random` are [K], bool. What is learned are the log-variances of `uncertainty`.

    `seed`, and `before`, the steps done in earlier epochs, are int64 scalars: what random weights are drawn by.
    """

    uncertain: Tensor
    random: Tensor
    seed: Tensor
    before: Tensor

    def weights(self, given: Tensor, learned: Tensor, step: Tensor) -> Tensor:
        """Return the weights in force in step `step` of the epoch, [K, terms]; `given` are those set before the epoch."""
        counts = tf.not_equal(given, 0)
        drawn = tf.cast(random_weights(self.seed, self.before + tf.cast(step, tf.int64), counts), given.dtype)
        weights = tf.where(self.random[:, tf.newaxis], drawn, given)
        return tf.where(self._learn(counts), uncertainty_weights(learned), weights)

    def gradient(self, given: Tensor, learned: Tensor, terms: Tensor, norms: Tensor | None) -> Tensor:
        """Return the gradient of what is learned after a step in which the terms were `terms`: [K, terms]."""
        gradient = uncertainty_gradient(learned, terms)
        return tf.where(self._learn(tf.not_equal(given, 0)), gradient, tf.zeros_like(gradient))

    def kept(self, given: Tensor, learned: Tensor) -> Tensor:
        """Return what is learned, put into its bounds: log-variances have none."""
        return learned

    def _learn(self, counts: Tensor) -> Tensor:
        return self.uncertain[:, tf.newaxis] & counts


class Balancing(NamedTuple):
    """The rule `gradnorm` for all settings; what is learned are their weights. `initial`: the terms before training, [terms]."""

    initial: Tensor

    def weights(self, given: Tensor, learned: Tensor, step: Tensor) -> Tensor:
        """Return the weights in force, [K, terms]."""
        return learned

    def gradient(self, given: Tensor, learned: Tensor, terms: Tensor, norms: Tensor | None) -> Tensor:
        """Return the weights' gradient after a step; `norms` are those of the terms' gradients by the shared layer."""
        return gradnorm_gradient(learned, norms, terms, self.initial, tf.not_equal(given, 0))

    def kept(self, given: Tensor, learned: Tensor) -> Tensor:
        """Return the weights, positive and scaled to their sum."""
        return gradnorm_weights(learned, tf.not_equal(given, 0))


Rules = Moving | Balancing
