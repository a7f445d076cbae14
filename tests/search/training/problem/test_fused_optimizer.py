"""Optimizers whose step is one operation a variable change it as Keras's own do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from search.definition.schema import Optimizer
from search.training.problem.optimizers import made_optimizer, stacked_optimizer

FORMS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("adam", {}),
    ("adam", {"beta_1": 0.5, "epsilon": 0.1, "clipvalue": 0.5}),
    ("adam", {"gradient_accumulation_steps": 2}),
    ("adamw", {"weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"momentum": 0.5, "rho": 0.5, "epsilon": 0.1}),
    ("adagrad", {"initial_accumulator_value": 0.0, "epsilon": 0.1}),
)


def steps() -> list[list[Any]]:
    """Return four steps' gradients of a stack of three matrices and one of three scalars."""
    random = np.random.default_rng(0)
    return [[random.normal(size=(3, 5, 2)), random.normal(size=(3,))] for _ in range(4)]


def trained(optimizer: Any, gradients: Sequence[Sequence[Any]]) -> list[Any]:
    variables = [keras.Variable(np.ones(each.shape)) for each in gradients[0]]
    optimizer.build(variables)
    for step in gradients:
        optimizer.apply([tf.constant(each, variables[0].dtype) for each in step], variables)
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize(("name", "config"), FORMS)
def test_a_fused_optimizer_trains_as_keras_s_own(name: str, config: Mapping[str, Any], float64: None) -> None:
    choice = Optimizer(name=name, config={"learning_rate": 0.03, **config})
    fused, own = made_optimizer(choice, fuse=True), made_optimizer(choice)
    assert type(fused) is not type(own)
    for ours, theirs in zip(trained(fused, steps()), trained(own, steps()), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        assert not np.allclose(ours, 1)


@pytest.mark.parametrize(
    ("name", "config"),
    [("adam", {"amsgrad": True}), ("adam", {"beta_2": 0.99999}), ("rmsprop", {"centered": True}), ("nadam", {}), ("lion", {})],
)
def test_what_no_operation_has_the_formula_of_is_keras_s_own(name: str, config: Mapping[str, Any]) -> None:
    choice = Optimizer(name=name, config=config)
    assert type(made_optimizer(choice, fuse=True)) is type(made_optimizer(choice))


def test_where_gradients_come_as_rows_the_optimizer_is_keras_s_own() -> None:
    _, by_rows = stacked_optimizer(Optimizer(name="adam"), stacks=True, by_rows=True)
    assert type(by_rows) is keras.optimizers.Adam


def test_a_step_is_one_operation_a_variable() -> None:
    optimizer = made_optimizer(Optimizer(name="adam"), fuse=True)
    variables = [keras.Variable(np.ones((3, 2))), keras.Variable(np.ones(3))]
    optimizer.build(variables)

    def step() -> None:
        optimizer.apply([tf.ones((3, 2)), tf.ones(3)], variables)

    kinds = [operation.type for operation in tf.function(step, autograph=False).get_concrete_function().graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == len(variables)
    assert "Sqrt" not in kinds


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad"])
def test_beside_a_gradient_that_is_no_number_the_other_settings_keep_every_bit(name: str) -> None:
    healthy, broken = steps(), steps()
    for step in broken:
        for gradient in step:
            gradient[1] = np.nan
    both = [trained(made_optimizer(Optimizer(name=name), fuse=True), gradients) for gradients in (healthy, broken)]
    for well, beside in zip(*both, strict=True):
        assert np.array_equal(well[[0, 2]], beside[[0, 2]])
        assert np.isnan(beside[1]).all()
