"""The same weights, rows and seeds give the same numbers: what draws or remembers by anything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from search.errors import PreflightError
from search.training.interface import Setting
from storage.records import Reason
from tests.search.training.scenes import RANGE, Recorder, checked, engine_of, linear, rows, study, task, workload
from tests.search.training.twins import TwinRun

X, Y = rows(20, a=2)
LAYER = "layer 'drawing' draws by"
OTHER_OUTPUTS = "the model gives other outputs from the same weights, rows and seeds"
TRAINING = {"epochs": 2, "batch_size": 5, "optimizer": {"name": "adam"}}
NOISY = study([{"name": "a", "losses": [{"name": "error", "loss": "noisy", "weight": RANGE}], "metrics": []}], training=TRAINING)


class Drawing(layers.Layer):
    """Adds what `draw` gives, while it trains or while it is measured."""

    def __init__(self, draw: Callable[[], Any], *, measuring: bool = False) -> None:
        super().__init__(name="drawing")
        self.held = SimpleNamespace(draw=draw)
        self.measuring = measuring

    def call(self, x: Any, training: bool = False) -> Any:
        return x if training is self.measuring else x + self.held.draw()

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


class Constants(layers.Layer):
    """Multiplies by what it drew when it was made, which no variable holds."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = np.random.normal(size=2).astype(np.float32)

    def call(self, x: Any) -> Any:
        return x * self.factors


class HeldConstants(layers.Layer):
    """Multiplies by what it drew when it was made, which a weight holds."""

    def build(self, _: Any) -> None:
        self.factors = self.add_weight(shape=(2,), initializer="normal", trainable=False)

    def call(self, x: Any) -> Any:
        return x * self.factors


def _with(make: Callable[[], Any]) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {"a": make()(layers.Dense(2)(inputs))})

    return build_model


def _counting() -> Callable[[], Any]:
    count = tf.Variable(0.0)
    return lambda: count.assign_add(1.0)


def _generating() -> Callable[[], Any]:
    drawn = np.random.default_rng(3)
    return lambda: drawn.normal()


def _untracked() -> Callable[[], Any]:
    seeds = keras.random.SeedGenerator(3)
    return lambda: keras.random.normal((2,), seed=seeds)


def _in_python() -> Any:
    return tf.py_function(lambda: tf.random.normal([2]), [], tf.float32)


def _refusal(build_model: Callable[[], keras.Model], **parts: Any) -> Reason:
    with pytest.raises(PreflightError) as caught:
        checked(study([task("a")], training=TRAINING | parts), workload(build_model, (X, Y)))
    return caught.value.reason


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Drawing(lambda: tf.random.normal([2])), "layer 'drawing' draws by tf.random (RandomStandardNormal)"),
        (lambda: Drawing(lambda: tf.random.normal([2], seed=4)), "layer 'drawing' draws by tf.random (RandomStandardNormal)"),
        (
            lambda: Drawing(lambda: tf.random.normal([2]), measuring=True),
            "layer 'drawing' draws by tf.random (RandomStandardNormal)",
        ),
        (
            lambda: Drawing(lambda: tf.random.Generator.from_seed(3).normal([2])),
            "layer 'drawing' draws by tf.random (RngReadAndSkip)",
        ),
        (lambda: Drawing(np.random.normal), "layer 'drawing' draws by np.random"),
        (lambda: Drawing(_in_python), "layer 'drawing' draws by tf.random"),
        (lambda: Drawing(_generating()), "the model gives other outputs from the same weights, rows and seeds"),
        (lambda: Drawing(_counting()), "the model gives other outputs from the same weights, rows and seeds"),
    ],
    ids=["kernel", "seeded kernel", "measuring", "generator", "NumPy", "Python", "NumPy's generator", "counter"],
)
def test_a_layer_that_draws_or_remembers_by_something_else_is_refused(make: Callable[[], Any], told: str) -> None:
    reason = _refusal(_with(make))
    assert (reason.code, reason.at) == ("unseeded", "build_model")
    assert reason.message.startswith(told)


def test_a_layer_whose_seed_generator_the_model_does_not_hold_is_refused_at_the_line_that_draws() -> None:
    reason = _refusal(_with(lambda: Drawing(_untracked())))
    assert "a call draws from a keras.random.SeedGenerator that no layer of the model holds" in reason.message
    assert str(reason.at).startswith("test_random_checks.py:")


