"""Fast adaptive multitask optimization (FAMO): the logarithms of all terms shall fall at one rate.

(Liu, Feng, Stone, Liu, FAMO: Fast adaptive multitask optimization, NeurIPS 2023, algorithm 2, the practical form of algorithm 1.)
The model goes down the gradient of sum_i z_i log L_i with z = softmax(v), scaled so that it is a weighted mean of the terms'
gradients: the weights are in proportion to z_i / L_i. The paper's sum to 1; here they sum to the number of terms, as equal weights
do, so that the same learning rate means the same. The logits v follow how much each logarithm fell in the step, on the same batch.

The paper adds 1e-8 to the terms. Here a term must be above 0: the engine ends a training in which one is not, by name. The paper's
code also clips the shared gradient's norm to 1; here clipping is the study's optimizer's alone.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.problem.batch import Tensor
from search.training.weighting.protocol import Start, State, StepView

LEARNING_RATE = 0.025
"""Of the logits, whatever that of the model is."""

DECAY = 1e-3
"""What pulls the logits back to 0, added to their gradient (the paper's gamma)."""

MOMENTS = (0.9, 0.999)
"""Of Adam (Kingma and Ba, 2015), with 1e-8 in the divisor."""

EPSILON = 1e-8


def shares(logits: Tensor, measured: Tensor) -> Tensor:
    """Return z [K, terms]: the softmax of the logits over the measured terms, 0 for the others."""
    there = tf.where(measured, logits, tf.constant(-np.inf, logits.dtype))
    powers = tf.where(measured, tf.exp(logits - tf.reduce_max(there, axis=-1, keepdims=True)), tf.zeros_like(logits))
    return tf.math.divide_no_nan(powers, tf.reduce_sum(powers, axis=-1, keepdims=True))


def famo_weights(logits: Tensor, terms: Tensor, measured: Tensor) -> Tensor:
    """Return a step's weights [K, terms]: m (z_i / L_i) / sum_j (z_j / L_j) over the m measured terms; others 0."""
    parts = tf.where(measured, shares(logits, measured) / terms, tf.zeros_like(terms))
    number = tf.reduce_sum(tf.cast(measured, terms.dtype), axis=-1, keepdims=True)
    return tf.math.divide_no_nan(number * parts, tf.reduce_sum(parts, axis=-1, keepdims=True))


def logits_gradient(logits: Tensor, before: Tensor, after: Tensor, measured: Tensor) -> Tensor:
    """Return the logits' gradient [K, terms]: z_i (d_i - sum_j z_j d_j) + decay * v_i, d = log(before) - log(after).

    It is that of sum_i z_i d_i by the logits, so a term that falls faster comes to count less.
    """
    falls = tf.where(measured, tf.math.log(before) - tf.math.log(after), tf.zeros_like(before))
    z = shares(logits, measured)
    return z * (falls - tf.reduce_sum(z * falls, axis=-1, keepdims=True)) + DECAY * logits


class Famo:
    """Remembers the logits, Adam's moments and steps, and the last step's weights."""

    descends: tuple[str, ...] = ()
    draws = False

    def init(self, counts: NDArray[np.bool_], initial: NDArray[np.float64]) -> Start:
        zeros = np.zeros(counts.shape)
        usable = counts & (initial > 0)
        parts = np.divide(1.0, np.broadcast_to(initial, counts.shape), out=zeros.copy(), where=usable)
        total = parts.sum(axis=1, keepdims=True)
        weights = np.divide(parts * usable.sum(axis=1, keepdims=True), total, out=zeros.copy(), where=total > 0)
        steps = np.zeros((len(counts), 1))
        return {"logits": zeros, "mean": zeros, "square": zeros, "steps": steps, "weights": weights}

    def weights(self, state: State, view: StepView) -> Tensor:
        return state["weights"] if view.terms is None else famo_weights(state["logits"], view.terms, view.measured)

    def update(self, state: State, view: StepView) -> State:
        first, second = MOMENTS
        gradient = logits_gradient(state["logits"], view.terms, view.after, view.measured)
        steps = state["steps"] + 1
        mean = first * state["mean"] + (1 - first) * gradient
        square = second * state["square"] + (1 - second) * tf.square(gradient)
        step = (mean / (1 - first**steps)) / (tf.sqrt(square / (1 - second**steps)) + EPSILON)
        logits = state["logits"] - LEARNING_RATE * step
        return {"logits": logits, "mean": mean, "square": square, "steps": steps, "weights": view.weights}


FAMO = Famo()
