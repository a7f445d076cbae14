"""Convolutions of all settings as one give what each setting gives alone, and so do their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from search.training.engine import packed_images
from search.training.engine.packed_images import grouped_convolutions
from search.training.engine.strategies import STRATEGIES

K, BATCH, SIDE = 3, 4, 6

Filters = dict[str, Any]


def normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


FILTERS = {
    "first": normal(K, 3, 3, 2, 4),
    "bias": normal(K, 4),
    "second": normal(K, 2, 2, 4, 6),
    "same": normal(K, 3, 3, 4, 4),
    "images": normal(K, BATCH, SIDE, SIDE, 2),
    "halves": normal(K, 3, 3, 1, 6),
    "later halves": normal(K, 2, 2, 2, 6),
}


def _rows(own: Filters) -> Any:
    return tf.constant(normal(BATCH, SIDE, SIDE, 2), own["first"].dtype)


def _convolved(own: Filters) -> Any:
    return tf.nn.bias_add(tf.nn.conv2d(_rows(own), own["first"], 1, "SAME"), own["bias"])


def _twice(own: Filters) -> Any:
    return tf.nn.conv2d(tf.nn.max_pool2d(tf.nn.relu(_convolved(own)), 2, 2, "VALID"), own["second"], 1, "VALID")


def _residual(own: Filters) -> Any:
    features = tf.nn.relu(_convolved(own))
    return tf.nn.avg_pool2d(tf.nn.elu(features + tf.nn.conv2d(features, own["same"], 1, "SAME")), 3, 2, "SAME")


def _read_twice(own: Filters) -> Any:
    features = tf.nn.relu(_convolved(own))
    return tf.reduce_mean(features, [1, 2]) + tf.reduce_max(tf.nn.max_pool2d(features, 2, 2, "VALID"), [1, 2])


def _turned_round(own: Filters) -> Any:
    return tf.nn.conv2d_transpose(_convolved(own), own["same"], (BATCH, 2 * SIDE, 2 * SIDE, 4), 2, "SAME")


def _shared_bias(own: Filters) -> Any:
    return tf.nn.bias_add(tf.nn.conv2d(_rows(own), own["first"], 1, "SAME"), tf.constant(FILTERS["bias"][0], own["first"].dtype))


def _explicitly_padded(own: Filters) -> Any:
    return tf.nn.conv2d(_convolved(own), own["same"], 1, [[0, 0], [1, 1], [2, 0], [0, 0]])


def _own_gradient(own: Filters) -> Any:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(own)
        total = tf.reduce_sum(_twice(own) ** 2)
    found = tape.gradient(total, [own["first"], own["second"]])
    return tf.concat([tf.reshape(each, [-1]) for each in found], axis=0)


CASES: dict[str, Callable[[Filters], Any]] = {
    "rows that all share": lambda own: tf.nn.conv2d(_rows(own), own["first"], 2, "VALID"),
    "images of one's own": lambda own: tf.nn.conv2d(own["images"], own["first"], [1, 2, 1, 1], "SAME"),
    "twice, with a greatest value between": _twice,
    "a residual block": _residual,
    "a falling function before the greatest value": lambda own: tf.nn.max_pool2d(-tf.nn.relu(_convolved(own)), 2, 1, "SAME"),
    "another function before the greatest value": lambda own: tf.nn.max_pool2d(tf.tanh(_convolved(own)), 2, 1, "SAME"),
    "what is read twice": _read_twice,
    "turned round": _turned_round,
    "a bias that all share": _shared_bias,
    "a gradient that each takes itself": _own_gradient,
    "explicit padding": _explicitly_padded,
}

HALVES: dict[str, Callable[[Filters], Any]] = {
    "of rows that all share": lambda own: tf.nn.conv2d(_rows(own), own["halves"], 1, "SAME"),
    "of images of one's own": lambda own: tf.nn.conv2d(own["images"], own["halves"], 1, "SAME"),
    "behind another": lambda own: tf.nn.conv2d(tf.nn.relu(_convolved(own)), own["later halves"], 1, "VALID"),
}
"""Filters that each see half of the channels, as those of a layer with `groups=2`."""


def values_and_gradients(strategy: str, function: Callable[[Filters], Any], dtype: str) -> list[Any]:
    own = {name: tf.constant(values, dtype) for name, values in FILTERS.items()}

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def run(own: Filters) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(own)
            values = STRATEGIES[strategy].over(function, own, K)
            each = tf.reduce_sum(tf.reshape(values**2, [K, -1]), axis=1)
            total = tf.reduce_sum(each * tf.range(1, K + 1, dtype=values.dtype))
        found = tape.gradient(total, own)
        return [values, *(found[name] for name in sorted(found) if found[name] is not None)]

    return [each.numpy() for each in run(own)]


@pytest.mark.parametrize("case", CASES)
def test_settings_together_equal_the_settings_apart(case: str) -> None:
    together, apart = (values_and_gradients(strategy, CASES[case], "float64") for strategy in ("vectorized", "unrolled"))
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", HALVES)
def test_filters_of_half_the_channels_see_those_of_their_own_setting(case: str) -> None:
    together, apart = (values_and_gradients(strategy, HALVES[case], "float32") for strategy in ("vectorized", "unrolled"))
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("case", HALVES)
def test_filters_of_half_the_channels_give_the_same_values_in_float64(case: str) -> None:
    """Values alone: TensorFlow has no gradient of groups in float64 on a processor, of settings apart neither."""
    own = {name: tf.constant(values, "float64") for name, values in FILTERS.items()}
    together, apart = (STRATEGIES[strategy].over(HALVES[case], own, K) for strategy in ("vectorized", "unrolled"))
    np.testing.assert_allclose(together, apart, rtol=1e-12, atol=1e-12)


def test_explicit_padding_behind_a_convolution_has_gradients_in_float32() -> None:
    together, apart = (values_and_gradients(strategy, _explicitly_padded, "float32") for strategy in ("vectorized", "unrolled"))
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize("grouped", [True, False])
def test_convolutions_in_groups_equal_those_beside_each_other(grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_images, "grouped_convolutions", lambda dtype: grouped and grouped_convolutions(dtype))
    together, apart = (values_and_gradients(strategy, _twice, "float32") for strategy in ("vectorized", "unrolled"))
    for ours, theirs in zip(together, apart, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def test_convolutions_in_groups_are_tried_before_they_are_used() -> None:
    images, filters = tf.ones((1, 4, 4, 4), tf.float64), tf.ones((3, 3, 2, 4), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(filters)
        made = tf.nn.conv2d(images, filters, 1, "SAME")
    assert not grouped_convolutions(tf.float64)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tape.gradient(made, filters)
