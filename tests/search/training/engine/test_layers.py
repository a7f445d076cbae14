"""What a model may be made of: each kind of layer trains as under `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.training.interface import Setting
from tests.search.training.scenes import RANGE, Recorder, engine_of, rows, study, task, workload
from tests.search.training.twins import Terms, TwinRun

WEIGHTS = {"a.error": 1.5, "b.error": 0.5, "apart": 0.7}
PENALTY = {
    "name": "apart",
    "penalty": "implication",
    "between": [{"output": "b"}, {"output": "a", "index": 1}],
    "weight": RANGE,
}
TERMS: Terms = {
    "a.error": lambda y, p: ops.mean(ops.square(ops.cast(y["a"], p["a"].dtype) - p["a"])),
    "b.error": lambda y, p: ops.mean(ops.abs(ops.cast(y["b"], p["b"].dtype) - p["b"])),
    "apart": lambda y, p: ops.mean(ops.relu(p["b"] - p["a"][:, 1:2])),
}


class AddsLoss(keras.layers.Layer):
    """Adds the mean of its input's squares to the loss."""

    def call(self, x: Any) -> Any:
        self.add_loss(0.01 * ops.mean(ops.square(x)))
        return x


class Noise(keras.layers.Layer):
    """Draws from `keras.random` without a seed of its own."""

    def call(self, x: Any) -> Any:
        return x + keras.random.normal(ops.shape(x), stddev=0.1, dtype=x.dtype)


class Subclassed(keras.Model):
    """A model that passes `training` to none of its layers, and makes its layers' weights when it is first called."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(6, activation="tanh")
        self.normal = keras.layers.BatchNormalization()
        self.dropout = keras.layers.Dropout(0.3)
        self.a, self.b = keras.layers.Dense(2), keras.layers.Dense(1)

    def call(self, x: Any, training: bool | None = None) -> Any:
        features = self.dropout(self.normal(self.hidden(x)))
        return {"a": self.a(features), "b": self.b(features)}


def _with(*layers: Callable[[], Any]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        features = inputs = keras.Input((3,))
        for layer in layers:
            features = layer()(features)
        return keras.Model(inputs, {"a": keras.layers.Dense(2)(features), "b": keras.layers.Dense(1)(features)})

    return build_model


def _frozen() -> Any:
    return keras.layers.Dense(5, activation="tanh", trainable=False)


def _regularised() -> Any:
    return keras.layers.Dense(5, kernel_regularizer="l2", activity_regularizer="l1", kernel_constraint="max_norm")


MODELS: dict[str, Callable[[], keras.Model]] = {
    "frozen, regularised, constrained, a loss of its own": _with(
        _frozen, lambda: keras.layers.BatchNormalization(trainable=False), _regularised, AddsLoss
    ),
    "normalised, and random in each way": _with(
        Noise,
        lambda: keras.layers.Dense(5, activation="relu"),
        keras.layers.BatchNormalization,
        lambda: keras.layers.Dropout(0.4),
        lambda: keras.layers.Reshape((5, 1)),
        lambda: keras.layers.GRU(4, dropout=0.2),
    ),
    "subclassed": Subclassed,
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_trains_as_under_fit(kind: str, float64: None) -> None:
    bound = workload(MODELS[kind], rows(22, a=2, b=1))  # 22 rows in batches of 8: the last has 6
    tasks = [task("a"), task("b", "mean_absolute_error")]
    definition = study(tasks, [PENALTY], training={"epochs": 3, "batch_size": 8})
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train([Setting(0, 5, WEIGHTS)], definition.training, recorder)
    twin = TwinRun(bound, TERMS, WEIGHTS, optimizer=keras.optimizers.Adam(), batch_size=8, epochs=3, seed=5)
    for ours, theirs in zip(engine.variables()[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
    assert recorder.values(0, 3, "train") == pytest.approx(twin.train[2], abs=1e-8)


@pytest.mark.parametrize(
    ("name", "config", "optimizer"),
    [
        ("sgd", {"momentum": 0.9, "nesterov": True}, lambda: keras.optimizers.SGD(momentum=0.9, nesterov=True)),
        (
            "adamw",
            {"weight_decay": 0.1, "global_clipnorm": 0.5},
            lambda: keras.optimizers.AdamW(weight_decay=0.1, global_clipnorm=0.5),
        ),
        ("adam", {"gradient_accumulation_steps": 2}, lambda: keras.optimizers.Adam(gradient_accumulation_steps=2)),
    ],
)
def test_an_optimizer_trains_as_under_fit(name: str, config: dict[str, Any], optimizer: Callable[[], Any], float64: None) -> None:
    bound = workload(_with(lambda: keras.layers.Dense(5, activation="tanh")), rows(22, a=2, b=1))
    tasks = [task("a"), task("b", "mean_absolute_error")]
    training = {"epochs": 2, "batch_size": 8, "optimizer": {"name": name, "config": config}}
    definition = study(tasks, [PENALTY], training=training)
    engine = engine_of(definition, bound)
    engine.train([Setting(0, 0, dict.fromkeys(WEIGHTS, 1.0)), Setting(1, 5, WEIGHTS)], definition.training, Recorder())
    twin = TwinRun(bound, TERMS, WEIGHTS, optimizer=optimizer(), batch_size=8, epochs=2, seed=5)
    for ours, theirs in zip(engine.variables()[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_masked_positions_count_neither_in_losses_nor_in_metrics(float64: None) -> None:
    """A sequence model with mask_zero: [batch, time, 1] against labels, where the padded positions are left out."""
    words = np.array([[3, 1, 0, 0], [2, 2, 1, 0], [4, 0, 0, 0]])
    target = np.arange(12.0).reshape(3, 4, 1)

    def build_model() -> keras.Model:
        inputs = keras.Input((4,), dtype="int32")
        features = keras.layers.Embedding(5, 2, mask_zero=True)(inputs)
        return keras.Model(inputs, {"tag": keras.layers.Dense(1, name="tag")(features)})

    definition = study([task("tag", metrics=["mae"])], training={"epochs": 1, "batch_size": 3})
    engine, recorder = engine_of(definition, workload(build_model, (words, {"tag": target}))), Recorder()
    engine.train([Setting(0, 0, {"tag.error": 1.0})], definition.training, recorder)
    keras.utils.set_random_seed(0)
    predicted = np.asarray(build_model()(words)["tag"])
    squares = np.square(target - predicted)[..., 0]
    rows_of = [np.abs(target - predicted)[row, words[row] != 0, 0] for row in range(3)]
    assert recorder.values(0, 0)["tag.error"] == pytest.approx(squares[words != 0].mean())
    assert recorder.values(0, 0)["tag.mae"] == pytest.approx(np.concatenate(rows_of).mean())
