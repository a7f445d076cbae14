"""A frozen trunk is run once a row where nothing random stands before it, and settings train as under `fit`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from search.training.engine import frozen_trunk
from search.training.engine.cost import cost_of
from search.training.engine.engine import CohortEngine
from search.training.engine.frozen_trunk import cost_in_steps, frontier_of
from search.training.engine.stacked_variable import form_of
from search.training.engine.strategies import STRATEGIES
from search.training.engine.traces import traces_made
from search.training.interface import Setting
from search.training.problem.keras_private import layers_of
from tests.search.training.scenes import Recorder, engine_of, rows, settings, study, task, workload
from tests.search.training.twins import Terms, TwinRun

TERMS: Terms = {
    "a.error": lambda y, y_pred: ops.mean(ops.square(y["a"] - y_pred["a"])),
    "b.error": lambda y, y_pred: ops.mean(ops.square(y["b"] - y_pred["b"])),
}
WEIGHTS = [{"a.error": 1.0, "b.error": 2.0}, {"a.error": 3.0, "b.error": 0.5}]
DEFINITION = study([task("a", metrics=["mae"]), task("b")], training={"epochs": 2, "batch_size": 8})

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


class LargeBesideCoupled(layers.Layer):
    """Takes the mean over the batch off all columns but the first, whose numbers are large."""

    def call(self, x: Any) -> Any:
        return ops.concatenate([1e6 * x[:, :1], x[:, 1:] - ops.mean(x[:, 1:], axis=0, keepdims=True)], axis=1)


def frozen(*inner: layers.Layer, name: str = "trunk") -> keras.Sequential:
    trunk = keras.Sequential([keras.Input((6,)), *inner], name=name)
    trunk.trainable = False
    return trunk


def model(trunk: Trunk) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        x = keras.Input((6,))
        features = trunk(x)
        return keras.Model(x, {"a": layers.Dense(2)(layers.Dense(3, activation="relu")(features)), "b": layers.Dense(1)(features)})

    return build_model


def nested(x: Any) -> Any:
    return frozen(layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.Dense(4))(x)


def with_dropout(x: Any) -> Any:
    return frozen(layers.Dense(5, name="before"), layers.Dropout(0.5), layers.Dense(4))(x)


def coupled(x: Any) -> Any:
    return layers.Dense(5, trainable=False)(MeanOfBatch()(layers.Dense(4, trainable=False)(x)))


def above_what_is_trained(x: Any) -> Any:
    return layers.Dense(5, trainable=False)(layers.Dense(4)(x))


def two_branches(x: Any) -> Any:
    return layers.Concatenate()(
        [layers.Dense(3, trainable=False, name="left")(x), layers.Dense(2, trainable=False, name="right")(x)]
    )


@pytest.fixture(autouse=True)
def _everything_is_worth_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_trunk, "WORTH_KEEPING", 1.0)


def _engine(trunk: Trunk, strategy: str = "vectorized", size: int = 2, **more: Any) -> CohortEngine:
    return engine_of(DEFINITION, workload(model(trunk), rows(20, inputs=6, a=2, b=1), **more), strategy, size)


def kept_names(engine: CohortEngine, *, training: bool = True) -> list[str]:
    if engine._trunk is None:
        return []
    names = [layer.name for layer in layers_of(engine._network.model)]
    return [names[each.place] for each in engine._trunk.frontier.kept(training)]


def test_settings_over_a_kept_trunk_equal_their_own_fit(float64: None) -> None:
    engine, recorder = _engine(nested), Recorder()
    assert kept_names(engine) == ["trunk"]
    engine.train(settings(*WEIGHTS), DEFINITION.training, recorder)
    bound = workload(model(nested), rows(20, inputs=6, a=2, b=1))
    optimizer = keras.optimizers.Adam()
    twin = TwinRun(bound, TERMS, WEIGHTS[1], optimizer=optimizer, batch_size=8, epochs=2, seed=0, validate=True)
    for ours, theirs in zip(engine.variables(1)[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    assert recorder.values(1, 2, "train") == pytest.approx(twin.train[1], abs=1e-10)
    assert {path: recorder.values(1, 2)[path] for path in TERMS} == pytest.approx(twin.validation[1], abs=1e-10)


def pretrained(x: Any) -> Any:
    return frozen(layers.Dense(4, activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(seed=3)))(x)


def test_seeds_over_one_kept_trunk_share_a_stack_and_take_its_features_in_their_own_orders(
    float64: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.training.engine.grouping.WORTH_A_GRAPH", -math.inf)
    both = [Setting(number, seed, WEIGHTS[number]) for number, seed in enumerate((0, 1))]
    engine, together, apart = _engine(pretrained), Recorder(), Recorder()
    engine.train(both, DEFINITION.training, together)
    _engine(pretrained, "serial", 1).train(both, DEFINITION.training, apart)
    assert kept_names(engine) == ["trunk"]
    assert together.reports[-1].numbers == [0, 1]
    for number in range(2):
        assert together.values(number, 2) == pytest.approx(apart.values(number, 2), abs=1e-12)


def test_every_seed_has_the_features_of_its_own_frozen_weights(float64: None) -> None:
    engine, apart = _engine(nested), Recorder()
    together = Recorder()
    both = [Setting(number, seed, WEIGHTS[0]) for number, seed in enumerate((0, 1))]
    engine.train(both, DEFINITION.training, together)
    _engine(nested).train(both[1:], DEFINITION.training, apart)
    assert together.values(1, 2) == pytest.approx(apart.values(1, 2), abs=1e-12)
    assert together.values(0, 2) != pytest.approx(together.values(1, 2), abs=1e-6)


def test_seeds_of_the_same_frozen_weights_have_their_features_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unused_dropout(x: Any) -> Any:
        return pretrained(layers.Dropout(0.5)(x, training=False))

    engine, computed = _engine(unused_dropout, "serial", 1), []
    of_rows = engine._trunk.of_rows  # type: ignore[union-attr]
    monkeypatch.setattr(engine._trunk, "of_rows", lambda *given, **named: computed.append(1) or of_rows(*given, **named))
    for seed in (0, 1):
        engine._stack(1).begin([engine._starts.variables(seed)])
        engine._features("train", Recorder(), training=True)
    assert len(computed) == 1


@pytest.mark.parametrize(
    ("trunk", "names"),
    [
        (with_dropout, ["before"]),  # what follows the dropout differs from step to step
        (coupled, []),  # a row's features depend on its company
        (lambda x: frozen(layers.Dense(4), MeanOfPair(), layers.Dense(4))(x), []),
        (lambda x: frozen(layers.Dense(4), LargeBesideCoupled())(x), []),
        (above_what_is_trained, []),
        (two_branches, ["concatenate"]),
    ],
)
def test_what_is_kept_stands_before_all_that_differs(trunk: Trunk, names: list[str]) -> None:
    found = kept_names(_engine(trunk))
    assert [name.rstrip("_0123456789") for name in found] == names


def test_rows_are_tried_from_all_over_the_data() -> None:
    x, y = rows(20, inputs=6, a=2, b=1)
    x[:8] = x[0]  # alike, whatever is taken off them
    assert kept_names(engine_of(DEFINITION, workload(model(coupled), (x, y)), "vectorized", 2)) == []


@pytest.mark.parametrize("strategy", ["unrolled", "vectorized"])
def test_a_trunk_with_dropout_trains_as_under_fit(strategy: str, float64: None) -> None:
    engine, recorder = _engine(with_dropout, strategy), Recorder()
    engine.train(settings(*WEIGHTS), DEFINITION.training, recorder)
    bound = workload(model(with_dropout), rows(20, inputs=6, a=2, b=1))
    twin = TwinRun(bound, TERMS, WEIGHTS[1], optimizer=keras.optimizers.Adam(), batch_size=8, epochs=2, seed=0)
    for ours, theirs in zip(engine.variables(1)[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("trunk", [with_dropout, lambda x: with_dropout(layers.Dropout(0.1)(x))])
def test_measuring_keeps_a_trunk_that_draws_in_training(trunk: Trunk) -> None:
    engine = _engine(trunk)
    assert kept_names(engine, training=False) == ["trunk"]
    assert kept_names(engine) != ["trunk"]


def test_a_trunk_kept_in_measuring_alone_measures_and_trains_as_under_fit(float64: None) -> None:
    def behind(x: Any) -> Any:
        return nested(layers.Dropout(0.5, seed=3)(x))

    engine, recorder = _engine(behind), Recorder()
    assert (kept_names(engine), kept_names(engine, training=False)) == ([], ["trunk"])
    engine.train(settings(*WEIGHTS), DEFINITION.training, recorder)
    bound = workload(model(behind), rows(20, inputs=6, a=2, b=1))
    twin = TwinRun(bound, TERMS, WEIGHTS[1], optimizer=keras.optimizers.Adam(), batch_size=8, epochs=1, seed=0, validate=True)
    assert recorder.values(1, 1, "train") == pytest.approx(twin.train[0], abs=1e-10)
    assert {path: recorder.values(1, 1)[path] for path in TERMS} == pytest.approx(twin.validation[0], abs=1e-10)


def test_what_is_left_of_a_trunk_behind_its_dropout_still_costs_a_step() -> None:
    problem = _engine(with_dropout)._problem
    network = problem.network(0)
    cost, frontier = cost_of(problem), frontier_of(problem, network, form_of(problem, network))
    assert (cost.shared_flops, frontier.flops) == (2 * 8 * (6 * 5 + 5 * 4), 2 * 8 * 6 * 5)  # 2 * batch * inputs * units
    assert cost_in_steps(cost, frontier, batch_size=8).shared_flops == 2 * 8 * 5 * 4


@functools.cache
def _kept_values() -> dict[str, float]:
    recorder = Recorder()
    _engine(nested, "serial", 1).train(settings(WEIGHTS[0]), DEFINITION.training, recorder)
    return recorder.values(0, 2)


@pytest.mark.parametrize("at", ["the features", "a step of one setting"])
def test_where_a_kept_trunk_runs_out_of_memory_it_runs_in_every_step(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, recorder = _engine(nested, "serial", 1), Recorder()

    def too_large(*_: Any, **__: Any) -> Any:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    if at == "the features":
        monkeypatch.setattr(engine._trunk, "of_rows", too_large)
    else:
        monkeypatch.setattr(engine._stack(1), "train", too_large)
    engine.train(settings(WEIGHTS[0]), DEFINITION.training, recorder)
    assert engine._trunk is None
    assert engine._cost == cost_of(engine._problem)
    assert kept_names(CohortEngine(engine._problem, STRATEGIES["serial"], 1)) == []
    assert recorder.values(0, 2) == pytest.approx(_kept_values(), rel=1e-5)


def masked() -> keras.Model:
    """Return a model whose frozen trunk puts a mask on its output, by an inner layer."""
    x = keras.Input((6,), dtype="int32")
    trunk = keras.Sequential([keras.Input((6,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), layers.Dense(3)])
    trunk.trainable = False
    read = layers.GlobalAveragePooling1D()(trunk(x))
    return keras.Model(x, {"a": layers.Dense(2)(read), "b": layers.Dense(1)(read)})


def test_the_mask_that_a_kept_trunk_puts_on_its_output_is_not_lost(float64: None) -> None:
    x, y = rows(20, inputs=6, a=2, b=1)
    bound = workload(masked, ((np.abs(x) * 4).astype("int32") % 9, y))
    engine, recorder = engine_of(DEFINITION, bound, "vectorized", 2), Recorder()
    engine.train(settings(*WEIGHTS), DEFINITION.training, recorder)
    twin = TwinRun(bound, TERMS, WEIGHTS[1], optimizer=keras.optimizers.Adam(), batch_size=8, epochs=2, seed=0, validate=True)
    assert recorder.values(1, 2, "train") == pytest.approx(twin.train[1], abs=1e-10)
    assert {path: recorder.values(1, 2)[path] for path in TERMS} == pytest.approx(twin.validation[1], abs=1e-10)


def test_a_pass_over_many_rows_reports_on_its_way_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _engine(nested)
    assert engine._trunk is not None
    heard: list[int] = []
    inputs = engine._problem.rows("train").inputs
    whole = engine._trunk._run[True](dict(inputs))
    found = engine._trunk.of_rows(inputs, heard.append, training=True)
    assert sum(heard) == 3
    assert len(heard) > 1
    for name, features in whole.items():
        np.testing.assert_array_equal(found[name], features)


def test_the_first_epoch_runs_the_graph_that_was_traced() -> None:
    engine = _engine(nested)
    engine.trace()
    traced = traces_made()
    engine.train(settings(*WEIGHTS), DEFINITION.training, Recorder())
    assert traces_made() - traced <= 1  # the pass over training rows


def test_what_a_term_asks_of_the_model_for_other_inputs_is_not_what_was_kept(float64: None) -> None:
    def moved(batch: Any) -> Any:
        return ops.mean(ops.square(batch.call(batch.inputs["input"] + 1.0)["a"] - batch.outputs["a"]), axis=-1)

    definition = study(
        [task("a"), task("b")], [{"name": "moved", "penalty": "moved", "weight": 1.0}], training={"epochs": 2, "batch_size": 8}
    )
    bound = workload(model(nested), rows(20, inputs=6, a=2, b=1), penalties={"moved": moved})
    measured = []
    for worth in (1.0, 1e30):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frozen_trunk, "WORTH_KEEPING", worth)
            engine, recorder = engine_of(definition, bound, "serial"), Recorder()
        assert (engine._trunk is not None) == (worth == 1.0)
        engine.train(settings({**WEIGHTS[0], "moved": 0.5}), definition.training, recorder)
        measured.append(recorder.values(0, 2))
    assert measured[0] == pytest.approx(measured[1], abs=1e-10)
    assert measured[0]["moved"] > 0


def test_a_trunk_whose_features_do_not_fit_into_memory_runs_in_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_trunk, "MEMORY_SHARE", 1e-15)
    assert kept_names(_engine(nested)) == []


def test_features_that_are_the_same_in_both_modes_are_kept_once() -> None:
    engine = _engine(nested)
    assert engine._trunk is not None
    features = engine._trunk.features("train", lambda batches: None, training=True)
    assert {tuple(each.shape) for each in features.values()} == {(20, 4)}
    assert features is engine._trunk.features("train", lambda batches: None, training=False)
