"""The same weights, rows and seeds give the same numbers: what draws or remembers by anything else is refused by name."""

from __future__ import annotations

import inspect
import itertools
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
OTHER = "gives other numbers for the same weights, rows and seeds"
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


def _counting(kind: Callable[[float], Any] = tf.Variable) -> Callable[[], Any]:
    """Return a count of calls, that moves little."""
    count = kind(0.0)

    def counted() -> Any:
        count.assign_add(1e-9)
        return count + 0

    return counted


@tf.function  # type: ignore[untyped-decorator]
def _compiled() -> Any:
    return tf.random.normal([2])


def _generating() -> Callable[[], Any]:
    drawn = np.random.default_rng(3)
    return lambda: drawn.normal()


def _generator() -> Callable[[], Any]:
    generator = tf.random.Generator.from_seed(3)
    return lambda: generator.normal([2])


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
        (lambda: Drawing(lambda: tf.random.normal([2])), f"{LAYER} tf.random (RandomStandardNormal)"),
        (lambda: Drawing(lambda: tf.random.normal([2], seed=4)), f"{LAYER} tf.random (RandomStandardNormal)"),
        (lambda: Drawing(lambda: tf.random.normal([2]), measuring=True), f"{LAYER} tf.random (RandomStandardNormal)"),
        (lambda: Drawing(_generator()), f"{LAYER} tf.random (RngReadAndSkip)"),
        (lambda: Drawing(np.random.normal), f"{LAYER} np.random"),
        (lambda: Drawing(_in_python), f"{LAYER} tf.random"),
        (lambda: Drawing(lambda: _compiled()), f"{LAYER} tf.random (RandomStandardNormal)"),
        (lambda: Drawing(_generating()), f"the model {OTHER}"),
        (lambda: Drawing(_counting()), "layer 'drawing' assigns a tf.Variable (AssignAddVariableOp)"),
        (lambda: Drawing(_untracked()), "the model draws from a keras.random.SeedGenerator that no layer of the model holds"),
        (lambda: Drawing(_counting(keras.Variable)), "the model remembers variable"),
    ],
    ids=[
        *("kernel", "seeded kernel", "measuring", "generator", "NumPy", "Python", "function", "NumPy's generator", "counter"),
        *("seed generator", "Keras's counter"),
    ],
)
@pytest.mark.parametrize("initial_weights", ["fresh", "fixed"])
def test_a_layer_that_draws_or_remembers_by_something_else_is_refused(
    make: Callable[[], Any], told: str, initial_weights: str
) -> None:
    reason = _refusal(_with(make), initial_weights=initial_weights)
    assert (reason.code, reason.at) == ("unseeded", "build_model")
    assert reason.message.startswith(told)


class OwnStatistics(layers.Layer):
    """Keeps a mean in no weight, which only measuring reads."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.mean = tf.Variable(tf.zeros([2]))

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x, axis=0))
            return x
        return x - self.mean


class OwnKerasStatistics(OwnStatistics):
    """The same in a variable of Keras's that the layer does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.held = SimpleNamespace(mean=keras.Variable(np.zeros(2, np.float32), name="mine"))

    def call(self, x: Any, training: bool = False) -> Any:
        mean = self.held.mean
        if training:
            mean.assign(0.9 * mean + 0.1 * ops.mean(x, axis=0))
            return x
        return x - mean


@pytest.mark.parametrize(
    ("make", "told"),
    [(OwnStatistics, "layer 'own' assigns a tf.Variable"), (OwnKerasStatistics, "the model remembers mine from call to call")],
)
@pytest.mark.parametrize("initial_weights", ["fresh", "fixed"])
def test_what_training_keeps_for_measuring_must_be_a_weight(make: Callable[[], Any], told: str, initial_weights: str) -> None:
    assert _refusal(_with(make), initial_weights=initial_weights).message.startswith(told)


class Watched(layers.Layer):
    """Tracks a mean by a metric, which changes no output."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = keras.metrics.Mean()

    def call(self, x: Any) -> Any:
        self.seen.update_state(ops.mean(x))
        return x


def test_a_metric_in_a_layer_changes_nothing_and_is_not_refused() -> None:
    checked(study([task("a")], training=TRAINING), workload(_with(Watched), (X, Y)))


class Wrapper(layers.Layer):
    """Calls what is inside by its signature."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = Drawing(lambda: 1.0)

    def call(self, x: Any) -> Any:
        assert list(inspect.signature(self.inside.call).parameters) == ["x", "training"]
        return self.inside(x, training=True)


