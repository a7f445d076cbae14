"""`apply(model, best)` with weights that follow a schedule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.training.user.apply import apply

X = np.array([[1.0], [2.0], [3.0]])
Y = np.array([[2.0], [3.0], [7.0]])
RATE = 0.01


def _best(weight: float = 2.0, *, shape: str = "linear", start: float = 0.0, fraction: float = 1.0, **more: Any) -> dict[str, Any]:
    """Return the parts of a document that `apply` reads: one squared error, whose weight moves over 4 epochs."""
    return {
        "reproduced_by": "custom_loss",
        "weights": {"a.error": weight},
        "schedules": {"a.error": {"shape": shape, "start": start, "fraction": fraction}},
        "terms": {"tasks": [{"name": "a", "losses": [{"name": "error", "loss": "mean_squared_error"}]}], "penalties": []},
        "training": {"epochs": 4, "batch_size": 3, "optimizer": {"name": "sgd", "config": {"learning_rate": RATE}}},
        **more,
    }


def _slope(start: float = 0.5) -> keras.Model:
    """Return the model y = slope * x."""
    inputs = keras.Input((1,))
    outputs = {"a": keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(start))(inputs)}
    return keras.Model(inputs, outputs)


def _by_hand(weights: list[float], slope: float = 0.5) -> float:
    """Descend along d/ds mean (s x - y)^2 = mean 2 (s x - y) x, times each epoch's weight."""
    for weight in weights:
        slope -= RATE * weight * np.mean(2 * (slope * X - Y) * X)
    return float(slope)


def _fit(model: keras.Model, **how: Any) -> float:
    model.fit(X, {"a": Y}, batch_size=3, verbose=0, **how)
    return float(np.asarray(model.weights[0]).item())


LINEAR = [0.0, 0.5, 1.0, 1.5]
"""2 * e / 4 in epochs 0 to 3: linear from 0 over all four."""


def test_a_weight_moves_from_epoch_to_epoch_of_one_fit(float64: None) -> None:
    assert _fit(apply(_slope(), _best()), epochs=4) == pytest.approx(_by_hand(LINEAR), rel=1e-12)


def test_fits_of_one_epoch_each_move_it_the_same(float64: None) -> None:
    model = apply(_slope(), _best())
    for _ in range(3):
        _fit(model)
    assert _fit(model) == pytest.approx(_by_hand(LINEAR), rel=1e-12)


def test_fits_that_count_on_move_it_the_same(float64: None) -> None:
    model = apply(_slope(), _best())
    for epoch in range(3):
        _fit(model, initial_epoch=epoch, epochs=epoch + 1)
    assert _fit(model, initial_epoch=3, epochs=4) == pytest.approx(_by_hand(LINEAR), rel=1e-12)


def test_a_training_taken_up_again_goes_on_where_keras_counts(float64: None) -> None:
    assert _fit(apply(_slope(), _best()), initial_epoch=2, epochs=4) == pytest.approx(_by_hand(LINEAR[2:]), rel=1e-12)


def test_beyond_the_studys_epochs_the_final_weight_stays(float64: None) -> None:
    assert _fit(apply(_slope(), _best()), epochs=6) == pytest.approx(_by_hand([*LINEAR, 2.0, 2.0]), rel=1e-12)


def test_a_step_jumps_where_its_fraction_ends(float64: None) -> None:
    """3 times the final weight in the first half."""
    best = _best(shape="step", start=3.0, fraction=0.5)
    assert _fit(apply(_slope(), best), epochs=4) == pytest.approx(_by_hand([6.0, 6.0, 2.0, 2.0]), rel=1e-12)


@pytest.mark.parametrize("form", ["one", "list", "CallbackList"])
def test_callbacks_of_the_users_own_are_called_too(float64: None, form: str) -> None:
    seen: list[int] = []
    own = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    model = apply(_slope(), _best())
    listed = keras.callbacks.CallbackList([own], add_history=True, model=model, epochs=2, steps=1)
    given = {"one": own, "list": [own], "CallbackList": listed}[form]
    _fit(model, epochs=2, callbacks=given)
    assert _fit(model, epochs=2, callbacks=given) == pytest.approx(_by_hand(LINEAR), rel=1e-12)
    assert seen == [0, 1, 0, 1]


def test_a_weight_that_does_not_move_is_a_plain_number(float64: None) -> None:
    model = apply(_slope(), _best(shape="constant"))
    assert model._tuned_moving is None
    assert _fit(model, epochs=2) == pytest.approx(_by_hand([2.0, 2.0]), rel=1e-12)


def test_what_moves_is_no_part_of_the_models_weights() -> None:
    assert len(apply(_slope(), _best()).weights) == 1


@pytest.mark.parametrize("again", [False, True], ids=["output", "call"])
def test_a_term_whose_weight_starts_at_0_is_left_out_until_then(again: bool) -> None:
    """Its value and its gradient are infinite; multiplied by 0 both would be NaN."""

    def endless(batch: Any) -> Any:
        outputs = batch.call(batch.inputs["input"]) if again else batch.outputs
        return ops.sum(ops.sqrt(outputs["a"] * 0.0)) * np.inf

    penalty = {"name": "own", "penalty": "endless"}
    best = _best(schedules={"own": {"shape": "step", "start": 0.0, "fraction": 0.5}}, weights={"a.error": 1.0, "own": 1.0})
    best["terms"]["penalties"] = [penalty]
    model = apply(_slope(), best, workload=SimpleNamespace(penalties={"endless": endless}))
    assert _fit(model, epochs=2) == pytest.approx(_by_hand([1.0, 1.0]), rel=1e-5)
    assert np.isnan(_fit(model))


def test_a_term_of_final_weight_0_is_left_out_whatever_its_schedule() -> None:
    model = apply(_slope(), _best(weight=0.0, start=3.0))
    assert _fit(model, epochs=4) == 0.5


def test_a_compiled_loss_of_weight_0_is_left_out() -> None:
    """Keras itself multiplies by 0, and 0 * inf is NaN."""
    inputs = keras.Input((1,))
    outputs = {name: keras.layers.Dense(1, use_bias=False)(inputs) for name in ("a", "b")}
    best = _best(reproduced_by="compile", weights={"a.error": 1.0, "b.error": 0.0}, loss_weights={"a": 1.0, "b": 0.0}, schedules={})
    best["terms"]["tasks"].append({"name": "b", "losses": [{"name": "error", "loss": "mean_squared_error"}]})
    model = apply(keras.Model(inputs, outputs), best)
    model.fit(X, {"a": Y, "b": Y * np.inf}, verbose=0)
    assert all(np.isfinite(np.asarray(weight)).all() for weight in model.weights)


@pytest.mark.parametrize("how", [{"validation_split": 0.5}, {"validation_split": 0.5, "validation_data": (X, {"a": Y})}])
def test_classes_are_balanced_over_the_rows_that_are_trained(how: Any) -> None:
    task = {"name": "a", "losses": [{"name": "error", "loss": "mse"}], "class_weight": "balanced"}
    model = apply(_slope(), _best(terms={"tasks": [task], "penalties": []}))
    y = np.array([[0.0], [0], [0], [1], [1], [1], [1], [1]])
    model.fit(np.ones((8, 1)), {"a": y}, batch_size=8, verbose=0, **how)
    expected = [8 / (2 * 3), 8 / (2 * 5), 1] if "validation_data" in how else [4 / (2 * 3), 4 / (2 * 1), 1]
    np.testing.assert_allclose(model._tuned_classes.tables()["a"], expected, rtol=1e-6)
