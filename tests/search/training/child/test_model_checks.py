"""A build_model() that gives no new model, or begins alike under every seed, is refused; so are lookups in assigned weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import pytest

from search.errors import PreflightError
from search.training.child.model_checks import assigned_in_measuring, require_new_model
from search.training.problem.workload import LoadedWorkload
from storage.records import Reason
from tests.search.training.scenes import checked, problem_of, rows, study, task, workload

WAY_OUT = 'build new layers in build_model() and do not seed there, or set training.initial_weights to "fixed"'
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own way of saving
SAME_START = "build_model() gives the same initial weights under every seed"


def _model(*layers: Any, **arguments: Any) -> keras.Model:
    """Return a model of these layers and a head `a` with these arguments."""
    features = inputs = keras.Input((3,))
    for layer in layers:
        features = layer(features)
    return keras.Model(inputs, {"a": keras.layers.Dense(1, **arguments)(features)})


def _checked(build_model: Callable[[], keras.Model], initial_weights: str = "fresh") -> None:
    definition = study([task("a")], training={"initial_weights": initial_weights})
    checked(definition, workload(build_model, rows(12, a=1)))


def _refusal(build_model: Callable[[], keras.Model]) -> Reason:
    with pytest.raises(PreflightError) as caught:
        _checked(build_model)
    assert caught.value.reason.at == "build_model"
    return caught.value.reason


def _seeding(seed: Callable[[], Any]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        seed()
        return _model(keras.layers.Dense(4))

    return build_model


def _initialised_by(initializer: Callable[[], Any]) -> Callable[[], keras.Model]:
    return lambda: _model(keras.layers.Dense(4, kernel_initializer=initializer()), kernel_initializer=initializer())


@pytest.mark.parametrize(
    "build_model",
    [
        _seeding(lambda: keras.utils.set_random_seed(42)),
        _initialised_by(lambda: keras.initializers.GlorotUniform(seed=1)),
        _initialised_by(lambda: keras.initializers.Orthogonal(seed=3)),
        lambda: _model(keras.layers.Dense(3, kernel_initializer="identity"), kernel_initializer="zeros"),
    ],
    ids=["seeds itself", "seeded initializers", "seeded orthogonal ones", "the identity"],
)
def test_a_start_that_no_seed_changes(build_model: Callable[[], keras.Model]) -> None:
    reason = _refusal(build_model)
    assert reason.code == "not_a_new_model"
    assert reason.message.startswith(SAME_START)
    assert reason.message.endswith(WAY_OUT)
    _checked(build_model, "fixed")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_new_model_passes_whatever_seed_the_example_has(seed: int) -> None:
    build_model = lambda: _model(keras.layers.Dense(4))  # noqa: E731
    require_new_model(LoadedWorkload(workload(build_model, rows(12, a=1)), seed))


@SAVING
def test_weights_that_are_read_and_no_new_layer(tmp_path: Any) -> None:
    file = tmp_path / "start.keras"
    _model(keras.layers.Dense(4)).save(file)

    def build_model() -> keras.Model:
        return keras.models.load_model(file)

    assert _refusal(build_model).message.startswith(SAME_START)
    _checked(build_model, "fixed")


def test_the_same_model_again() -> None:
    build_model = lru_cache(lambda: _model(keras.layers.Dense(4)))
    reason = _refusal(build_model)
    assert reason.code == "not_a_new_model"
    assert (
        reason.message == f"build_model() returns the same model again, so one training would go on where another ended: {WAY_OUT}"
    )
    _checked(build_model, "fixed")


def test_a_layer_that_all_models_share() -> None:
    trunk = keras.layers.Dense(4, name="trunk")
    reason = _refusal(lambda: _model(trunk))
    assert reason.code == "not_a_new_model"
    assert "share trained weights (of trunk" in reason.message
    assert reason.message.endswith(WAY_OUT)
    _checked(lambda: _model(trunk), "fixed")


def test_a_model_around_a_cached_one() -> None:
    inner = _model(keras.layers.Dense(4, name="inside"))

    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, inner(inputs))

    assert re.search(r"share trained weights \(of dense\w*, inside\), so", _refusal(build_model).message)


def test_another_model_the_second_time() -> None:
    widths = iter(range(2, 100))
    reason = _refusal(lambda: _model(keras.layers.Dense(next(widths))))
    assert (reason.code, "returns another model when it is called again" in reason.message) == ("not_a_new_model", True)


def test_another_type_the_second_time() -> None:
    types = iter(["float64"])
    reason = _refusal(lambda: _model(keras.layers.Dense(2, dtype=next(types, "float32"))))
    assert "returns another model when it is called again" in reason.message


@SAVING
def test_a_read_trunk_with_a_new_head_passes(tmp_path: Any) -> None:
    file = tmp_path / "trunk.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)]).save(file)
    _checked(lambda: _model(keras.models.load_model(file)))


def test_a_frozen_trunk_that_all_models_share_passes() -> None:
    trunk = keras.layers.Dense(4, trainable=False)
    _checked(lambda: _model(trunk))


def test_a_model_that_begins_at_zero_passes() -> None:
    _checked(lambda: _model(kernel_initializer="zeros"))


def test_looking_rows_up_in_weights_that_a_layer_has_just_assigned() -> None:
    def build_model() -> keras.Model:
        inputs = keras.Input((6,))
        embedded = keras.layers.SpectralNormalization(keras.layers.Embedding(9, 3))(inputs)
        return keras.Model(inputs, {"a": keras.layers.Dense(1)(keras.layers.Flatten()(embedded))})

    words = np.random.default_rng(2).integers(0, 4, size=(12, 6)).astype("float32")
    with pytest.raises(PreflightError, match=r"the weights of layer 'spectral_normalization\w*' are assigned") as caught:
        checked(study([task("a")]), workload(build_model, (words, rows(12, a=1)[1])))
    assert (caught.value.reason.code, caught.value.reason.at) == ("assigns_trainable", "build_model")


def test_spectral_normalisation_of_a_dense_layer_passes() -> None:
    _checked(lambda: _model(keras.layers.SpectralNormalization(keras.layers.Dense(4))))


class Running(keras.layers.Layer):
    """Subtracts a running mean, which it follows in training, or in every call."""

    def __init__(self, always: bool) -> None:
        super().__init__(name="running")
        self.always = always

    def build(self, shape: Any) -> None:
        self.mean = self.add_weight(shape=(shape[-1],), trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        if training or self.always:
            self.mean.assign(0.9 * self.mean + 0.1 * keras.ops.mean(x, axis=0))
        return x - self.mean


@pytest.mark.parametrize("always", [True, False])
def test_a_layer_that_assigns_where_it_does_not_train_is_named(always: bool) -> None:
    random = keras.layers.Dropout(0.5)
    build_model = lambda: _model(keras.Sequential([keras.layers.Dense(4), random, Running(always)]))  # noqa: E731
    problem = problem_of(study([task("a")]), workload(build_model, rows(12, a=1)))
    warnings = list(assigned_in_measuring(problem))
    assert [warning.split(":")[0] for warning in warnings] == (["running"] if always else [])
