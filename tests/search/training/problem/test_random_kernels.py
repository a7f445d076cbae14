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

from search.training.interface import Setting
from search.training.problem.random_kernels import draws, graph_draws, set_seed_of_no_kernel, watched
from search.training.problem.workload import LoadedWorkload
from tests.search.training.scenes import Recorder, engine_of, linear, rows, study, task, workload


@pytest.mark.parametrize(
    ("operation", "drawn"),
    [
        ("RandomUniform", True),
        ("RandomShuffle", True),
        ("FractionalAvgPool", True),
        ("StatelessRandomUniformV2", False),
        ("MatMul", False),
        ("EagerPyFunc", True),  # whose Python may draw
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
        return x + tf.random.normal([2]) if training else x


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _noisy_backwards(x: Any) -> Any:
    return tf.identity(x), lambda upstream: upstream * (1 + tf.random.normal(tf.shape(upstream)))


class Backwards(layers.Layer):
    """Draws in its gradient alone."""

    def call(self, x: Any) -> Any:
        return _noisy_backwards(x)


class InPython(layers.Layer):
    """Draws in Python while it trains."""

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        y = tf.py_function(lambda v: v + tf.random.normal(v.shape), [x], tf.float32)
        y.set_shape(x.shape)
        return y

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


class Measuring(layers.Layer):
    """Draws while it is measured, and never before."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x if training else x + tf.random.normal([2])

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def _with(layer: Callable[[], layers.Layer]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {"a": layer()(layers.Dense(2)(inputs))})

    return build_model


@pytest.mark.parametrize("layer", [Noise, Backwards, InPython, Measuring])
def test_a_kernel_that_draws_is_seen_in_the_graphs_that_are_trained(layer: Callable[[], layers.Layer]) -> None:
    engine = engine_of(study([task("a")]), workload(_with(layer), rows(20, a=2)))
    engine.trace()
    assert engine._problem.opened.kernels_draw is True


@pytest.mark.parametrize("layer", [layers.Identity, Noise, Backwards, InPython])
def test_what_a_seed_s_training_gives_does_not_depend_on_another_before_it(layer: Callable[[], layers.Layer]) -> None:
    definition = study([task("a")], training={"epochs": 2, "batch_size": 5})

    def trained(*seeds: int) -> list[float]:
        """Return the last seed's values, of an engine that trains all of them, one after another."""
        engine, recorder = engine_of(definition, workload(_with(layer), rows(20, a=2))), Recorder()
        with engine._problem.opened.settings.active():
            engine.trace()
            engine.train([Setting(seed, seed, {"a.error": 1.0}) for seed in seeds], definition.training, recorder)
        return [recorder.values(seeds[-1], 2, part)["a.error"] for part in ("train", "validation")]

    assert trained(2, 1) == trained(1)


def test_checked_numerics_go_on_while_a_model_is_built() -> None:
    def build_model() -> keras.Model:
        tf.debugging.enable_check_numerics()
        try:
            return _with(lambda: layers.Lambda(lambda x: x * 2))()
        finally:
            tf.debugging.disable_check_numerics()

    with watched() as drawn:
        build_model()
    assert drawn == []
