"""A variable of several settings is updated as each setting's own would be."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.training.engine.stacked_variable import Stacked
from search.training.engine.strategies import STRATEGIES

START = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
ROWS = np.array([[0, 3, 3], [4, 1, 0]])
VALUES = np.random.default_rng(1).normal(size=(2, 3, 3)).astype("float32")


@pytest.mark.parametrize("kind", [keras.optimizers.Adagrad, keras.optimizers.RMSprop, keras.optimizers.Adadelta])
def test_a_gradient_by_rows_goes_through_optimizers_that_divide_it(kind: Any) -> None:
    stacked = Stacked(keras.Variable(START), STRATEGIES["vectorized"], 2, by_rows=True)
    optimizer = kind(0.1)
    optimizer.build([stacked.variable])

    @tf.function
    def step() -> None:
        optimizer.apply([stacked.gradient((tf.constant(VALUES), tf.constant(ROWS)))], [stacked.variable])

    step()
    for place in range(2):
        alone, own = keras.Variable(START), kind(0.1)
        own.build([alone])
        own.apply([tf.IndexedSlices(VALUES[place], ROWS[place], tf.constant(START.shape, tf.int64))], [alone])
        np.testing.assert_allclose(stacked.at(place), alone.numpy(), rtol=1e-5, atol=1e-6)
