"""The one door to what Keras keeps private, and that nothing else goes past it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from search.training.problem import keras_private
from search.training.problem.keras_private import (
    drawing_from,
    function_of,
    global_generator,
    layers_of,
    logits_of,
    make_variables,
    mask_of,
    outputs_structure,
    put_logits,
    put_mask,
    takes_training,
    trainables_of,
    with_arguments,
)

ROOT = Path(keras_private.__file__).parents[3]
PRIVATE = re.compile(
    r"keras\.src|\._(flatten_layers|keras_mask|keras_logits|fn_kwargs|inputs_struct|outputs_struct|call_has_training_arg)\b"
)


def test_no_other_file_uses_what_keras_keeps_private() -> None:
    files = [file for folder in ("search", "steelyard", "app", "storage") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 150
    assert [file.name for file in files if PRIVATE.search(file.read_text())] == ["keras_private.py"]


def test_layers_inside_of_layers_are_found_and_hold_their_own_variables() -> None:
    inner = keras.Sequential([keras.layers.Dense(2, name="deep")], name="inner")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"out": inner(inputs)})
    deep = next(layer for layer in layers_of(model) if layer.name == "deep")
    assert [tuple(variable.shape) for variable in trainables_of(deep)] == [(3, 2), (2,)]
    assert trainables_of(inner) == []
    assert set(outputs_structure(model)) == {"out"}


def test_a_subclassed_model_gets_its_variables_without_being_run() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, x: object) -> object:
            return {"out": self.dense(x)}

    model = Own()
    assert outputs_structure(model) is None
    assert not takes_training(model)
    make_variables(model, {"input": np.zeros((2, 3), "float32")}, "input")
    assert [tuple(variable.shape) for variable in model.variables] == [(3, 4), (4,)]


def test_a_mask_stays_with_its_tensor() -> None:
    value, mask = ops.ones((2, 3)), ops.ones((2, 3), dtype="bool")
    assert mask_of(value) is None
    assert mask_of(put_mask(value, None)) is None
    assert mask_of(put_mask(value, mask)) is mask


@pytest.mark.parametrize(("made", "operation"), [(ops.softmax, None), (tf.nn.softmax, "Softmax"), (tf.nn.sigmoid, "Sigmoid")])
def test_logits_are_found_where_keras_finds_them_and_can_be_others(made: Any, operation: str | None) -> None:
    def other(logits: Any) -> Any:
        value = made(logits)
        found = logits_of(value)
        assert found is not None
        assert found.operation == operation
        again = logits_of(put_logits(value, found._replace(values=2 * logits)))
        assert again is not None
        assert again.operation == operation
        return found.values, again.values

    given = np.array([[1.0, -2.0]])
    first, second = tf.function(other, autograph=False)(tf.constant(given))
    assert np.array_equal(first, given)
    assert np.array_equal(second, 2 * given)


def test_no_logits_are_found_of_what_was_done_afterwards_or_outside_of_a_graph() -> None:
    assert tf.function(lambda logits: logits_of(tf.nn.softmax(logits) + 0.0) is None, autograph=False)(tf.ones((1, 2)))
    assert logits_of(tf.nn.softmax(tf.ones((1, 2)))) is None


def test_random_numbers_without_a_seed_come_from_the_generator_that_was_given() -> None:
    keras.utils.set_random_seed(1)
    first = global_generator()
    start = np.asarray(first.state)
    drawn = np.asarray(keras.random.uniform((3,)))
    first.state.assign(start)
    keras.utils.set_random_seed(2)
    second = global_generator()
    with drawing_from(first):
        again = np.asarray(keras.random.uniform((3,)))
    assert np.array_equal(again, drawn)
    assert global_generator() is second


def test_other_arguments_leave_the_loss_that_was_given_alone() -> None:
    loss = keras.losses.Huber(delta=1.0)
    target, prediction = ops.zeros((1, 1)), ops.full((1, 1), 3.0)
    assert float(with_arguments(loss, {"delta": 2.0})(target, prediction)) == pytest.approx(2.0 * 3.0 - 2.0)
    assert float(loss(target, prediction)) == pytest.approx(1.0 * 3.0 - 0.5)


def test_the_function_of_a_metric_has_its_arguments() -> None:
    metric = keras.metrics.BinaryAccuracy(threshold=0.8)
    assert np.asarray(function_of(metric)(ops.array([[1.0]]), ops.array([[0.7]]))).ravel().tolist() == [0.0]
