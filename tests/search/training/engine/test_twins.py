"""A training in the service equals its `model.fit` twin, penalties included, for each built-in workload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.definition.schema import StudyDefinition
from search.training.interface import Setting
from tests.search.training.scenes import Recorder, built_in, engine_of
from tests.search.training.twins import Terms, TwinRun

EXAMPLES = Path(__file__).parents[4] / "examples"
ODD = [1, 3, 5, 7, 9]


def _class_entropy(name: str) -> Any:
    return lambda y, p: ops.mean(-ops.log(ops.take_along_axis(p[name], ops.cast(y[name], "int32")[:, None], axis=-1)))


def _binary_entropy(name: str) -> Any:
    def entropy(y: Any, p: Any) -> Any:
        target = ops.cast(y[name], p[name].dtype)
        return -ops.mean(target * ops.log(p[name]) + (1 - target) * ops.log(1 - p[name]))

    return entropy


def _squared_error(name: str) -> Any:
    return lambda y, p: ops.mean(ops.square(ops.cast(y[name], p[name].dtype) - p[name]))


def _dice(y: Any, p: Any) -> Any:
    target, mask = ops.cast(y["mask"], p["mask"].dtype), p["mask"]
    return 1 - 2 * ops.sum(target * mask) / (ops.sum(target) + ops.sum(mask) + keras.config.epsilon())


DIGITS: Terms = {
    "digit.crossentropy": _class_entropy("digit"),
    "parity.crossentropy": _binary_entropy("parity"),
    "agreement": lambda y, p: ops.mean(ops.abs(sum(p["digit"][:, odd : odd + 1] for odd in ODD) - p["parity"])),
}
OVERLAY: Terms = {"left.crossentropy": _class_entropy("left"), "right.error": _squared_error("right")}
MASK: Terms = {
    "mask.crossentropy": _binary_entropy("mask"),
    "mask.dice": _dice,
    "object.error": _squared_error("object"),
    "fraction": lambda y, p: ops.mean(ops.abs(ops.mean(p["mask"], axis=(1, 2)) - p["object"])),
}
CASES = {
    "digits": (DIGITS, {"digit.crossentropy": 1.0, "parity.crossentropy": 0.3, "agreement": 2.0}),
    "digits_overlay": (OVERLAY, {"left.crossentropy": 0.05, "right.error": 1.0}),
    "digits_mask": (MASK, {"mask.crossentropy": 1.0, "mask.dice": 0.4, "object.error": 5.0, "fraction": 3.0}),
}


def _trained(example: str, epochs: int) -> tuple[Any, Recorder, TwinRun]:
    """Train the example's study in the engine and in its twin, with weights that distinguish the terms."""
    definition = StudyDefinition.model_validate(json.loads((EXAMPLES / f"{example}.json").read_text()))
    training = definition.training.model_copy(update={"epochs": epochs})
    terms, weights = CASES[example]
    bound = built_in(definition.workload.name)
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train([Setting(0, 3, weights)], training, recorder)
    optimizer = keras.optimizers.Adam(training.optimizer.config.get("learning_rate", 0.001))
    size = training.batch_size
    twin = TwinRun(bound, terms, weights, optimizer=optimizer, batch_size=size, epochs=epochs, seed=3, validate=True)
    return engine, recorder, twin


@pytest.mark.parametrize("example", ["digits", "digits_mask", pytest.param("digits_overlay", marks=pytest.mark.soak)])
def test_weights_equal_those_of_fit_after_three_epochs_in_float64(example: str, float64: None) -> None:
    engine, recorder, twin = _trained(example, epochs=3)
    # the last of ours is the generator of `keras.random`
    for ours, theirs in zip(engine.variables()[:-1], twin.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)
    for epoch in (1, 2, 3):
        assert recorder.values(0, epoch, "train") == pytest.approx(twin.train[epoch - 1], abs=1e-8)
        measured = recorder.values(0, epoch)
        assert {path: measured[path] for path in twin.validation[0]} == pytest.approx(twin.validation[epoch - 1], abs=1e-8)


def test_terms_equal_those_of_fit_after_one_epoch_in_float32() -> None:
    _, recorder, twin = _trained("digits_mask", epochs=1)
    assert recorder.values(0, 1, "train") == pytest.approx(twin.train[0], abs=1e-4)
    measured = recorder.values(0, 1)
    assert {path: measured[path] for path in twin.validation[0]} == pytest.approx(twin.validation[0], abs=1e-4)