def test_a_stock_layer_that_draws_by_python_is_refused() -> None:
    def build_model() -> keras.Model:
        inputs = keras.Input((12,))
        image = layers.AugMix(value_range=(0, 1))(layers.Reshape((2, 2, 3))(inputs))
        return keras.Model(inputs, {"a": layers.Dense(2)(layers.Flatten()(image))})

    with pytest.raises(PreflightError, match=r"layer 'aug_mix.*' draws by Python's random"):
        checked(study([task("a")], training=TRAINING), workload(build_model, rows(20, inputs=12, a=2)))


def test_layers_that_draw_by_seeds_are_not_refused() -> None:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        features = layers.GaussianNoise(0.1)(layers.Dropout(0.5)(layers.Dense(4)(inputs)))
        drawing = Drawing(lambda: keras.random.normal((2,)))  # by the model's own seed
        return keras.Model(inputs, {"a": drawing(layers.Dense(2)(layers.BatchNormalization()(features)))})

    checked(study([task("a")], training=TRAINING), workload(build_model, (X, Y)))


def _adapted() -> Any:
    normalization = layers.Normalization()
    normalization.adapt(np.random.normal(size=(20, 2)))
    return normalization


@pytest.mark.parametrize("make", [Constants, _adapted])
def test_what_build_model_draws_and_no_variable_holds_is_refused(make: Callable[[], Any]) -> None:
    reason = _refusal(_with(make))
    assert (reason.code, reason.at) == ("not_a_new_model", "build_model")
    assert reason.message.startswith("build_model() draws numbers that no variable of its model holds")
    checked(study([task("a")], training=TRAINING | {"initial_weights": "fixed"}), workload(_with(make), (X, Y)))


def test_what_build_model_draws_into_a_weight_is_each_seed_s_own() -> None:
    checked(study([task("a")], training=TRAINING), workload(_with(HeldConstants), (X, Y)))


def _noisy(draw: Callable[[], Any]) -> Callable[[Any, Any], Any]:
    return lambda y_true, y_pred: ops.mean(ops.square(y_true + draw() - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("draw", "code", "told"),
    [
        (lambda: tf.random.normal([2]), "unseeded", "a.error draws by tf.random (RandomStandardNormal)"),
        (np.random.normal, "unseeded", "a.error draws by np.random"),
        (_counting(), "unseeded", "a.error gives another number for the same outputs"),
        (_untracked(), "term_failed", "a.error: RuntimeError: a call draws from a keras.random.SeedGenerator"),
    ],
    ids=["kernel", "NumPy", "counter", "seed generator"],
)
def test_a_loss_that_draws_or_remembers_by_something_else_is_refused(draw: Callable[[], Any], code: str, told: str) -> None:
    with pytest.raises(PreflightError) as caught:
        checked(NOISY, workload(linear({"a": 2}), (X, Y), losses={"noisy": _noisy(draw)}))
    assert caught.value.reason.code == code
    assert caught.value.reason.message.startswith(told)


@pytest.mark.parametrize(("strategy", "size"), [("serial", 1), ("vectorized", 4), ("unrolled", 2)])
@pytest.mark.parametrize("seed", [None, 3])
def test_a_loss_that_draws_by_keras_random_trains_as_under_fit(strategy: str, size: int, seed: int | None) -> None:
    """Each training draws what it draws alone, whatever was trained before it or is trained beside it."""
    loss = _noisy(lambda: keras.random.normal((2,), seed=seed))
    bound = workload(linear({"a": 2}), (X, Y), losses={"noisy": loss})
    term = {"a.error": lambda y, y_pred: ops.mean(loss(y["a"], y_pred["a"]))}
    expected = [
        TwinRun(bound, term, {"a.error": 1.0}, optimizer="adam", batch_size=5, epochs=2, seed=each).train[-1]["a.error"]
        for each in (1, 2)
    ]
    engine = engine_of(NOISY, bound, strategy, size)
    for seeds in ([1, 2, 1], [2], [1]):
        recorder = Recorder()
        settings = [Setting(number, each, {"a.error": 1.0}) for number, each in enumerate(seeds)]
        engine.train(settings, NOISY.training, recorder)
        found = [recorder.values(number, 2, "train")["a.error"] for number in range(len(seeds))]
        assert found == pytest.approx([expected[each - 1] for each in seeds], rel=1e-5)
