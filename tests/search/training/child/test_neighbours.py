"""Workloads that one child trains one after another: what one sets for its process changes no number of another, in any order.

Right numbers are those of plain Keras: what the workload calls, then `fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tensorflow.python.framework import config as tf_config

from search.training.child.protocol import DefineStudy, DescribeWorkloads, PrepareStudy, StudyPrepared, TrainCohort
from search.training.child.server import TrainingChild
from search.training.interface import EpochReport, Setting
from search.training.problem.keras_settings import KerasSettings
from search.workloads import registry
from search.workloads.base import bind
from tests.search.training.scenes import study, task
from tests.search.training.twins import Terms, TwinRun

WEIGHTS = {"a.error": 1.0, "b.error": 0.3}
EXACT = 1e-12
ROUNDED = 2e-6

random = np.random.default_rng(7)
X = random.normal(size=(40, 4, 3))
Y = {"a": random.normal(size=(40, 1)), "b": (random.random(size=(40, 1)) > 0.5).astype("float64")}


def _nothing() -> None:
    pass


class Calls(keras.layers.Layer):
    """Calls a function whenever it is called itself."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__()
        self._function = function

    def call(self, x: Any) -> Any:
        self._function()
        return x


@dataclass
class Habit:
    """A workload whose code sets something for the whole process as it loads rows, builds or calls a model, or measures a term."""

    in_load: Callable[[], Any] = _nothing
    in_build: Callable[[], Any] = _nothing
    in_call: Callable[[], Any] = _nothing
    in_loss: Callable[[], Any] = _nothing
    losses: Mapping[str, Callable[..., Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.losses = {"own": self._own}

    def load_data(self) -> Any:
        self.in_load()
        part = X, Y
        return {"train": part, "validation": part}

    def build_model(self) -> Any:
        self.in_build()
        inputs = keras.Input((4, 3))
        pooled = keras.layers.GlobalAveragePooling1D()(inputs)  # over the axis that the image data format says
        features = keras.layers.Dropout(0.2)(keras.layers.Dense(8, activation="tanh")(Calls(self.in_call)(pooled)))
        outputs = {"a": keras.layers.Dense(1)(features), "b": keras.layers.Dense(1, activation="sigmoid")(features)}
        return keras.Model(inputs, outputs)

    def _own(self, batch: Any) -> Any:
        self.in_loss()
        return ops.mean(ops.square(ops.cast(batch.targets["a"], batch.outputs["a"].dtype) - batch.outputs["a"]))


def _set_floatx() -> None:
    keras.config.set_floatx("float64")


def _all(*functions: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> None:
        for function in functions:
            function()

    return call


HABITS: dict[str, Habit] = {
    "none": Habit(),
    "float type, in build": Habit(in_build=_set_floatx),
    "float type, in load": Habit(in_load=_set_floatx),
    "dtype policy, in build": Habit(in_build=lambda: keras.config.set_dtype_policy("float64")),
    "image data format, seeds and NumPy's errors, in load": Habit(
        in_load=_all(
            lambda: keras.config.set_image_data_format("channels_first"),
            lambda: keras.utils.set_random_seed(42),
            lambda: np.seterr(all="raise"),
        )
    ),
    "epsilon, TensorFlow's seed and determinism, in build": Habit(
        in_build=_all(
            lambda: keras.config.set_epsilon(0.3), lambda: tf.random.set_seed(42), tf.config.experimental.enable_op_determinism
        )
    ),
    "clear_session, in build": Habit(in_build=keras.backend.clear_session),
    "clear_session, in load": Habit(in_load=keras.backend.clear_session),
}

TERMS_AND_LAYERS: dict[str, Habit] = {
    "float type and epsilon, in a loss": Habit(in_loss=_all(_set_floatx, lambda: keras.config.set_epsilon(0.3))),
    "seeds, in a loss": Habit(in_loss=lambda: keras.utils.set_random_seed(9)),
    "float type and epsilon, in a layer": Habit(in_call=_all(_set_floatx, lambda: keras.config.set_epsilon(0.3))),
}
MIXED = Habit(in_build=lambda: keras.mixed_precision.set_global_policy("mixed_float16"))
REFUSED: dict[str, Habit] = {
    "tf.config.run_functions_eagerly": Habit(in_build=lambda: tf.config.run_functions_eagerly(True)),
    "keras.config.set_max_epochs": Habit(in_load=lambda: keras.config.set_max_epochs(1)),
    "tf.experimental.numpy.experimental_enable_numpy_behavior": Habit(
        in_build=tf.experimental.numpy.experimental_enable_numpy_behavior
    ),
}
ALL = {**HABITS, **TERMS_AND_LAYERS, "mixed precision": MIXED, **REFUSED}


class Channel:
    """Keeps what a child says."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def send(self, answer: Any) -> None:
        self.said.append(answer)

    def waiting(self) -> bool:
        return False


class Child:
    """A training child in this process, with the workloads that it is given by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **workloads: Any) -> None:
        monkeypatch.setattr(registry, "load", lambda name, environment=None: workloads[name])
        monkeypatch.setattr(registry, "places", lambda environment=None: {name: f"{name}:Shop" for name in workloads})
        self._channel = Channel()
        self._child = TrainingChild(self._channel)  # type: ignore[arg-type]

    def _definition(self, name: str, loss: str) -> dict[str, Any]:
        tasks = [task("a", loss), task("b", "binary_crossentropy", ["mae"])]
        definition = study(tasks, training={"epochs": 2, "batch_size": 16}, workload={"name": name})
        return definition.model_dump(mode="json", exclude={"schema_"})

    def prepared(self, name: str, loss: str = "mean_squared_error") -> Any:
        self._child.obey(DefineStudy(1, self._definition(name, loss)))
        self._child.obey(PrepareStudy(1))
        return self._channel.said[-1]

    def trained(self, name: str, loss: str = "mean_squared_error") -> dict[str, float]:
        """Return the numbers of the last epoch: of training by path, of validation by `validation ` and path."""
        self._channel.said.clear()
        self._child.obey(DefineStudy(1, self._definition(name, loss)))
        self._child.obey(TrainCohort(1, "serial", 1, [Setting(0, 5, WEIGHTS)]))
        epochs = [answer for answer in self._channel.said if isinstance(answer, EpochReport)]
        assert epochs, self._channel.said
        last = epochs[-1]
        values = {**last.train, **{f"validation {path}": values for path, values in last.validation.items()}}
        return {path: value for path, (value,) in values.items()}


@cache
def _by_fit(name: str) -> dict[str, float]:
    """Return the terms of the last epoch as plain Keras has them: of training, and on the rows of validation."""
    with KerasSettings().active():
        epsilon = keras.config.epsilon
        terms: Terms = {
            "a.error": lambda y, p: ops.mean(keras.losses.mean_squared_error(ops.cast(y["a"], p["a"].dtype), p["a"])),
            "b.error": lambda y, p: -ops.mean(_entropy(ops.cast(y["b"], p["b"].dtype), p["b"], epsilon())),
        }
        bound = bind("plain", HABITS[name], {})  # "adam": the optimizer is made after the model, as a program of one's own makes it
        run = TwinRun(bound, terms, WEIGHTS, optimizer="adam", batch_size=16, epochs=2, seed=5, validate=True)
        return {**run.train[-1], **{f"validation {path}": value for path, value in run.validation[-1].items()}}


def _entropy(y: Any, p: Any, epsilon: float) -> Any:
    p = ops.clip(p, epsilon, 1 - epsilon)
    return y * ops.log(p) + (1 - y) * ops.log(1 - p)


@pytest.fixture(scope="module")
def innocent() -> dict[str, float]:
    """What a workload that sets nothing has alone."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Child(monkeypatch, innocent=Habit()).trained("innocent")


def test_the_innocent_one_trains_as_under_fit(innocent: dict[str, float]) -> None:
    expected = _by_fit("none")
    assert {path: innocent[path] for path in expected} == pytest.approx(expected, abs=ROUNDED)


ALIKE = {"float type, in load", "dtype policy, in build", "clear_session, in load", "seeds, in a loss"}
"""Habits that differ from another by where they are, or by the name of what they set."""

FIRST = ("float type, in build", "clear_session, in build")
"""Habits that are also tried as the first that a child trains."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Child]:
    """A child that trains the innocent workload beside one habit after another."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Child(monkeypatch, innocent=Habit(), **{_workload(name): habit for name, habit in ALL.items()})


def _workload(name: str) -> str:
    return f"habit-{list(ALL).index(name)}"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.soak if name in ALIKE else ()) for name in HABITS if name != "none"]
)
def test_a_habit_is_trained_as_under_fit_and_its_neighbour_as_alone(name: str, innocent: dict[str, float], shared: Child) -> None:
    assert shared.trained("innocent") == innocent
    require_as_alone(shared, _workload(name), name, innocent)


@pytest.mark.soak
@pytest.mark.parametrize("name", FIRST)
def test_a_habit_that_comes_first_changes_nothing_either(
    name: str, innocent: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_as_alone(Child(monkeypatch, habit=HABITS[name], innocent=Habit()), "habit", name, innocent)


def require_as_alone(child: Child, workload: str, name: str, innocent: dict[str, float]) -> None:
    """Train a habit, the innocent workload and the habit again: each has the numbers that it has alone."""
    trained, expected = child.trained(workload), _by_fit(name)
    tolerance = EXACT if "float type" in name else ROUNDED
    assert {path: trained[path] for path in expected} == pytest.approx(expected, abs=tolerance)
    assert child.trained("innocent") == innocent
    assert child.trained(workload) == trained
    assert (keras.config.floatx(), tf_config.is_op_determinism_enabled()) == ("float32", False)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.soak if name in ALIKE else ()) for name in TERMS_AND_LAYERS])
def test_what_a_loss_or_layer_of_its_own_sets_changes_no_other_term(name: str, innocent: dict[str, float], shared: Child) -> None:
    assert shared.trained(_workload(name), "own") == pytest.approx(innocent, abs=ROUNDED)
    assert shared.trained("innocent") == innocent


def test_mixed_precision_is_refused_of_the_workload_that_sets_it_alone(innocent: dict[str, float], shared: Child) -> None:
    reason = shared.prepared(_workload("mixed precision")).reason
    assert (reason.code, reason.at) == ("unsupported_model", "build_model")
    assert "mixed precision is not yet supported" in reason.message
    assert isinstance(shared.prepared("innocent"), StudyPrepared)
    assert shared.trained("innocent") == innocent


@pytest.mark.parametrize("called", REFUSED)
def test_what_changes_how_fit_trains_is_refused_by_name(called: str, innocent: dict[str, float], shared: Child) -> None:
    reason = shared.prepared(_workload(called)).reason
    assert (reason.code, reason.at) == ("unsupported_workload", "load_data" if "epochs" in called else "build_model")
    assert f"calls {called}()" in reason.message
    assert reason.message.endswith("leave the call out")
    assert shared.trained("innocent") == innocent


def test_a_description_is_of_the_workload_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child(monkeypatch, doubles=Habit(in_build=_set_floatx), innocent=Habit())
    monkeypatch.setattr(registry, "names", lambda environment=None: ("doubles", "innocent"))
    child._child.obey(DescribeWorkloads())
    types = {each["name"]: each["description"]["outputs"]["a"]["dtype"] for each in child._channel.said[-1].workloads}
    assert types == {"doubles": "float64", "innocent": "float32"}
