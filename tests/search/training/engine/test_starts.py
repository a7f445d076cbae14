"""What is kept of the seeds' starts, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers

from search.training.engine import starts
from search.training.engine.stacked_variable import form_of
from search.training.engine.starts import Starts
from tests.search.training.scenes import problem_of, rows, study, task, workload


def _model(*, pretrained: bool) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        x = keras.Input((3,))
        initializer = keras.initializers.GlorotUniform(seed=3 if pretrained else None)
        frozen = layers.Dense(4, kernel_initializer=initializer, trainable=False)
        return keras.Model(x, {"a": layers.Dense(1)(frozen(x))})

    return build_model


def _starts(*, pretrained: bool = False, **training: Any) -> Starts:
    definition = study([task("a")], training={"batch_size": 8, **training})
    problem = problem_of(definition, workload(_model(pretrained=pretrained), rows(20, a=1)))
    return Starts(problem, form_of(problem, problem.network(0)))


def test_the_starts_that_were_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "MAX_SEEDS", 2)
    found = _starts()
    first, second = found.variables(0), found.variables(1)
    assert found.variables(0) is first
    found.variables(2)
    assert found.variables(0) is first
    assert found.variables(1) is not second


@pytest.mark.parametrize("pretrained", [True, False])
def test_seeds_have_frozen_weights_in_common_where_these_are_the_same(pretrained: bool) -> None:
    found = _starts(pretrained=pretrained)
    (*own, kernel, _, _), (*others, other_kernel, _, _) = (found.variables(seed) for seed in (0, 1))  # last: bias, random seed
    assert kernel.shape == (3, 4)
    assert (other_kernel is kernel) == pretrained
    assert all(other is not mine for mine, other in zip(own, others, strict=True))


def test_all_seeds_have_one_start_where_the_initial_weights_are_fixed() -> None:
    found = _starts(initial_weights="fixed")
    assert found.variables(3) is found.variables(4)
