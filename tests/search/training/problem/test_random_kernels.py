"""Kernels that draw by a state of their own: where there are any, and what is as in plain Keras with and without."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.eager import context

from search.training.engine.stacked_variable import form_of
from search.training.problem.random_kernels import draws, graph_draws, set_seed_of_no_kernel, watched
from search.training.problem.workload import LoadedWorkload
from tests.search.training.scenes import linear, problem_of, rows, study, task, workload


@pytest.mark.parametrize(
    ("operation", "drawn"),
    [
        ("RandomUniform", True),
        ("RandomShuffle", True),
        ("FractionalAvgPool", True),
        ("StatelessRandomUniformV2", False),
        ("MatMul", False),
        ("__inference_mine_7", True),  # a function, which may draw
    ],
)
def test_operations_that_are_given_a_seed_of_their_own_draw_by_it(operation: str, drawn: bool) -> None:
    assert draws(operation) is drawn


def _looped(x: Any) -> Any:
    return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x + tf.random.uniform([2])), (0, x))[1]


@pytest.mark.parametrize(
    ("function", "drawn"),
    [
        (lambda x: x + tf.random.normal([2]), True),
        (_looped, True),
        (tf.function(lambda x: tf.random.shuffle(x)), True),
        (lambda x: keras.random.dropout(x, 0.5, seed=3), False),
        (tf.function(lambda x: 2 * x), False),
    ],
)
def test_a_graph_draws_where_it_or_a_function_in_it_does(function: Callable[[Any], Any], drawn: bool) -> None:
    graph = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec([2], tf.float32)).graph
    assert graph_draws(graph) is drawn


def test_what_runs_is_noted_while_it_is_watched() -> None:
    with watched() as drawn:
        layers.Dense(2).build((None, 3))
        assert drawn == []
        tf.random.normal([2])
    tf.random.uniform([2])
    assert drawn == ["RandomStandardNormal"]


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls so far that drop all kernels."""
    calls: list[Any] = []
    clear = context.pywrap_tfe.TFE_ContextClearCaches
    monkeypatch.setattr(context.pywrap_tfe, "TFE_ContextClearCaches", lambda handle: (calls.append(handle), clear(handle)))
    return calls


def test_a_seed_that_drops_no_kernel_is_that_of_keras_in_all_else(dropped: list[Any]) -> None:
    def drawn() -> list[Any]:
        return [random.random(), np.random.rand(), keras.random.normal((2,)).numpy().tolist(), context.internal_operation_seed()]

    keras.utils.set_random_seed(7)
    assert len(dropped) == 1
    expected = drawn()
    set_seed_of_no_kernel(7)
    assert drawn() == expected
    assert len(dropped) == 1
    keras.utils.set_random_seed(8)
    assert len(dropped) == 2


def _drawn_by_kernels() -> keras.Model:
    inputs = keras.Input((3,))
    start = tf.random.normal([3, 2]).numpy()
    return keras.Model(inputs, {"a": layers.Dense(2, kernel_initializer=lambda *_, **__: start)(inputs)})


class Drawing(layers.Layer):
    """Builds its weight on the first call, by TensorFlow's own generator."""

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight(shape=(1,), initializer=lambda shape, dtype: tf.random.uniform(shape, dtype=dtype))

    def call(self, x: Any) -> Any:
        return x + self.shift


class Subclassed(keras.Model):  # type: ignore[misc]
    """Has no variables before its first call."""

    def __init__(self) -> None:
        super().__init__()
        self.drawing, self.dense = Drawing(), layers.Dense(2)

    def call(self, x: Any) -> Any:
        return {"a": self.dense(self.drawing(x))}


def _opened(build_model: Callable[[], keras.Model]) -> LoadedWorkload:
    return LoadedWorkload(workload(build_model, rows(20, a=2)))


@pytest.mark.parametrize("build_model", [linear({"a": 2}), _drawn_by_kernels, Subclassed])
def test_every_model_under_a_seed_begins_as_set_random_seed_has_it(build_model: Callable[[], keras.Model]) -> None:
    keras.utils.set_random_seed(5)
    model = build_model()
    model(np.zeros((1, 3), np.float32))
    expected, opened = model.get_weights(), _opened(build_model)
    for seed in (5, 6, 5, 5):
        found = [variable.numpy() for variable in opened.network(seed).trainable]
        same = [np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True)]
        assert all(same) is (seed == 5)


def test_the_models_of_a_workload_that_draws_by_no_kernel_drop_none_after_the_first(dropped: list[Any]) -> None:
    opened = _opened(linear({"a": 2}))
    before = len(dropped)
    opened.network(1)
    opened.network(2)
    assert (opened.kernels_draw, len(dropped) - before) == (False, 0)


def test_a_model_that_draws_by_a_kernel_later_is_made_again_by_kernels_that_begin_anew() -> None:
    made: list[keras.Model] = []

    def build_model() -> keras.Model:
        made.append(_drawn_by_kernels() if made else linear({"a": 2})())
        return made[-1]

    opened = _opened(build_model)
    tf.random.set_seed(3)
    tf.random.normal([3, 2])  # the kernel of this seed has drawn once
    assert opened.kernels_draw is False
    network = opened.network(3)
    assert (opened.kernels_draw, len(made)) == (True, 3)
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(network.trainable[0].numpy(), _drawn_by_kernels().get_weights()[0])


class Noise(layers.Layer):
    """Draws while it trains."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + tf.random.normal([3]) if training else x


def test_a_training_that_draws_by_a_kernel_is_seen_in_its_graph() -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"a": layers.Dense(2)(Noise()(inputs))})
    problem = problem_of(study([task("a")]), workload(lambda: keras.models.clone_model(model), rows(20, a=2)))
    form_of(problem, problem.opened.example)
    assert problem.opened.kernels_draw is True
