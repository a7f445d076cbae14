"""State that nothing trained moves is the same for all settings of a seed: it is kept once, and what it feeds is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from search.training.engine.loops import looped_operations
from search.training.engine.stack import Stack
from search.training.engine.stacked_variable import form_of
from search.training.engine.strategies import STRATEGIES
from search.training.problem.setting_inputs import equal_knobs
from tests.search.training.scenes import engine_of, problem_of, rows, study, task, workload

DEFINITION = study([task("a"), task("b")], training={"epochs": 1, "batch_size": 8})


class DrawsAnew(layers.Layer):
    """Remembers a number that no seed gives."""

    def build(self, _: Any) -> None:
        self.drawn = self.add_weight(shape=(), initializer="zeros", trainable=False, name="drawn")

    def call(self, x: Any) -> Any:
        self.drawn.assign(tf.random.normal((), dtype=x.dtype))
        return x


def _build(*parts: Callable[[], Any]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        features = given = keras.Input((6,))
        for part in parts:
            features = part()(features)
        return keras.Model(given, {"a": layers.Dense(2)(features), "b": layers.Dense(1)(features)})

    return build_model


def _problem(*parts: Callable[[], Any]) -> Any:
    return problem_of(DEFINITION, workload(_build(*parts), rows(20, inputs=6, a=2, b=1)))


def _alike(*parts: Callable[[], Any]) -> tuple[list[str], list[str]]:
    """Return the names of the changing state that settings have in common, and of that which differs."""
    problem = _problem(*parts)
    network = problem.network(0)
    form = form_of(problem, network)
    named = [(place in form.alike, network.state[place].name) for place in form.changing]
    return [name for alike, name in named if alike], [name for alike, name in named if not alike]


@pytest.mark.parametrize(
    ("parts", "alike", "differing"),
    [
        ((lambda: layers.Dense(4), lambda: layers.Dropout(0.5)), ["seed_generator_state"], []),
        ((layers.BatchNormalization, lambda: layers.Dense(4)), ["moving_mean", "moving_variance"], []),
        ((lambda: layers.Dense(4), layers.BatchNormalization), [], ["moving_mean", "moving_variance"]),
        ((DrawsAnew,), [], ["drawn"]),
    ],
    ids=["seeds", "statistics of inputs", "statistics of what is trained", "drawn without a seed"],
)
def test_state_is_alike_where_nothing_trained_moves_it(parts: Any, alike: list[str], differing: list[str]) -> None:
    assert _alike(*parts) == (alike, differing)


@pytest.mark.parametrize("shared", [True, False])
def test_a_dropout_mask_is_drawn_once_for_all_settings_that_share_a_seed(shared: bool) -> None:
    problem = _problem(lambda: layers.Dense(4), lambda: layers.Dropout(0.5))
    network = problem.network(0)
    form = form_of(problem, network)
    stack = Stack(problem, network, form if shared else form._replace(alike=frozenset()), STRATEGIES["vectorized"], 4)
    none, sums = tf.constant(0), tf.zeros((4, 2, 2), tf.float64)
    with looped_operations() as loops:
        stack.train(equal_knobs(4, 2), tf.range(20), {}, none, none, sums)
    assert any("StatelessRandom" in kind for kind in loops) != shared


def test_a_smaller_stack_goes_on_with_the_same_seeds() -> None:
    engine = engine_of(DEFINITION, workload(_build(lambda: layers.Dropout(0.5)), rows(20, inputs=6, a=2, b=1)), "vectorized", 4)
    old, new = engine._stack(4), engine._stack(2)
    old.begin([[variable.numpy() for variable in engine._network.variables]] * 4)
    old.state[0].variable.assign_add(np.array([0, 7], old.state[0].variable.dtype))
    new.take_over(old, [1, 3])
    np.testing.assert_array_equal(new.state[0].at(1), old.state[0].at(3))
