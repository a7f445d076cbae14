"""Frozen layers behind what draws random numbers run on parts of the rows, and settings train as under `fit`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from search.training.engine import frozen_trunk, sharded_layers
from search.training.engine.engine import CohortEngine
from search.training.interface import Setting
from search.training.problem.keras_private import layers_of
from tests.search.training.scenes import Recorder, engine_of, rows, settings, study, task, workload
from tests.search.training.twins import Terms, TwinRun

TERMS: Terms = {
    "a.error": lambda y, y_pred: ops.mean(ops.square(y["a"] - y_pred["a"])),
    "b.error": lambda y, y_pred: ops.mean(ops.square(y["b"] - y_pred["b"])),
}
WEIGHTS = [{"a.error": 1.0, "b.error": 2.0}, {"a.error": 3.0, "b.error": 0.5}]
DEFINITION = study([task("a"), task("b")], training={"epochs": 2, "batch_size": 8})
PARTS = 2

Trunk = Callable[[Any], Any]


class MeanOfBatch(layers.Layer):
    """Takes the mean over the batch off: a row's output depends on its company."""

    def call(self, x: Any) -> Any:
        return x - ops.mean(x, axis=0, keepdims=True)


class MeanOfPair(layers.Layer):
    """Takes the mean over two neighbours off: in halves, and in turned order, they stay neighbours."""

    def call(self, x: Any) -> Any:
        pair = tf.range(tf.shape(x)[0]) // 2
        return x - tf.gather(tf.math.segment_mean(x, pair), pair)


class RemembersMean(layers.Layer):
    """Multiplies, and leaves the batch's mean in a weight that it does not read."""

    def build(self, shape: Any) -> None:
        self.mean = self.add_weight(shape=(), trainable=False, name="mean")
        self.kernel = self.add_weight(shape=(shape[-1], 4), trainable=False, name="kernel")

    def call(self, x: Any) -> Any:
        self.mean.assign(ops.mean(x))
        return ops.matmul(x, self.kernel)


class Positive(layers.Layer):
    """Returns truth values."""

    def call(self, x: Any) -> Any:
        return x > 0


