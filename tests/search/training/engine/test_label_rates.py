"""A term is a mean over labelled rows, whatever the batch size: 3 rows in 40 have a label of `rare`."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from search.training.interface import Setting
from tests.search.training.compiled import fitted, weighted_mean
from tests.search.training.scenes import Recorder, engine_of, linear, rows, study, task, workload

BUILD = linear({"often": 1, "rare": 1}, activations={"rare": "sigmoid"})
X, Y = rows(40, often=1, rare=(np.arange(40) % 2).astype("int64").reshape(-1, 1))
LABELLED = np.isin(np.arange(40), [3, 17, 18]).astype("float64")
WEIGHTS = {"often.error": 0.5, "rare.error": 2.0}
LOSSES = {"often": "mean_squared_error", "rare": "binary_crossentropy"}


@cache
def alone(batch_size: int) -> Recorder:
    assert keras.config.floatx() == "float64"
    return trained(batch_size)


def trained(batch_size: int, strategy: str = "serial", size: int = 1, optimizer: Any = None, **setting: Any) -> Recorder:
    tasks = [task("often"), task("rare", "binary_crossentropy")]
    definition = study(tasks, training={"epochs": 2, "batch_size": batch_size, "optimizer": optimizer or {}})
    recorder = Recorder()
    engine = engine_of(definition, workload(BUILD, (X, Y, {"rare": LABELLED})), strategy, size)
    engine.train([Setting(number, 0, WEIGHTS, **setting) for number in range(size)], definition.training, recorder)
    return recorder


def by_keras(batch_size: int) -> keras.Model:
    losses = {
        "often": keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        "rare": keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight"),
    }
    weights = {"often": WEIGHTS["often.error"], "rare": WEIGHTS["rare.error"]}
    given = {"rare": LABELLED, "often": np.ones(40)}
    return fitted(
        BUILD, X, Y, given, batch_size=batch_size, epochs=2, loss=losses, loss_weights=weights, optimizer=keras.optimizers.Adam()
    )


def crossentropy(probability: NDArray[Any]) -> float:
    values = -np.where(Y["rare"] == 1, np.log(probability), np.log(1 - probability))[:, 0]
    return weighted_mean(values, LABELLED)


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_a_term_is_the_mean_over_labelled_rows_at_every_batch_size(batch_size: int, float64: None) -> None:
    predicted = by_keras(batch_size).predict(X, verbose=0)
    measured = alone(batch_size).values(0, 2)
    assert measured["rare.error"] == pytest.approx(crossentropy(np.asarray(predicted["rare"])), abs=1e-8)
    assert measured["often.error"] == pytest.approx(weighted_mean(np.square(predicted["often"] - Y["often"])), abs=1e-8)


def test_before_training_the_batch_size_changes_no_term(float64: None) -> None:
    first, *others = ({**alone(size).values(0, 0, "train"), **alone(size).values(0, 0)} for size in (1, 7, 40))
    assert all(other == pytest.approx(first, abs=1e-12) for other in others)


def test_stacked_settings_divide_by_the_same_weights(float64: None) -> None:
    together = trained(7, "vectorized", 2)
    assert together.values(1, 2) == pytest.approx(alone(7).values(0, 2), abs=1e-9)
    assert together.values(1, 2, "train") == pytest.approx(alone(7).values(0, 2, "train"), abs=1e-9)


def test_uncertainty_learns_nothing_of_a_term_in_batches_without_a_label(float64: None) -> None:
    """One row a batch, SGD: the log-variance of `rare` moves by rate * (1 - L) in 3 steps of 40, not by the rate in all others."""
    rate = 1e-3
    recorder = trained(1, optimizer={"name": "sgd", "config": {"learning_rate": rate}}, rule="uncertainty")
    (moved,) = (report.weights for report in recorder.reports if report.epoch == 1)
    assert 0 < abs(np.log(moved["rare.error"][0])) < 3 * rate
    assert abs(np.log(moved["often.error"][0])) > 10 * rate