def test_calls_keep_their_signature_while_they_are_checked() -> None:
    checked(study([task("a")], training=TRAINING), workload(_with(Wrapper), (X, Y)))


def test_an_output_that_is_named_otherwise_each_time_and_read_by_no_task_is_not_compared() -> None:
    names = itertools.count()

    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {"a": layers.Dense(2)(inputs), f"b{next(names)}": layers.Dense(1)(inputs)})

    checked(study([task("a")], training=TRAINING), workload(build_model, (X, Y)))


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
    assert reason.message.startswith("models that build_model() makes under two seeds give other outputs with the same weights")
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
        (_counting(), "unseeded", "a.error assigns a tf.Variable (AssignAddVariableOp)"),
        (_counting(keras.Variable), "unseeded", "a.error remembers variable"),
        (_generating(), "unseeded", f"a.error {OTHER}"),
        (_untracked(), "unseeded", "a.error draws from a keras.random.SeedGenerator that no layer of the model holds"),
    ],
    ids=["kernel", "NumPy", "counter", "Keras's counter", "NumPy's generator", "seed generator"],
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


@pytest.mark.parametrize(
    "draw", [lambda: tf.random.normal([2]), np.random.normal, _generating(), _untracked()], ids=["kernel", "NumPy", "own", "seeds"]
)
def test_a_metric_that_draws_by_something_else_is_refused(draw: Callable[[], Any]) -> None:
    metric = {"noise": lambda batch: ops.mean(ops.square(batch.outputs["a"] + draw()), axis=-1)}
    with pytest.raises(PreflightError) as caught:
        checked(study([task("a", metrics=["noise"])], training=TRAINING), workload(linear({"a": 2}), (X, Y), metrics=metric))
    assert (caught.value.reason.code, caught.value.reason.at) == ("unseeded", "tasks.0.metrics.0")
    assert caught.value.reason.message.startswith("a.noise ")


@pytest.mark.parametrize(("strategy", "size"), [("serial", 1), ("vectorized", 4)])
def test_a_metric_that_draws_by_keras_random_gives_a_setting_the_same_each_time(strategy: str, size: int) -> None:
    metric = {"noise": lambda batch: ops.mean(ops.square(batch.outputs["a"] + keras.random.normal((2,))), axis=-1)}
    definition = study([task("a", metrics=["noise"])], training=TRAINING)
    bound = workload(linear({"a": 2}), (X, Y), metrics=metric)
    checked(definition, bound)
    engine, found = engine_of(definition, bound, strategy, size), []
    for seeds in ([1, 1], [2], [1]):
        recorder = Recorder()
        engine.train([Setting(number, each, {"a.error": 1.0}) for number, each in enumerate(seeds)], definition.training, recorder)
        found.append(recorder.values(len(seeds) - 1, 2)["a.noise"])
    assert found[0] == pytest.approx(found[2], rel=1e-6)
    assert found[0] != pytest.approx(found[1], rel=1e-3)


def _perceptual() -> Callable[[Any, Any], Any]:
    inputs = keras.Input((2,))
    seen = keras.Model(inputs, layers.BatchNormalization()(layers.Dense(3, kernel_initializer="ones")(inputs)))
    return lambda y_true, y_pred: ops.mean(ops.square(seen(y_true, training=True) - seen(y_pred, training=True)), axis=-1)


class Tracked(keras.losses.Loss):  # type: ignore[misc]
    """Tracks its own mean by a metric."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = keras.metrics.Mean()

    def call(self, y_true: Any, y_pred: Any) -> Any:
        value = ops.mean(ops.square(y_true - y_pred), axis=-1)
        self.seen.update_state(value)
        return value


@pytest.mark.parametrize("make", [_perceptual, Tracked])
def test_a_loss_that_assigns_what_it_does_not_read_trains_as_under_fit(make: Callable[[], Any]) -> None:
    loss = make()
    bound = workload(linear({"a": 2}), (X, Y), losses={"noisy": loss})
    checked(NOISY, bound)
    term = {"a.error": lambda y, y_pred: ops.mean(loss(y["a"], y_pred["a"]))}
    twin = TwinRun(bound, term, {"a.error": 1.0}, optimizer="adam", batch_size=5, epochs=2, seed=1)
    engine, recorder = engine_of(NOISY, bound, "vectorized", 2), Recorder()
    engine.train([Setting(number, 1, {"a.error": 1.0}) for number in range(2)], NOISY.training, recorder)
    assert [recorder.values(number, 2, "train") for number in range(2)] == [pytest.approx(twin.train[-1], rel=1e-5)] * 2
