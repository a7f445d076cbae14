"""Where a probability rounds to 0 or 1, cross-entropies stay those of `fit` and `evaluate`, which Keras takes of the logits.

Keras finds logits beside a tensor (`keras.ops.softmax`, layers, activations), or by the operation of a graph that made it
(`tf.nn.softmax`, for the cross-entropy of its kind alone). Where it finds none it clips the probability, and so do we.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from search.training.engine.engine import CohortEngine
from search.training.interface import Setting
from search.training.problem.seeding import epoch_order
from search.training.user.measure import measure
from search.validation import normalize
from tests.search.training.scenes import Recorder, engine_of, rows, study, workload

FAR = 300.0
"""Scale of the inputs: logits of some hundreds, far past where 1 - p is 0 in float32."""

CLIPPED = 17.0
"""More than any cross-entropy of a clipped probability: -log(1e-7) is 16.1."""

X = rows(20)[0] * FAR
CLASS = np.random.default_rng(2).integers(0, 4, 20)
YES = np.random.default_rng(3).integers(0, 2, (20, 1)).astype("float64")
ONE_HOT = np.eye(4)[CLASS]

BINARY, CLASSES, SPARSE = "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"
HEADS: dict[str, tuple[int, Callable[[Any], Any], str, Any]] = {
    "layer": (4, keras.layers.Softmax(), SPARSE, CLASS),
    "by_ops": (1, ops.sigmoid, BINARY, YES),
    "by_tensorflow": (4, tf.nn.softmax, SPARSE, CLASS),
    "one_hot": (4, tf.nn.softmax, CLASSES, ONE_HOT),
    "yes_no": (1, tf.nn.sigmoid, BINARY, YES),
    "labels": (4, tf.nn.sigmoid, BINARY, ONE_HOT),
    "other_kind": (4, tf.nn.sigmoid, CLASSES, ONE_HOT),
    "flat": (1, lambda logits: tf.nn.sigmoid(logits[:, 0]), BINARY, YES[:, 0]),
    "flat_by_ops": (1, lambda logits: ops.sigmoid(logits[:, 0]), BINARY, YES[:, 0]),
}
"""By output: its width, what makes probabilities of logits, the loss and the labels."""

MISSING = ("labels",)
"""Outputs of which single labels might be missing: none is."""

LOSSES = {BINARY: keras.losses.BinaryCrossentropy, CLASSES: keras.losses.CategoricalCrossentropy}
LOSSES[SPARSE] = keras.losses.SparseCategoricalCrossentropy
METRICS = {BINARY: keras.metrics.BinaryCrossentropy, CLASSES: keras.metrics.CategoricalCrossentropy}
METRICS[SPARSE] = keras.metrics.SparseCategoricalCrossentropy

TRAINING: dict[str, Any] = {"epochs": 1, "batch_size": 10, "optimizer": {"name": "sgd", "config": {"learning_rate": 0.001}}}
Y = {name: labels for name, (*_, labels) in HEADS.items()}
WEIGHTS = {f"{name}.error": 1.0 for name in HEADS}


class Heads(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.logits = {name: keras.layers.Dense(width, name=name) for name, (width, *_) in HEADS.items()}

    def call(self, x: Any) -> dict[str, Any]:
        return {name: HEADS[name][1](logits(x)) for name, logits in self.logits.items()}


def a_task(name: str) -> dict[str, Any]:
    loss = HEADS[name][2]
    missing = {"missing": "nan"} if name in MISSING else {}
    return {
        "name": name,
        "losses": [{"name": "error", "loss": loss}],
        "metrics": [{"name": "entropy", "metric": loss}, {"name": "right", "metric": "accuracy"}],
        **missing,
    }


DEFINITION = study([a_task(name) for name in HEADS], training=TRAINING)


@cache
def by_keras() -> tuple[list[Any], dict[str, float], dict[str, float], keras.Model]:
    """Return the weights, the epoch's losses, what `evaluate` says, and the model."""
    keras.utils.set_random_seed(0)
    model = Heads()
    model.compile(
        keras.optimizers.SGD(0.001),
        loss={name: LOSSES[loss](reduction="mean_with_sample_weight") for name, (_, _, loss, _) in HEADS.items()},
        metrics={name: [METRICS[loss](name="entropy")] for name, (_, _, loss, _) in HEADS.items()},
    )
    order = epoch_order(0, 0, 20)
    y = {name: labels[order] for name, labels in Y.items()}
    fitted = model.fit(X[order], y, batch_size=10, shuffle=False, verbose=0).history
    trained = {name: fitted[f"{name}_loss"][0] for name in HEADS}
    measured = model.evaluate(X, Y, batch_size=20, verbose=0, return_dict=True)
    return model.get_weights(), trained, {name: measured[f"{name}_entropy"] for name in HEADS}, model


@cache
def by_engine(strategy: str) -> tuple[CohortEngine, Recorder]:
    """Train all terms, in a stack beside a setting without one of them: it stands at place 1."""
    size = 1 if strategy == "serial" else 2
    engine, recorder = engine_of(DEFINITION, workload(Heads, (X, Y)), strategy, size), Recorder()
    settings = [Setting(0, 0, WEIGHTS), Setting(1, 0, {**WEIGHTS, "by_tensorflow.error": 0.0})][:size]
    engine.train(settings, DEFINITION.training, recorder)
    return engine, recorder


def expected(found: Mapping[str, float]) -> Any:
    assert max(found.values()) > CLIPPED
    return pytest.approx(found, rel=1e-4)


@pytest.mark.parametrize("strategy", ["vectorized", pytest.param("serial", marks=pytest.mark.soak)])
def test_a_saturated_output_trains_as_under_fit(strategy: str) -> None:
    weights, losses, _, _ = by_keras()
    engine, recorder = by_engine(strategy)
    measured = recorder.values(0, 1, "train")
    assert {name: measured[f"{name}.error"] for name in HEADS} == expected(losses)
    for mine, theirs in zip(engine.variables(0)[:-1], weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4)


@pytest.mark.parametrize("strategy", ["vectorized", pytest.param("serial", marks=pytest.mark.soak)])
@pytest.mark.parametrize("number", ["error", "entropy"])
def test_losses_and_metrics_of_a_saturated_output_are_those_of_evaluate(strategy: str, number: str) -> None:
    measured = by_engine(strategy)[1].values(0, 1)
    assert {name: measured[f"{name}.{number}"] for name in HEADS} == expected(by_keras()[2])


@pytest.mark.parametrize("number", ["error", "entropy"])
def test_measure_says_of_a_saturated_output_what_evaluate_does(number: str) -> None:
    _, _, evaluated, model = by_keras()
    shown = normalize.to_api(DEFINITION)
    best = {"terms": {"tasks": shown["tasks"], "penalties": []}, "training": shown["training"]}
    measured = measure(model, best, X, Y)
    assert {name: measured[f"{name}.{number}"] for name in HEADS} == expected(evaluated)


def test_a_term_of_weight_0_trains_nothing_though_its_probabilities_are_made_once_more() -> None:
    keras.utils.set_random_seed(0)
    start = Heads()
    start(X)
    moved = {
        variable.path.split("/")[-2]: np.any(trained != np.asarray(variable))
        for variable, trained in zip(start.trainable_variables, by_engine("vectorized")[0].variables(1)[:-1], strict=True)
    }
    assert not moved["by_tensorflow"]
    assert moved["one_hot"]
