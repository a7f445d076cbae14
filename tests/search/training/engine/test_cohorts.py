"""Settings that are trained together: each equals its own `fit`, for every family of layers and every strategy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from search.training.engine.engine import CohortEngine
from search.training.engine.strategies import STRATEGIES, stack_size
from search.training.interface import Setting
from search.workloads.base import ResolvedWorkload
from storage.records import TrialState
from tests.search.training.engine.test_layers import PENALTY, TERMS, AddsLoss, Subclassed
from tests.search.training.scenes import Recorder, engine_of, kept, rows, study, task, workload
from tests.search.training.twins import TwinRun

COHORT = [
    {"a.error": 1.5, "b.error": 0.5, "apart": 0.7},
    {"a.error": 0.1, "b.error": 3.0, "apart": 0.0},
    {"a.error": 1.0, "b.error": 1.0, "apart": 20.0},
]


def _model(*features_of: Callable[[Any], Any], inputs: tuple[int, ...] = (12,), dtype: str | None = None) -> Callable[[], Any]:
    def build_model() -> keras.Model:
        features = given = keras.Input(inputs, dtype=dtype)
        for part in features_of:
            features = part(features)
        return keras.Model(given, {"a": layers.Dense(2)(features), "b": layers.Dense(1)(features)})

    return build_model


class Reversal(layers.Layer):
    """Passes its input on, and its gradient turned round: adversarial training's layer (Ganin 2015)."""

    def call(self, x: Any) -> Any:
        @ops.custom_gradient
        def reverse(x: Any) -> Any:
            return x, lambda *upstream, **_: -1.0 * upstream[0]

        return reverse(x)


def _dense(features: Any) -> Any:
    return layers.Dense(6, activation="relu")(features)


def _normalised(features: Any) -> Any:
    features = layers.BatchNormalization()(layers.Dense(5)(features))
    return layers.Dropout(0.4)(layers.Dense(8, activation="tanh")(layers.LayerNormalization()(features)))


def _words(features: Any) -> Any:
    words = layers.Embedding(5, 3)(ops.cast(ops.abs(features) * 2, "int32") % 5)
    return layers.Flatten()(layers.MultiHeadAttention(2, 3)(words[:, :4], words[:, 4:8]))


def _recurrent(features: Any) -> Any:
    sequence = layers.LSTM(3, return_sequences=True)(layers.Reshape((4, 3))(features))
    return layers.GRU(3, dropout=0.2)(sequence)


def _words_in_order(features: Any) -> Any:
    words = layers.Embedding(5, 3)(ops.cast(ops.abs(features) * 2, "int32") % 5)
    return layers.LSTM(3)(words[:, :4])


def _convolutions(features: Any) -> Any:
    image = layers.DepthwiseConv2D(2)(layers.Conv2D(4, 2, activation="relu")(layers.Reshape((3, 4, 1))(features)))
    return layers.Flatten()(layers.Conv1D(3, 2, activation="relu")(layers.Reshape((2, 4))(image)))


def _images(features: Any) -> Any:
    image = layers.Conv2D(4, 2, padding="same", activation="relu")(layers.Reshape((3, 4, 1))(features))
    image = layers.Conv2D(3, 2, padding="same", activation="elu")(layers.MaxPooling2D(2, 1)(image))
    return layers.Flatten()(layers.AveragePooling2D(2, 1)(layers.BatchNormalization()(image)))


def _frozen_trunk(features: Any) -> Any:
    trunk = layers.Conv2D(3, 2, trainable=False)(layers.Reshape((3, 4, 1))(features))
    return layers.Dense(4, kernel_regularizer="l2", kernel_constraint="max_norm")(layers.Flatten()(trunk))


FAMILIES: dict[str, Callable[[], Any]] = {
    "dense": _model(_dense),
    "normalisations and dropout": _model(_normalised),
    "embedding and attention": _model(_words),
    "recurrent": _model(_recurrent),
    "words in order": _model(_words_in_order),
    "convolutions": _model(_convolutions),
    "images": _model(_images),
    "frozen trunk, regularised and constrained head": _model(_frozen_trunk),
    "a loss and a gradient of the user's own": _model(lambda x: Reversal()(AddsLoss()(layers.Dense(5)(x)))),
    "subclassed": Subclassed,
}
"""Small models that hold several kinds of layers each: a graph costs seconds to trace, a layer more in it does not."""

OWN = "a loss and a gradient of the user's own"
UNROLLED = (
    "words in order",
    "dense",
    "normalisations and dropout",
    "convolutions",
    "frozen trunk, regularised and constrained head",
    OWN,
)
CASES = [
    *((kind, "vectorized") for kind in FAMILIES if kind != "words in order"),
    *((kind, "unrolled") for kind in UNROLLED),
    (OWN, "serial"),
]


def _definition(penalties: bool = True, **training: Any) -> Any:
    tasks = [task("a", metrics=["mae"]), task("b", "mean_absolute_error")]
    return study(tasks, [PENALTY] if penalties else [], training={"epochs": 3, "batch_size": 8, **training})