class AddsLoss(layers.Layer):
    """Multiplies, and adds a loss of its inputs."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 4), trainable=False, name="kernel")

    def call(self, x: Any) -> Any:
        self.add_loss(ops.mean(ops.square(x)))
        return ops.matmul(x, self.kernel)


@pytest.fixture(autouse=True)
def _everything_is_worth_sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_trunk, "WORTH_KEEPING", 1.0)
    monkeypatch.setattr(sharded_layers, "WORTH_SHARING", 1.0)
    monkeypatch.setattr(sharded_layers, "WORTH_CUTTING", 1.0)
    monkeypatch.setattr(sharded_layers, "cores", lambda: PARTS)


def frozen(*inner: layers.Layer) -> keras.Sequential:
    trunk = keras.Sequential([keras.Input((6,)), *inner], name="trunk")
    trunk.trainable = False
    return trunk


def behind_dropout(x: Any) -> Any:
    trunk = frozen(layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.Dense(4))
    return trunk(layers.Dropout(0.4, seed=3)(x))


def with_dropout(x: Any) -> Any:
    return frozen(layers.Dense(5, name="before"), layers.Dropout(0.5), layers.Dense(4, name="after"))(x)


def flat(x: Any) -> Any:
    x = layers.Dense(5, trainable=False, name="first")(layers.Dropout(0.4)(x))
    return layers.Dense(4, trainable=False, name="second")(layers.ReLU(name="between")(x))


def kept_in_two(x: Any) -> Any:
    inner = (layers.Dense(6, name=name) for name in ("one", "two"))
    return frozen(*inner, layers.Dropout(0.5), layers.Dense(4, name="after"))(x)


def pretrained(x: Any) -> Any:
    seeded = layers.Dense(4, activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(seed=3))
    return frozen(seeded)(layers.Dropout(0.4)(x))


def model(trunk: Trunk) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        x = keras.Input((6,))
        features = trunk(x)
        return keras.Model(x, {"a": layers.Dense(2)(layers.Dense(3, activation="relu")(features)), "b": layers.Dense(1)(features)})

    return build_model


def _engine(trunk: Trunk, strategy: str = "vectorized", size: int = 2, count: int = 20) -> CohortEngine:
    return engine_of(DEFINITION, workload(model(trunk), rows(count, inputs=6, a=2, b=1)), strategy, size)


def sharded_names(engine: CohortEngine, *, training: bool = True) -> list[str]:
    found = sharded_layers.sharded_layers(engine._problem, engine._network, engine._form)
    names = [layer.name for layer in layers_of(engine._network.model)]
    return [names[place] for place in (found.training if training else found.measuring).flops_of]


@pytest.mark.parametrize("count", [20, 17])  # the last batch has 4 rows, or 1 for two parts
@pytest.mark.parametrize("trunk", [behind_dropout, with_dropout, flat])
@pytest.mark.parametrize("strategy", ["vectorized", "unrolled"])
def test_settings_over_a_sharded_trunk_equal_their_own_fit(strategy: str, trunk: Trunk, count: int, float64: None) -> None:
    engine, recorder = _engine(trunk, strategy, count=count), Recorder()
    assert sharded_names(engine)
    engine.train(settings(*WEIGHTS), DEFINITION.training, recorder)
    bound = workload(model(trunk), rows(count, inputs=6, a=2, b=1))
    optimizer = keras.optimizers.Adam()
    twin = TwinRun(bound, TERMS, WEIGHTS[1], optimizer=optimizer, batch_size=8, epochs=2, seed=0, validate=True)
    for ours, theirs in zip(engine.variables(1)[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    assert recorder.values(1, 2, "train") == pytest.approx(twin.train[1], abs=1e-10)
    assert {path: recorder.values(1, 2)[path] for path in TERMS} == pytest.approx(twin.validation[1], abs=1e-10)


def test_a_trunk_that_is_not_kept_is_sharded_in_measuring_too(float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_trunk, "MEMORY_SHARE", 1e-15)
    engine, recorder = _engine(behind_dropout), Recorder()
    assert sharded_names(engine, training=False) == ["trunk"]
    engine.train(settings(*WEIGHTS), DEFINITION.training, recorder)
    bound = workload(model(behind_dropout), rows(20, inputs=6, a=2, b=1))
    optimizer = keras.optimizers.Adam()
    twin = TwinRun(bound, TERMS, WEIGHTS[0], optimizer=optimizer, batch_size=8, epochs=2, seed=0, validate=True)
    assert {path: recorder.values(0, 2)[path] for path in TERMS} == pytest.approx(twin.validation[1], abs=1e-10)


@pytest.mark.parametrize(
    ("trunk", "names"),
    [
        (behind_dropout, ["trunk"]),
        (with_dropout, ["after"]),  # what stands before the dropout is kept
        (kept_in_two, ["after"]),
        (flat, ["first", "between", "second"]),
        (lambda x: MeanOfBatch()(frozen(layers.Dense(4))(layers.Dropout(0.4)(x))), ["trunk"]),
        (lambda x: frozen(layers.Dense(4), MeanOfBatch(), layers.Dense(4))(layers.Dropout(0.4)(x)), []),
        (lambda x: frozen(layers.Dense(4), MeanOfPair(), layers.Dense(4))(layers.Dropout(0.4)(x)), []),
        (lambda x: frozen(RemembersMean())(layers.Dropout(0.4)(x)), []),
        (lambda x: frozen(AddsLoss())(layers.Dropout(0.4)(x)), []),
        (lambda x: layers.Rescaling(1.0)(frozen(layers.Dense(4, name="inner"), Positive())(layers.Dropout(0.4)(x))), ["inner"]),
        (lambda x: frozen(layers.Dense(4))(layers.Dense(6)(layers.Dropout(0.4)(x))), []),  # differs between settings
    ],
)
def test_what_is_sharded_stands_by_itself(trunk: Trunk, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_layers, "WORTH_SHARING", 2 * 8 * 4 * 4 + 1)  # what is left may be as much
    assert sharded_names(_engine(trunk)) == names


def test_one_core_or_a_small_trunk_shards_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_layers, "cores", lambda: 1)
    assert sharded_names(_engine(behind_dropout)) == []
    monkeypatch.setattr(sharded_layers, "cores", lambda: PARTS)
    monkeypatch.setattr(sharded_layers, "WORTH_SHARING", 1e6)
    assert sharded_names(_engine(behind_dropout)) == []


@pytest.mark.parametrize(("limit", "value"), [("MOST_PARTS", PARTS - 1), ("MOST_OPERATIONS", 5)])
def test_more_cores_or_operations_than_that_shard_nothing(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_layers, limit, value)
    assert sharded_names(_engine(behind_dropout)) == []


def test_seeds_in_one_stack_shard_rows_of_their_own(float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.training.engine.grouping.WORTH_A_GRAPH", -math.inf)
    both = [Setting(number, seed, WEIGHTS[number]) for number, seed in enumerate((0, 1))]
    engine, together, apart = _engine(pretrained), Recorder(), Recorder()
    assert sharded_names(engine) == ["trunk"]
    engine.train(both, DEFINITION.training, together)
    assert together.reports[-1].numbers == [0, 1]
    monkeypatch.setattr(sharded_layers, "WORTH_SHARING", math.inf)
    _engine(pretrained, "serial", 1).train(both, DEFINITION.training, apart)
    for number in range(2):
        assert together.values(number, 2) == pytest.approx(apart.values(number, 2), abs=1e-12)


@pytest.mark.parametrize("taken", [0, 1, 2, 8])
def test_a_term_may_ask_a_sharded_model_for_any_number_of_rows(taken: int, float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(batch: Any) -> Any:
        return ops.sum(ops.square(batch.call(batch.inputs["input"][:taken] + 1.0)["a"]))

    definition = study(
        [task("a"), task("b")], [{"name": "moved", "penalty": "moved", "weight": 1.0}], training={"epochs": 2, "batch_size": 8}
    )
    bound = workload(model(pretrained), rows(20, inputs=6, a=2, b=1), penalties={"moved": moved})
    measured = []
    for worth in (1.0, math.inf):
        monkeypatch.setattr(sharded_layers, "WORTH_SHARING", worth)
        engine, recorder = engine_of(definition, bound, "vectorized"), Recorder()
        engine.train(settings({**WEIGHTS[0], "moved": 0.5}), definition.training, recorder)
        measured.append({path: recorder.values(0, 2)[path] for path in (*TERMS, "moved")})
    assert measured[0] == pytest.approx(measured[1], abs=1e-10)


def test_layers_that_follow_each_other_go_on_with_the_parts() -> None:
    engine = _engine(flat)
    sharded = sharded_layers.sharded_layers(engine._problem, engine._network, engine._form)
    network, inputs = engine._network, engine._problem.example_rows(8).inputs
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trained = len(network.trainable)

    def forward() -> Any:
        return dict(network(values[:trained], values[trained:], inputs, True).outputs)

    run, _ = sharded.during(network, forward, forward)
    graph = tf.function(run, autograph=False).get_concrete_function().graph
    second = [each for each in graph.get_operations() if each.type == "MatMul" and each.inputs[1].shape == (5, 4)]
    assert [each.inputs[0].op.type for each in second] == ["Relu"] * PARTS
