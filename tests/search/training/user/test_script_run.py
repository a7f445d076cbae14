"""A file that `script(best)` wrote, run in this process: it trains and measures as the engine does, whatever form the data have."""

from __future__ import annotations

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from search.definition.schema import StudyDefinition
from search.export.reproduction import Published, how_to_use
from search.export.script import script
from search.training.child.describe import _code, _forms
from search.training.interface import Setting
from search.training.problem.workload import LoadedWorkload
from search.validation import normalize
from search.workloads import registry
from search.workloads.base import bind
from tests.search.training.scenes import Recorder, engine_of, linear, rows, study, task

PLACE = "workload_of_a_test"
X, Y = rows(20, a=1, b=2)
ROW_WEIGHTS = {"a": np.linspace(0, 1, 20)}
WEIGHTS = {"a.error": 1.0, "b.error": 0.25}
TASKS = [task("a", metrics=["mae", "r2"]), task("b", metrics=["mse"])]


def _named() -> keras.Model:
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, activation="tanh")(inputs)
    return keras.Model(inputs, {"a": keras.layers.Dense(1)(hidden), "b": keras.layers.Dense(2)(hidden)})


def _listed() -> keras.Model:
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(4, activation="tanh")(inputs))
    return keras.Model(inputs, [keras.layers.Dense(2, name="b")(hidden), keras.layers.Dense(1, name="a")(hidden)])


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = keras.layers.Dense(1), keras.layers.Dense(2)

    def call(self, x: Any) -> Any:
        return {"a": self.a(x), "b": self.b(x)}


@pytest.fixture(autouse=True)
def _eager_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `fit` run without a graph: these are too short for one."""
    compile_model = keras.Model.compile
    monkeypatch.setattr(keras.Model, "compile", lambda self, *args, **how: compile_model(self, *args, **how, run_eagerly=True))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An importable module, registered as the workload `mine`."""
    module = ModuleType(PLACE)
    monkeypatch.setitem(sys.modules, PLACE, module)
    monkeypatch.setenv(registry.VARIABLE, f"mine={PLACE}")
    return module


def _shapes(opened: LoadedWorkload) -> dict[str, Any]:
    return {name: {"shape": list(output.shape)} for name, output in opened.outputs.items()}


def _ran(place: ModuleType, definition: StudyDefinition, weights: dict[str, float]) -> tuple[dict[str, Any], dict[str, float]]:
    """Train by the engine; return the namespace of the script that should do the same, and what the engine measured."""
    bound = bind("mine", place, {})
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train([Setting(0, 5, weights)], definition.training, recorder)
    opened, shown = LoadedWorkload(bound), normalize.to_api(definition)
    stored = recorder.values(0, definition.training.epochs)
    best = {
        **how_to_use(definition, weights, Published.of({"outputs": _shapes(opened)}, tuple(opened.outputs))),
        "study": {"name": "s"},
        "trial": 0,
        "picked_by": "objective",
        "seeds": [5],
        "epoch": definition.training.epochs,
        "weights": weights,
        "schedules": {},
        "terms": {"tasks": shown["tasks"], "penalties": []},
        "objective": {"values": stored},
        "metrics": {"validation": stored},
        "baselines": {},
        "training": shown["training"],
        "workload": {"name": "mine", "options": {}, **_code("mine", place), **_forms(opened)},
    }
    namespace: dict[str, Any] = {"__name__": "train"}
    exec(script(best), namespace)  # written a line above
    return namespace, stored


@pytest.mark.parametrize(
    ("build", "data", "plain"),
    [
        (_named, (X, Y), True),
        pytest.param(Subclassed, (X, Y), True, marks=pytest.mark.soak),
        (_named, (X, Y, ROW_WEIGHTS), False),
        (_named, (X, Y, np.linspace(0, 1, 20)), False),
        (_listed, (X, {**Y, "unused": Y["a"]}), False),
        (_named, ({"only": X}, Y), True),
    ],
    ids=["dict", "subclassed", "weights of a target", "weights of rows", "list, and a target more", "inputs by name"],
)
def test_it_trains_and_measures_as_the_engine_does(place: ModuleType, build: Any, data: Any, plain: bool) -> None:
    def build_model() -> keras.Model:
        if not isinstance(data[0], dict):
            return build()
        inner = build()
        inputs = {"only": keras.Input((3,), name="only")}
        return keras.Model(inputs, inner(inputs["only"]))

    place.build_model = build_model
    place.load_data = lambda: {"train": data, "validation": data}
    namespace, stored = _ran(place, study(TASKS, training={"epochs": 3, "batch_size": 8}), WEIGHTS)
    assert ("LOSSES" in namespace) == plain
    measured = namespace["measured"](namespace["train"](5), "validation")
    assert set(measured) == set(stored)
    assert measured == pytest.approx(stored, rel=1e-4)


