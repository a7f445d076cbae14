"""Outputs of [rows], such as dot products, are [rows, 1] to losses, metrics, selectors and other settings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.training.interface import Setting
from tests.search.training.compiled import fitted
from tests.search.training.scenes import Recorder, checked, engine_of, rows, study, workload

WEIGHTS = {"click.error": 1.5, "score.error": 0.5, "agree": 0.7}
METRICS = ["binary_accuracy", "auc", "precision", "binary_crossentropy"]


def build_model() -> keras.Model:
    inputs = keras.Input((4,))
    one, other = keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)
    score = keras.layers.Dense(1)(inputs)
    return keras.Model(inputs, {"click": ops.sum(one * other, axis=-1), "score": ops.squeeze(score, -1)})


def with_columns() -> keras.Model:
    """The same model, whose outputs are [rows, 1]."""
    model = build_model()
    outputs = {name: ops.expand_dims(output, -1) for name, output in model.output.items()}
    return keras.Model(model.input, outputs)


X, _ = rows(40, inputs=4)
CLICK = (np.random.default_rng(2).random(40) > 0.4).astype("int64")
SCORE = X[:, 0] + 0.1 * X[:, 1]


def definition() -> Any:
    click = {
        "name": "click",
        "from_logits": True,
        "losses": [{"name": "error", "loss": "binary_crossentropy"}],
        "metrics": [{"name": name, "metric": name} for name in METRICS],
    }
    score = {"name": "score", "losses": [{"name": "error", "loss": "mse"}], "metrics": ["mae", "r2_score"]}
    agree = {"name": "agree", "penalty": "consistency", "between": [{"task": "click"}, {"target": "click"}]}
    return study([click, score], [agree], training={"epochs": 2, "batch_size": 16})


def trained(build: Any, y: Any, strategy: str = "serial", size: int = 1, weight: Any = None) -> Recorder:
    recorder, bound = Recorder(), workload(build, (X, y) if weight is None else (X, y, weight))
    checked(definition(), bound)
    others = [{path: 3 * value for path, value in WEIGHTS.items()}] * (size - 1)
    settings = [Setting(number, 0, each) for number, each in enumerate([*others, WEIGHTS])]
    engine_of(definition(), bound, strategy, size).train(settings, definition().training, recorder)
    return recorder


def test_it_measures_what_the_same_model_with_columns_does(float64: None) -> None:
    flat = trained(build_model, {"click": CLICK, "score": SCORE}, "vectorized", 2).values(1, 2)
    columns = trained(with_columns, {"click": CLICK[:, None], "score": SCORE[:, None]}).values(0, 2)
    assert flat == pytest.approx(columns, abs=1e-8)
    assert set(flat) >= {f"click.{name}" for name in METRICS} | {"score.r2_score", "agree.violations"}


def test_it_trains_as_compile_and_fit_do_and_its_probability_is_a_sigmoid(float64: None) -> None:
    losses = {"click": keras.losses.BinaryCrossentropy(from_logits=True), "score": "mse"}
    weights = {"click": 1.5, "score": 0.5}
    y = {"click": CLICK, "score": SCORE}
    model = fitted(build_model, X, y, batch_size=16, epochs=2, loss=losses, loss_weights=weights, optimizer=keras.optimizers.Adam())
    logits = np.asarray(model.predict(X, verbose=0)["click"])
    recorder, bound = Recorder(), workload(build_model, (X, y))
    setting = Setting(0, 0, {**WEIGHTS, "agree": 0.0})
    engine_of(definition(), bound).train([setting], definition().training, recorder)
    measured = recorder.values(0, 2)
    assert measured["click.binary_accuracy"] == pytest.approx(np.mean((logits > 0) == (CLICK == 1)))
    auc = keras.metrics.AUC()
    auc.update_state(CLICK, 1 / (1 + np.exp(-logits)))
    assert measured["click.auc"] == pytest.approx(float(auc.result()), abs=1e-6)


def test_row_weights_count_row_by_row(float64: None) -> None:
    weight = (np.arange(40) % 3 == 0).astype("float64")
    flat = trained(build_model, {"click": CLICK, "score": SCORE}, weight=weight).values(0, 2)
    columns = trained(with_columns, {"click": CLICK[:, None], "score": SCORE[:, None]}, weight=weight).values(0, 2)
    assert flat == pytest.approx(columns, abs=1e-8)


def test_an_own_function_sees_columns_on_both_sides(float64: None) -> None:
    seen: list[tuple[int, int]] = []

    def own(batch: Any) -> Any:
        seen.append((len(batch.targets["score"].shape), len(batch.outputs["score"].shape)))
        return ops.mean(ops.square(batch.targets["score"] - batch.outputs["score"]), axis=-1)

    score = {"name": "score", "losses": [{"name": "own", "loss": "own"}], "metrics": ["mse"]}
    click = {"name": "click", "from_logits": True, "losses": [{"name": "error", "loss": "binary_crossentropy"}]}
    plain = study([score, click], training={"epochs": 1, "batch_size": 16})
    recorder = Recorder()
    bound = workload(build_model, (X, {"click": CLICK, "score": SCORE}), losses={"own": own})
    engine_of(plain, bound).train([Setting(0, 0, {"score.own": 1.0, "click.error": 1.0})], plain.training, recorder)
    assert set(seen) == {(2, 2)}
    assert recorder.values(0, 1)["score.own"] == pytest.approx(recorder.values(0, 1)["score.mse"])
