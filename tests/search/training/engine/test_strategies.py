"""Settings that are vectorized in parts have the values and gradients of settings apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from search.training.engine import strategies
from search.training.engine.strategies import STRATEGIES

IMAGES = np.random.default_rng(0).normal(size=(3, 6, 6, 2))


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategies, "cores", lambda: 2)


def pooled(own: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(tf.constant(IMAGES), own, 1, "SAME")), 2, 2, "SAME")


def convolved(strategy: str, size: int) -> Any:
    """Return a graph of each setting's filters [size, 2, 2, 2, 4] to (values, gradients)."""

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(filters: tf.Tensor) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(filters)
            values = STRATEGIES[strategy].over(pooled, filters, size)
            total = tf.reduce_sum(tf.reshape(values**2, [size, -1]) * tf.range(1, size + 1, dtype=values.dtype)[:, tf.newaxis])
        return values, tf.convert_to_tensor(tape.gradient(total, filters))

    return run


def filters_of(size: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).normal(size=(size, 2, 2, 2, 4)))


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_settings_vectorized_in_parts_equal_settings_apart(size: int) -> None:
    together, apart = (convolved(strategy, size)(filters_of(size)) for strategy in ("vectorized_parts", "unrolled"))
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("size", "parts"), [(3, 1), (4, 2), (8, 2)])
def test_there_are_as_many_parts_as_cores_of_two_settings_or_more(size: int, parts: int) -> None:
    graph = convolved("vectorized_parts", size).get_concrete_function(filters_of(size)).graph
    convolutions = [each for each in graph.get_operations() if each.type == "Conv2D"]
    assert sum(each.inputs[1].shape[-1] > 4 for each in convolutions) == parts  # of several settings' filters