@pytest.mark.parametrize(
    ("build", "plain"),
    [pytest.param(_named, True, marks=pytest.mark.soak), pytest.param(Subclassed, True, marks=pytest.mark.soak), (_listed, False)],
)
def test_a_model_that_is_built_once_starts_anew_for_every_seed(place: ModuleType, build: Any, plain: bool) -> None:
    place.build_model = lru_cache(build)
    place.load_data = lambda: {"train": (X, Y), "validation": (X, Y)}
    training = {"epochs": 3, "batch_size": 8, "initial_weights": "fixed"}
    namespace, stored = _ran(place, study(TASKS, training=training), WEIGHTS)
    place.build_model = lru_cache(build)  # the engine's has its own initial weights by now
    assert ("LOSSES" in namespace) == plain
    for seed in (4, 5):
        measured = namespace["measured"](namespace["train"](seed), "validation")
    assert measured == pytest.approx(stored, rel=1e-4)


def test_a_single_unnamed_target_is_trained_and_rows_in_their_order(place: ModuleType) -> None:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, keras.layers.Dense(1, name="a")(inputs))

    place.build_model = build_model
    place.load_data = lambda: {"train": (X, Y["a"]), "validation": (X, Y["a"])}
    in_order = {"epochs": 2, "batch_size": 8, "shuffle": False}
    namespace, stored = _ran(place, study([task("a", metrics=["mae"])], training=in_order), {"a.error": 2.0})
    assert namespace["measured"](namespace["train"](5), "validation") == pytest.approx(stored, rel=1e-4)


def test_labels_without_their_last_axis_are_measured_by_keras(place: ModuleType) -> None:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        heads = {"a": keras.layers.Dense(1, name="a")(inputs), "b": keras.layers.Dense(3, name="b")(inputs)}
        return keras.Model(inputs, heads)

    odd, kind = (X[:, 0] > 0).astype("int32"), np.arange(20) % 3
    place.build_model = build_model
    place.load_data = lambda: {"train": (X, {"a": odd, "b": kind}), "validation": (X, {"a": odd, "b": kind})}
    tasks = [
        task("a", "binary_crossentropy", ["accuracy", "auc", "precision"], from_logits=True),
        task("b", "sparse_categorical_crossentropy", ["accuracy"], from_logits=True),
    ]
    namespace, stored = _ran(place, study(tasks, training={"epochs": 3, "batch_size": 8}), WEIGHTS)
    assert "probabilities" in namespace
    assert namespace["measured"](namespace["train"](5), "validation") == pytest.approx(stored, rel=1e-4)


def test_missing_labels_and_class_weights_are_row_weights_in_plain_keras(place: ModuleType, float64: None) -> None:
    signs = (X[:, :1] > 0).astype("float64")
    y = {"a": np.where(np.arange(20)[:, None] % 3 == 0, np.nan, Y["a"]), "b": np.where(X[:, 1:2] > 1, -1, signs)}
    place.build_model = linear({"a": 1, "b": 1}, activations={"b": "sigmoid"})
    place.load_data = lambda: {"train": (X, y), "validation": (X, y)}
    tasks = [
        task("a", metrics=["mae"], missing="nan"),
        task("b", "binary_crossentropy", ["auc"], missing=-1, class_weight="balanced"),
    ]
    namespace, stored = _ran(place, study(tasks, training={"epochs": 3, "batch_size": 8}), WEIGHTS)
    assert (namespace["MISSING"], namespace["CLASS_WEIGHT"]) == ({"a": "nan", "b": -1.0}, {"b": "balanced"})
    assert "steelyard" not in namespace
    assert namespace["measured"](namespace["train"](5), "validation") == pytest.approx(stored, rel=1e-4)


def test_single_labels_that_are_missing_are_trained_by_apply(place: ModuleType) -> None:
    y = {"a": Y["a"], "b": np.where(np.arange(40).reshape(20, 2) % 3 == 0, np.nan, Y["b"])}
    place.build_model = _named
    place.load_data = lambda: {"train": (X, y), "validation": (X, y)}
    tasks = [task("a", metrics=["mae", "r2"]), task("b", metrics=["mse"], missing="nan")]
    namespace, stored = _ran(place, study(tasks, training={"epochs": 2, "batch_size": 8}), WEIGHTS)
    assert "LOSSES" not in namespace
    assert namespace["measured"](namespace["train"](5), "validation") == pytest.approx(stored, rel=1e-4)


def test_weights_that_name_no_target_are_refused(place: ModuleType) -> None:
    place.build_model = _named
    given = (X, Y, {"c": np.ones(20)})
    place.load_data = lambda: {"train": given, "validation": given}
    namespace, _ = _ran(place, study(TASKS, training={"epochs": 1, "batch_size": 8}), WEIGHTS)
    with pytest.raises(AssertionError, match=r"weights of \['c'\]"):
        namespace["train"](5)


def test_outputs_that_keras_cannot_name_a_scope_after_are_trained(place: ModuleType) -> None:
    names = {"a": "log odds", "b": "head/age (years)", "c": "größe"}

    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {name: keras.layers.Dense(1)(inputs) for name in names.values()})

    y = dict.fromkeys(names.values(), Y["a"])
    place.build_model = build_model
    place.load_data = lambda: {"train": (X, y), "validation": (X, y)}
    tasks = [task(each, output=name, target=name, metrics=["mae"]) for each, name in names.items()]
    weights = {"a.error": 1.0, "b.error": 0.25, "c.error": 3.0}
    namespace, stored = _ran(place, study(tasks, training={"epochs": 2, "batch_size": 8}), weights)
    assert "LOSSES" not in namespace
    assert namespace["measured"](namespace["train"](5), "validation") == pytest.approx(stored, rel=1e-4)
