"""Layers that assign weights in their calls train as under `fit`, by every strategy: nothing assigned is lost, no gradient flows
through it, and the optimizer goes on from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.training.interface import Setting
from tests.search.training.scenes import Recorder, engine_of, rows, study, task, workload
from tests.search.training.twins import Terms, TwinRun

WEIGHTS = {"a.error": 1.5, "b.error": 0.5}
OTHERS = {"a.error": 0.2, "b.error": 3.0}
TERMS: Terms = {
    "a.error": lambda y, p: ops.mean(ops.square(y["a"] - p["a"])),
    "b.error": lambda y, p: ops.mean(ops.abs(y["b"] - p["b"])),
}
ATOL = 1e-8


class Decay(keras.layers.Layer):
    """Shrinks a trainable scale in every training call."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.scale.assign(self.scale * 0.9)
        return x * self.scale


class ReadsBoth(Decay):
    """Uses its trainable scale before and after it is assigned: both uses have a gradient by it."""

    def call(self, x: Any, training: bool = False) -> Any:
        before = ops.square(self.scale)
        if training:
            self.scale.assign_sub(0.1 * ops.mean(x, axis=0))
        return x * (before + self.scale)


class Centre(keras.layers.Layer):
    """Subtracts a running mean that it has just updated: a moving average used in the same call."""

    def build(self, shape: Any) -> None:
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="mean")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x, axis=0))
        return x - self.mean


class Counts(keras.layers.Layer):
    """Scales by a number of calls, an integer that it assigns and then uses."""

    def build(self, shape: Any) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="int32", name="calls")

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.calls.assign_add(1)
        return x / (1 + 0.1 * ops.cast(self.calls, x.dtype))


def _dense() -> Any:
    return keras.layers.Dense(5, activation="tanh")


def _spectral() -> Any:
    return keras.layers.SpectralNormalization(keras.layers.Dense(5, kernel_constraint="max_norm", kernel_regularizer="l2"))


def _twice(kind: Callable[[], Any]) -> Callable[[], Any]:
    """Return a layer that is called twice in one pass."""

    def made() -> Any:
        layer = kind()
        return lambda x: layer(x) + layer(2 * x)

    return made


def _with(*layers: Callable[[], Any]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        features = inputs = keras.Input((3,))
        for layer in layers:
            features = layer()(features)
        return keras.Model(inputs, {"a": keras.layers.Dense(2)(features), "b": keras.layers.Dense(1)(features)})

    return build_model


MODELS: dict[str, Callable[[], keras.Model]] = {
    "spectral normalisation, and read before and after": _with(_dense, _spectral, ReadsBoth),
    "called twice, a scale that decays and a mean used at once": _with(_dense, _twice(Decay), _twice(Centre)),
    "a count used at once, after batch normalisation": _with(_dense, keras.layers.BatchNormalization, Decay, Counts),
}
STACKED = next(iter(MODELS))
"""What is trained by every strategy; the others differ from it by their formulas alone."""


@pytest.mark.parametrize(
    ("kind", "strategy"), [*((kind, "vectorized") for kind in MODELS), (STACKED, "unrolled"), (STACKED, "serial")]
)
def test_what_a_layer_assigns_is_trained_as_under_fit(kind: str, strategy: str, float64: None) -> None:
    bound = workload(MODELS[kind], rows(22, a=2, b=1))
    _require_as_fit(bound, strategy, [OTHERS, WEIGHTS])


def _require_as_fit(bound: Any, strategy: str, weights: list[dict[str, float]]) -> None:
    """Train the settings together; the last must be what `fit` makes of it alone."""
    tasks = [task("a"), task("b", "mean_absolute_error")]
    definition = study(tasks, training={"epochs": 3, "batch_size": 8})
    engine, recorder = engine_of(definition, bound, strategy, size=2), Recorder()
    engine.train([Setting(i, 5, each) for i, each in enumerate(weights)], definition.training, recorder)
    twin = TwinRun(bound, TERMS, weights[-1], optimizer=keras.optimizers.Adam(), batch_size=8, epochs=3, seed=5)
    for ours, theirs in zip(engine.variables()[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=ATOL)
    assert recorder.values(len(weights) - 1, 3, "train") == pytest.approx(twin.train[2], abs=ATOL)
