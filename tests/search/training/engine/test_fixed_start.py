"""`"initial_weights": "fixed"`: every training starts from the weights of seed 0, and its seed decides the order of rows alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import pytest

from search.training.interface import Setting
from tests.search.training.compiled import batches
from tests.search.training.scenes import Recorder, engine_of, rows, study, task, workload

X, Y = rows(22, a=1)
SEEDS = (3, 4)


def _fresh() -> keras.Model:
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(5, activation="tanh")(inputs))
    return keras.Model(inputs, {"a": keras.layers.Dense(1)(keras.layers.BatchNormalization()(hidden))})


def _self_seeding() -> keras.Model:
    keras.utils.set_random_seed(42)
    return _fresh()


BUILDERS: dict[str, Callable[[], Callable[[], keras.Model]]] = {
    "a new model": lambda: _fresh,
    "one that seeds itself": lambda: _self_seeding,
    "the same model again": lambda: lru_cache(_fresh),
}


def _by_fit(build_model: Callable[[], keras.Model], seed: int) -> list[Any]:
    """Return the variables after two epochs from the start of seed 0 over the rows in the order of `seed`."""
    keras.utils.set_random_seed(0)
    model = build_model()
    model.compile(optimizer="adam", loss={"a": "mean_squared_error"}, loss_weights={"a": 2.0}, run_eagerly=True)
    for epoch in range(2):
        order = np.random.default_rng([seed, epoch]).permutation(len(X))
        model.fit(batches(X[order], {"a": Y["a"][order]}, batch_size=8), epochs=1, shuffle=False, verbose=0)
    return [variable.numpy() for variable in (*model.trainable_variables, *model.non_trainable_variables)]


@pytest.mark.parametrize(
    "kind", ["a new model", pytest.param("one that seeds itself", marks=pytest.mark.soak), "the same model again"]
)
def test_every_seed_starts_from_the_weights_of_seed_0(kind: str, float64: None) -> None:
    definition = study([task("a")], training={"epochs": 2, "batch_size": 8, "initial_weights": "fixed"})
    engine, recorder = engine_of(definition, workload(BUILDERS[kind](), (X, Y))), Recorder()
    ends = []
    for number, seed in enumerate(SEEDS):
        engine.train([Setting(number, seed, {"a.error": 2.0})], definition.training, recorder)
        ends.append(engine.variables()[:-1])
    assert recorder.values(0, 0) == recorder.values(1, 0)
    for seed, end in zip(SEEDS, ends, strict=True):
        for ours, theirs in zip(end, _by_fit(BUILDERS[kind](), seed), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_a_fresh_start_is_another_for_every_seed() -> None:
    definition = study([task("a")], training={"epochs": 1, "batch_size": 8})
    engine, recorder = engine_of(definition, workload(_fresh, (X, Y))), Recorder()
    engine.train([Setting(number, seed, {"a.error": 2.0}) for number, seed in enumerate(SEEDS)], definition.training, recorder)
    assert recorder.values(0, 0) != recorder.values(1, 0)
