"""`measure(model, best, x, y)`: what a study measures, of any model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from search.training.interface import Setting
from search.training.user.measure import measure
from search.validation import normalize
from tests.search.training.scenes import Recorder, built_in, engine_of, linear, rows, study, task
from tests.search.training.user.test_apply import AGREEMENT, WEIGHTS


def _best(definition: Any) -> dict[str, Any]:
    shown = normalize.to_api(definition)
    return {"terms": {"tasks": shown["tasks"], "penalties": shown["penalties"]}, "training": shown["training"]}


def test_it_measures_before_training_what_a_study_stores_as_epoch_0() -> None:
    """Terms, means over rows, F-scores, areas and violations: all of them, over batches of which the last is short."""
    tasks = [
        task("digit", "sparse_categorical_crossentropy", ["accuracy", "f1"]),
        task("parity", "binary_crossentropy", ["accuracy", "auc", "root_mean_squared_error"]),
    ]
    definition, bound = study(tasks, [AGREEMENT], training={"epochs": 1, "batch_size": 50}), built_in("digits")
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train([Setting(0, 4, WEIGHTS)], definition.training, recorder)
    stored = recorder.values(0, 0)
    keras.utils.set_random_seed(4)
    x, y = bound.load_data().validation
    measured = measure(bound.build_model(), _best(definition), x, y)
    assert set(measured) == set(stored)
    assert measured == pytest.approx(stored, rel=1e-5, abs=1e-6)


def test_weighted_rows_count_by_their_weight() -> None:
    x, y = rows(7, a=1)
    weight = np.array([0.0, 1, 2, 0, 3, 1, 1])
    model = linear({"a": 1})()
    best = _best(study([task("a", metrics=["mae"])], training={"batch_size": 7}))
    error = y["a"][:, 0] - model.predict(x, verbose=0)["a"][:, 0]
    measured = measure(model, best, x, y, {"a": weight})
    assert measured["a.mae"] == pytest.approx(np.sum(weight * np.abs(error)) / 8, rel=1e-5)
    assert measured["a.error"] == pytest.approx(np.sum(weight * error**2) / 8, rel=1e-5)


def test_a_metric_that_no_row_counts_for_is_left_out() -> None:
    x, y = rows(4, a=1)
    best = _best(study([task("a", metrics=["mae"])]))
    assert "a.mae" not in measure(linear({"a": 1})(), best, x, y, np.zeros(4))


def test_a_single_unnamed_target_is_that_of_the_single_output() -> None:
    x, y = rows(6, a=1)
    model, best = linear({"a": 1})(), _best(study([task("a")]))
    assert measure(model, best, x, y["a"], batch_size=4) == pytest.approx(measure(model, best, x, y), rel=1e-6)


def test_the_model_stays_as_it_was_whatever_a_layer_assigns() -> None:
    """Two batches of one row: the second one sees the count that the first one saw."""

    class Counts(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            self.calls.assign(self.calls + 1)
            return x + self.calls

    inputs = keras.Input((1,))
    model = keras.Model(inputs, {"a": Counts()(inputs)})
    measured = measure(model, _best(study([task("a", metrics=["mae"])])), np.zeros((2, 1)), {"a": np.zeros((2, 1))}, batch_size=1)
    assert measured["a.mae"] == 1
    assert float(model.layers[-1].calls) == 0
