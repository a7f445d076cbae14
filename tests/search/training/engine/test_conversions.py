"""The engine's own conversions of operations give what each setting gives alone, and so do their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from search.training.engine.strategies import STRATEGIES

K, BATCH, WIDTH = 3, 5, 4

Function = Callable[[Any, Any], Any]


def normal(*shape: int) -> Any:
    return tf.constant(np.random.default_rng(sum(shape)).normal(size=shape))


SHARED, LABELS = normal(BATCH, WIDTH), tf.constant([0, 3, 1, 1, 2])

CASES: dict[str, tuple[Function, Sequence[int]]] = {
    "a shared matrix times own ones": (lambda own, _: SHARED @ own, (WIDTH, 2)),
    "a shared matrix times own ones, both turned": (
        lambda own, _: tf.matmul(SHARED, own, transpose_a=True, transpose_b=True),
        (2, BATCH),
    ),
    "own matrices times a shared one": (lambda own, _: own @ SHARED, (2, BATCH)),
    "a choice by the setting": (lambda own, on: tf.raw_ops.Select(condition=on, x=own**2, y=own), (BATCH, 2)),
    "a choice by element": (lambda own, _: tf.raw_ops.Select(condition=own > 0, x=own**2, y=own), (BATCH, 2)),
    "a choice by row": (lambda own, _: tf.raw_ops.Select(condition=own[:, 0] > 0, x=own**2, y=own), (BATCH, 2)),
    "cross-entropies under shared labels": (
        lambda own, _: tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, own),
        (BATCH, WIDTH),
    ),
    "cross-entropies under own labels": (
        lambda own, on: tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS % (1 + 3 * tf.cast(on, tf.int32)), own),
        (BATCH, WIDTH),
    ),
}


def values_and_gradients(strategy: str, function: Function, own: Any) -> tuple[Any, Any]:
    on = tf.constant([True, False, True])
    with tf.GradientTape() as tape:
        tape.watch(own)
        values = STRATEGIES[strategy].over(lambda each: function(*each), (own, on), K)
        each = tf.reduce_sum(tf.reshape(values, [K, -1]), axis=1)
        total = tf.reduce_sum(each * tf.range(1, K + 1, dtype=values.dtype))
    return values.numpy(), tape.gradient(total, own).numpy()


@pytest.mark.parametrize("case", CASES)
def test_a_conversion_equals_the_settings_apart(case: str) -> None:
    function, shape = CASES[case]
    own = normal(K, *shape)
    together = values_and_gradients("vectorized", function, own)
    apart = values_and_gradients("unrolled", function, own)
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