def _settings(*weights: dict[str, float], seed: int = 5) -> list[Setting]:
    return [Setting(number, seed, each) for number, each in enumerate(weights)]


def _bound(kind: str) -> ResolvedWorkload:
    return workload(FAMILIES[kind], rows(20, inputs=12, a=2, b=1))  # 20 rows in batches of 8: the last has 4


def _new_engine(kind: str, strategy: str = "serial", size: int = 4) -> CohortEngine:
    return engine_of(_definition(), _bound(kind), strategy, size)


_engine = kept(_new_engine)


@functools.cache
def _twin(kind: str, number: int, seed: int = 5) -> TwinRun:
    """Train a setting of COHORT in float64, once for all strategies."""
    assert keras.config.floatx() == "float64"
    return TwinRun(_bound(kind), TERMS, COHORT[number], optimizer=keras.optimizers.Adam(), batch_size=8, epochs=3, seed=seed)


@pytest.mark.parametrize(("kind", "strategy"), CASES)
def test_every_setting_of_a_cohort_equals_its_own_fit(kind: str, strategy: str, float64: None) -> None:
    engine, recorder = _engine(kind, strategy, 2), Recorder()
    engine.train(_settings(*COHORT[:2]), _definition().training, recorder)
    places = {"dense": (0, 1), OWN: (1,)}  # a serial engine still has what it trained last
    for number in places.get(kind, (0,)):
        twin = _twin(kind, number)
        for ours, theirs in zip(engine.variables(number if strategy != "serial" else -1)[:-1], twin.variables, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
        assert recorder.values(number, 3, "train") == pytest.approx(twin.train[2], abs=1e-8)


def test_terms_equal_those_of_fit_in_float32_without_penalties() -> None:
    bound = workload(FAMILIES["normalisations and dropout"], rows(20, inputs=12, a=2, b=1))
    definition = _definition(penalties=False, epochs=1)
    weights = [{path: value for path, value in each.items() if path != "apart"} for each in COHORT]
    engine, recorder = engine_of(definition, bound, "vectorized", 4), Recorder()
    engine.train(_settings(*weights), definition.training, recorder)
    terms = {path: term for path, term in TERMS.items() if path != "apart"}
    twin = TwinRun(bound, terms, weights[1], optimizer=keras.optimizers.Adam(), batch_size=8, epochs=1, seed=5)
    assert recorder.values(1, 1, "train") == pytest.approx(twin.train[0], abs=1e-4)


def test_metrics_of_a_cohort_are_those_of_its_settings_alone(float64: None) -> None:
    bound = workload(FAMILIES["dense"], rows(20, inputs=12, a=2, b=1), metrics={"own": lambda batch: ops.mean(batch.outputs["b"])})
    tasks = [task("a", metrics=["mae", "r2", "rmse"]), task("b", metrics=[{"name": "own", "metric": "own"}])]
    definition = study(tasks, [PENALTY], training={"epochs": 2, "batch_size": 8})
    measured = {strategy: Recorder() for strategy in ("serial", "vectorized")}
    for strategy, recorder in measured.items():
        engine_of(definition, bound, strategy, 4).train(_settings(*COHORT), definition.training, recorder)
    alone = measured.pop("serial")
    assert {"a.mae", "a.r2", "a.rmse", "b.own", "apart.violations"} <= set(alone.values(0, 2))
    for together in measured.values():
        for number in range(3):
            for epoch in (0, 1, 2):
                assert together.values(number, epoch) == pytest.approx(alone.values(number, epoch), abs=1e-9)


@pytest.mark.parametrize("clip", ["global_clipnorm", "clipnorm"])
def test_clipping_by_norm_is_by_each_settings_own_norm(clip: str, float64: None) -> None:
    definition = _definition(optimizer={"name": "sgd", "config": {"learning_rate": 0.5, clip: 0.05}})
    optimizer = keras.optimizers.SGD(0.5, **{clip: 0.05})
    twin = TwinRun(_bound("dense"), TERMS, COHORT[2], optimizer=optimizer, batch_size=8, epochs=3, seed=5)
    engine = engine_of(definition, _bound("dense"), "vectorized", 4)
    engine.train(_settings(*COHORT), definition.training, Recorder())
    for ours, theirs in zip(engine.variables(2)[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "strategy"), [("dense", "vectorized"), ("dense", "unrolled"), ("images", "vectorized"), ("images", "vectorized_parts")]
)
def test_beside_a_diverging_neighbour_the_others_keep_every_bit(kind: str, strategy: str) -> None:
    engine, training = _engine(kind, strategy), _definition().training
    healthy, beside = Recorder(), Recorder()
    bad = {"a.error": math.inf, "b.error": 1.0, "apart": 1.0}
    engine.train(_settings(*COHORT), training, healthy)
    engine.train(_settings(COHORT[0], bad, COHORT[2]), training, beside)
    assert beside.states() == {0: TrialState.COMPLETE, 1: TrialState.DIVERGED, 2: TrialState.COMPLETE}
    for number in (0, 2):
        assert beside.values(number, 3) == healthy.values(number, 3)


def test_settings_that_go_on_are_moved_to_a_smaller_stack_and_stay_the_same(float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.training.engine.sizes.SECONDS_A_TRACE", 0.0)
    engine, training = _engine("normalisations and dropout", "vectorized"), _definition().training
    bad = {"a.error": math.inf, "b.error": 1.0, "apart": 1.0}
    shrunk, alone = Recorder(), Recorder()
    engine.train(_settings(bad, bad, COHORT[1], bad), training, shrunk)
    assert sorted(size for size, _ in engine._stacks) == [1, 4]
    _engine("normalisations and dropout").train([Setting(2, 5, COHORT[1])], training, alone)
    assert shrunk.values(2, 3) == pytest.approx(alone.values(2, 3), abs=1e-9)


MIXED = [
    ("normalisations and dropout", "vectorized"),
    ("embedding and attention", "vectorized"),
    (OWN, "vectorized"),
    ("words in order", "unrolled"),
    ("convolutions", "unrolled"),
    ("convolutions", "vectorized_parts"),
    pytest.param("recurrent", "vectorized", marks=pytest.mark.soak),
    pytest.param("subclassed", "vectorized", marks=pytest.mark.soak),
    pytest.param("normalisations and dropout", "unrolled", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("kind", "strategy"), MIXED)
def test_settings_of_several_seeds_in_one_stack_equal_their_own_fits(
    kind: str, strategy: str, float64: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.training.engine.grouping.WORTH_A_GRAPH", -math.inf)
    engine, recorder = _engine(kind, strategy, 2), Recorder()
    engine.train([Setting(0, 5, COHORT[0]), Setting(1, 6, COHORT[1])], _definition().training, recorder)
    assert [report.numbers for report in recorder.reports] == [[0, 1]] * 4
    for number, seed in ((0, 5), (1, 6)) if kind == "normalisations and dropout" else ((0, 5),):
        twin = _twin(kind, number, seed)
        for ours, theirs in zip(engine.variables(number)[:-1], twin.variables, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
        assert recorder.values(number, 3, "train") == pytest.approx(twin.train[2], abs=1e-8)


def test_a_stack_of_several_seeds_leaves_one_of_one_seed_every_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, training = _engine("dense", "vectorized"), _definition().training
    before, after = Recorder(), Recorder()
    engine.train(_settings(*COHORT), training, before)
    monkeypatch.setattr("search.training.engine.grouping.WORTH_A_GRAPH", -math.inf)
    engine.train([Setting(number, number, weights) for number, weights in enumerate(COHORT)], training, Recorder())
    engine.train(_settings(*COHORT), training, after)
    assert [replace(report, seconds=0.0) for report in after.reports] == [replace(report, seconds=0.0) for report in before.reports]


def test_seeds_whose_frozen_weights_differ_are_trained_apart(float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.training.engine.grouping.WORTH_A_GRAPH", -math.inf)
    kind, training = "frozen trunk, regularised and constrained head", _definition().training
    settings = [Setting(0, 5, COHORT[0]), Setting(1, 6, COHORT[0]), Setting(2, 5, COHORT[1])]
    together, alone = Recorder(), Recorder()
    _engine(kind, "vectorized", 2).train(settings, training, together)
    _engine(kind, "unrolled", 2).train(settings[1:2], training, alone)
    assert [report.numbers for report in together.reports] == [[0, 2]] * 4 + [[1]] * 4
    assert together.values(1, 3) == pytest.approx(alone.values(1, 3), abs=1e-9)


@pytest.mark.parametrize(
    ("strategy", "count", "limit", "size"),
    [
        ("vectorized", 16, 16, 16),
        ("vectorized", 3, 16, 8),  # free places are cheaper than another trace
        ("vectorized", 2, 16, 2),  # but not nearly all of them
        ("vectorized", 1, 4, 1),
        ("vectorized", 9, 16, 16),
        ("unrolled", 3, 8, 4),
        ("unrolled", 1, 8, 1),
        ("unrolled", 5, 5, 5),
        ("serial", 1, 1, 1),
    ],
)
def test_a_stack_is_a_power_of_two_within_the_limit(strategy: str, count: int, limit: int, size: int) -> None:
    assert stack_size(count, limit, STRATEGIES[strategy]) == size


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 4), (5, 8), (9, 16)])
def test_free_places_that_convolve_are_fewer(count: int, size: int) -> None:
    assert stack_size(count, 16, STRATEGIES["vectorized"], convolves=True) == size


def test_out_of_memory_halves_the_cohort_and_every_setting_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    engine, training, recorder = _new_engine("dense", "vectorized"), _definition().training, Recorder()
    whole = engine._train_epoch

    def too_large(group: Any, epoch: int, observer: Any) -> Any:
        if group.stack.size > 2 and epoch == 2:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return whole(group, epoch, observer)

    monkeypatch.setattr(engine, "_train_epoch", too_large)
    engine.train(_settings(*COHORT), training, recorder)
    assert recorder.states() == dict.fromkeys(range(3), TrialState.COMPLETE)
    assert max(size for size, _ in engine._stacks) == 2
