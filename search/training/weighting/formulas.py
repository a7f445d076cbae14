"""Rules that move the weights of terms in training. Pure functions; what they remember lies with their callers.

The papers know the losses of tasks only. Here a rule moves every term that counts, penalties too: every one whose starting weight
is not 0. It begins with weight 1 for each, whatever that starting weight was, and m is their number; the others stay 0. `counts`
marks the terms that count, [K, terms] or [terms]. Settings are rows that know nothing of each other, so NaN stays in its row.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.problem.batch import Tensor

Numbers = NDArray[np.float64]

TEMPERATURE = 2.0
"""Of dynamic weight average: as in the paper, section 3.2."""

ALPHA = 1.5
"""How strongly GradNorm pulls slower terms forward: the value of the paper's experiments on NYUv2, section 5."""

LEAST = 1e-6
"""What GradNorm lets no weight fall below, before they are scaled to their sum."""


def dwa_weights(latest: Numbers, earlier: Numbers, counts: NDArray[np.bool_]) -> Numbers:
    """Return the next epoch's weights [terms] by dynamic weight average, from the terms' means in the last two epochs.

    w_i(t) = m * softmax_i(r / T) with r_i = L_i(t-1) / L_i(t-2): a term that falls more slowly counts more (Liu, Johns, Davison,
    End-to-end multi-task learning with attention, CVPR 2019, equation 7). L_i are means over rows, as they were met in training.
    r_i = 1 where L_i(t-2) is not positive or L_i(t-1) is negative: there the quotient says nothing of pace.
    """
    if not counts.any():
        return np.zeros_like(latest)
    known = (earlier > 0) & (latest >= 0)
    rates = np.divide(latest, earlier, out=np.ones_like(latest), where=known)
    exponents = np.where(counts, rates / TEMPERATURE, -np.inf)
    powers = np.exp(exponents - exponents.max())
    return np.asarray(counts.sum() * powers / powers.sum())


def random_weights(seed: Tensor, step: Tensor, counts: Tensor) -> Tensor:
    """Return a step's weights [K, terms] in float64 by random loss weighting: m * softmax(z), z normal, drawn anew in every step.

    (Lin, Ye, Zhang, Tsang, Reasonable effectiveness of random weighting, TMLR 2022, section 3.) The paper's weights sum to 1; m
    makes them sum to what equal weights do, so that the same learning rate means the same. `step` counts within the whole
    training: a draw depends on it and on `seed` (int64 scalars) alone, not on how the steps are split into calls.
    """
    normal = tf.random.stateless_normal([counts.shape[-1]], tf.stack([seed, step]), dtype=tf.float64, alg="philox")
    shares = tf.nn.softmax(tf.where(counts, normal, tf.constant(-np.inf, tf.float64)))
    return tf.where(counts, _number(counts, tf.float64) * shares, tf.zeros_like(shares))


def uncertainty_weights(log_variances: Tensor) -> Tensor:
    """Return the weights exp(-s) [K, terms] of learned log-variances s; see `uncertainty_gradient`."""
    return tf.exp(-log_variances)


def uncertainty_gradient(log_variances: Tensor, terms: Tensor) -> Tensor:
    """Return the gradient 1 - exp(-s) * L of the log-variances s, [K, terms], which minimise sum_i exp(-s_i) L_i + s_i.

    (Kendall, Gal, Cipolla, Multi-task learning using uncertainty, CVPR 2018, section 3.2, with s = log sigma^2.) The paper has
    L / (2 sigma^2) + log sigma for squared errors, which is half of exp(-s) L + s, and L / sigma^2 + log sigma for entropies, which
    is half of exp(-s) 2L + s. One form serves all terms here, since the likelihood behind a term is not known: the common half is
    left out, so that s = 0 is the equal weighting, and so is the 2 of entropies, a factor of the term's own value. The optimum
    given the model is exp(-s) = 1 / L. A term that stays negative has none: its weight grows without bound.
    """
    return 1 - tf.exp(-log_variances) * terms


def gradnorm_gradient(weights: Tensor, norms: Tensor, terms: Tensor, initial: Tensor, counts: Tensor) -> Tensor:
    """Return the gradient of GradNorm's weights [K, terms]: sign(G_i - mean(G) r_i^alpha) * |g_i|, 0 for terms that do not count.

    It is that of sum_i |G_i - mean(G) r_i^alpha| with the aim held constant, where G_i = w_i |g_i|, `norms` |g_i| [K, terms] are
    the norms of the unweighted terms' gradients by the last shared layer's weights, and r_i = (L_i / L_i(0)) / mean(L / L(0)) is
    how slowly a term falls (Chen, Badrinarayanan, Lee, Rabinovich, GradNorm, ICML 2018, equations 1 and 2, algorithm 1). `initial`
    is L(0) [terms], measured before training over all training rows. L_i / L_i(0) = 1 where L_i(0) is not positive (a penalty that
    is satisfied at first, say); r_i is never below 0.
    """
    left = tf.where(initial > 0, terms / initial, tf.ones_like(terms))
    rates = tf.maximum(tf.math.divide_no_nan(left, _mean(left, counts)), 0)
    weighted = weights * norms
    aims = _mean(weighted, counts) * tf.pow(rates, ALPHA)
    return tf.where(counts, tf.sign(weighted - aims) * norms, tf.zeros_like(norms))


def gradnorm_weights(weights: Tensor, counts: Tensor) -> Tensor:
    """Return the weights [K, terms] after a step of GradNorm: positive, and scaled to the sum m, as the paper does."""
    kept = tf.where(counts, tf.maximum(weights, LEAST), tf.zeros_like(weights))
    return tf.math.divide_no_nan(kept * _number(counts, kept.dtype), tf.reduce_sum(kept, axis=-1, keepdims=True))


def _number(counts: Tensor, dtype: tf.DType) -> Tensor:
    """Return m, how many terms count: [K, 1]."""
    return tf.reduce_sum(tf.cast(counts, dtype), axis=-1, keepdims=True)


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Return the mean over the terms that count: [K, 1]."""
    total = tf.reduce_sum(tf.where(counts, values, tf.zeros_like(values)), axis=-1, keepdims=True)
    return tf.math.divide_no_nan(total, _number(counts, values.dtype))
