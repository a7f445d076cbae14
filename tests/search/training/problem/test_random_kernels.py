"""What draws by a state outside of a model: where that is seen, and that a seed gives what it gives in plain Keras all the same."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tensorflow.python.eager import context

from search.errors import PreflightError
from search.training.problem.random_kernels import drawing_operations, draws, may_draw, set_seed_of_no_kernel, states, watching
from search.training.problem.workload import LoadedWorkload
from tests.search.training.scenes import engine_of, linear, rows, study, task, workload


@pytest.mark.parametrize(
    ("operation", "draws_itself", "may"),
    [
        ("RandomUniform", True, True),
        ("RandomShuffle", True, True),
        ("FractionalAvgPool", True, True),
        ("RngReadAndSkip", True, True),
        ("StatelessRandomUniformV2", False, False),
        ("CudnnRNNV3", False, False),
        ("MatMul", False, False),
        ("EagerPyFunc", False, True),  # whose Python may draw
        ("IteratorGetNext", False, True),  # which may run Python in a thread of its own
        ("__inference_mine_7", False, True),  # a function, which may draw
    ],
)
def test_operations_that_are_given_a_seed_of_their_own_draw_by_it(operation: str, draws_itself: bool, may: bool) -> None:
    assert (draws(operation), may_draw(operation)) == (draws_itself, may)


def _looped(x: Any) -> Any:
    return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x + tf.random.uniform([2])), (0, x))[1]


@pytest.mark.parametrize(
    ("function", "drawn"),
    [
        (lambda x: x + tf.random.normal([2]), {"RandomStandardNormal"}),
        (_looped, {"RandomUniform"}),
        (tf.function(lambda x: tf.random.shuffle(x)), {"RandomShuffle"}),
        (lambda x: keras.random.dropout(x, 0.5, seed=3), set()),
        (tf.function(lambda x: 2 * x), set()),
    ],
)
def test_a_graph_draws_where_it_or_a_function_in_it_does(function: Callable[[Any], Any], drawn: set[str]) -> None:
    graph = tf.function(function, autograph=False).get_concrete_function(tf.TensorSpec([2], tf.float32)).graph
    assert drawing_operations(graph) == drawn


def test_what_runs_is_noted_while_it_is_watched() -> None:
    drawn: list[str] = []
    with watching(lambda operation: drawn.append(operation) if draws(operation) else None):
        layers.Dense(2).build((None, 3))
        assert drawn == []
        tf.random.normal([2])
    tf.random.uniform([2])
    assert drawn == ["RandomStandardNormal"]


def _draw_in_a_thread() -> None:
    thread = threading.Thread(target=lambda: tf.random.normal([2]))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("draw", "by"),
    [
        (random.random, {"Python's random"}),
        (lambda: np.random.rand(2), {"np.random"}),
        (_draw_in_a_thread, {"tf.random"}),
        (lambda: keras.random.normal((2,)), set()),
        (lambda: np.random.default_rng(3).random(), set()),
    ],
)
def test_a_state_of_the_process_changes_where_it_is_drawn_by_in_any_thread(draw: Callable[[], Any], by: set[str]) -> None:
    keras.random.normal((2,))  # Keras's generator begins with a seed that Python draws
    before = states()
    draw()
    after = states()
    assert {name for name in after if after[name] != before[name]} == by


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


def _rows_with_noise() -> Any:
    for _ in range(4):
        yield tf.random.normal([3]).numpy()


NOISY = tf.data.Dataset.from_generator(_rows_with_noise, output_signature=tf.TensorSpec((3,), tf.float32))


def _drawn_by_a_dataset() -> keras.Model:
    """Return a model whose weights come from a dataset, whose Python runs in a thread of TensorFlow's."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"a": layers.Dense(2)(inputs)})
    rows = [each.numpy() for each in NOISY]
    model.trainable_variables[0].assign(np.stack(rows[:2], axis=1))
    return model


def _drawn_by_a_thread() -> keras.Model:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, {"a": layers.Dense(2)(inputs)})
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(tf.random.normal([3, 2])))
    thread.start()
    thread.join()
    model.trainable_variables[0].assign(found[0])
    return model


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


@pytest.mark.parametrize("build_model", [linear({"a": 2}), _drawn_by_kernels, _drawn_by_a_dataset, _drawn_by_a_thread, Subclassed])
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


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _noisy_backwards(x: Any) -> Any:
    return tf.identity(x), lambda upstream: upstream * (1 + tf.random.normal(tf.shape(upstream)))


class Backwards(layers.Layer):
    """Draws in its gradient alone, where no run of the model shows it."""

    def call(self, x: Any) -> Any:
        return _noisy_backwards(x)


class Looped(layers.Layer):
    """Draws in a loop within its call."""

    def call(self, x: Any) -> Any:
        return _looped(x)


def _with(layer: Callable[[], layers.Layer]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {"a": layer()(layers.Dense(2)(inputs))})

    return build_model


@pytest.mark.parametrize("strategy", ["serial", "vectorized", "unrolled"])
@pytest.mark.parametrize("layer", [Backwards, Looped])
def test_a_graph_that_draws_by_a_kernel_is_not_trained(layer: Callable[[], layers.Layer], strategy: str) -> None:
    engine = engine_of(study([task("a")]), workload(_with(layer), rows(20, a=2)), strategy, 2)
    with pytest.raises(PreflightError, match=r"or the gradient of one, draws by tf.random \(Random") as caught:
        engine.trace()
    assert caught.value.reason.code == "unseeded"


def test_checked_numerics_go_on_while_a_model_is_built() -> None:
    def build_model() -> keras.Model:
        tf.debugging.enable_check_numerics()
        try:
            return _with(lambda: layers.Lambda(lambda x: x * 2))()
        finally:
            tf.debugging.disable_check_numerics()

    drawn: list[str] = []
    with watching(drawn.append):
        build_model()
    assert not any(map(may_draw, drawn))
