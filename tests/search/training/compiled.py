"""The plain Keras program with `compile` and `fit` alone, that a training in the service must equal: nothing of ours is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

FEW_STEPS = 40
"""So many steps are done one by one in less time than it takes to trace one."""


def fitted(
    build_model: Callable[[], keras.Model],
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    batch_size: int,
    epochs: int,
    seed: int = 0,
    **compiled: Any,
) -> keras.Model:
    """Return a model after `compile(**compiled)` and a `fit` of each epoch's rows in the documented order."""
    keras.utils.set_random_seed(seed)
    model = build_model()
    count = len(next(iter(x.values())) if isinstance(x, Mapping) else x)
    model.compile(**compiled, run_eagerly=few_steps(count, batch_size, epochs))
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(count)
        model.fit(
            batches(*(taken(part, order) for part in (x, y, sample_weight)), batch_size=batch_size),
            epochs=1,
            shuffle=False,
            verbose=0,
        )
    return model


def batches(*parts: Any, batch_size: int) -> tf.data.Dataset:
    """Return the batches that `fit` makes of arrays (x, y, sample_weight), which traces half a dozen functions for them."""
    given = tree.map_structure(_in_floatx, tuple(part for part in parts if part is not None))
    return tf.data.Dataset.from_tensor_slices(given).batch(batch_size)


def _in_floatx(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(keras.config.floatx()) if np.issubdtype(array.dtype, np.floating) else array


def few_steps(rows: int, batch_size: int, epochs: int) -> bool:
    """Return whether a training is so short that Keras does best without a graph."""
    return -(-rows // batch_size) * epochs <= FEW_STEPS


def taken(part: Any, order: Any) -> Any:
    """Return these rows of an array, or of each array of a dict."""
    if part is None:
        return None
    if isinstance(part, Mapping):
        return {name: array[order] for name, array in part.items()}
    return part[order]


def weighted_mean(values: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """Return sum(values * weights) / sum(weights), or the plain mean."""
    if weights is None:
        return float(np.mean(values))
    return float(np.sum(values * weights) / np.sum(weights))
