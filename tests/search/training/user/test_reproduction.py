"""`reproduced_by` is true: what it says, done in plain Keras, trains what the study measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.export.reproduction import Published, how_to_use
from search.training.child.describe import described
from search.training.interface import Setting
from search.training.problem.workload import LoadedWorkload
from search.training.user.apply import apply
from search.training.user.measure import measure
from search.validation import normalize
from tests.search.training.compiled import batches, few_steps, taken
from tests.search.training.scenes import Recorder, engine_of, linear, rows, study, task, workload

X, Y = rows(30, a=1, b=1)
HALF = (np.arange(30) % 2).astype("float64")
SIGNS = (Y["b"] > 0).astype("float64")


def two_steps() -> keras.Model:
    """Sequences without padding: outputs [rows, 3, 1]."""
    inputs = keras.Input((3, 2))
    return keras.Model(inputs, {name: keras.layers.Dense(1)(inputs) for name in ("a", "b")})


def steps_and_a_row() -> keras.Model:
    """Outputs [rows, 3, 1] and [rows, 1]."""
    inputs = keras.Input((3, 2))
    flat = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, {"a": keras.layers.Dense(1)(inputs), "b": keras.layers.Dense(1)(flat)})


def dot_products() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, {name: ops.sum(keras.layers.Dense(2)(inputs), axis=-1) for name in ("a", "b")})


def odd(*names: str) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {name: keras.layers.Dense(1)(inputs) for name in names})

    return build_model


TWO_HEADS = linear({"a": 1, "b": 1})


@dataclass(frozen=True)
class Case:
    """A study, and how its best weights are to be used."""

    by: str
    build_model: Callable[[], keras.Model] = TWO_HEADS
    x: Any = field(default_factory=lambda: X)
    y: Mapping[str, Any] = field(default_factory=lambda: Y)
    weight: Any = None
    tasks: Any = field(default_factory=lambda: [task("a", metrics=["mae"]), task("b", metrics=["mae"])])
    penalties: Any = ()
    row_weights: Any = None  # what the labels come to, where compile is enough
    filled: Any = None  # the labels that it takes
    own: Mapping[str, Any] = field(default_factory=dict)


STEPS = np.random.default_rng(3).normal(size=(30, 3, 2))
AGREE = {"name": "agree", "penalty": "consistency", "between": [{"task": "a"}, {"task": "b"}]}
CASES = {
    "names are enough": Case("compile"),
    "row weights of one task": Case("compile_with_losses", weight={"b": HALF}),
    "row weights of all": Case("compile_with_losses", weight=HALF + 0.5),
    "arguments of a loss": Case(
        "compile_with_losses",
        tasks=[
            task("a"),
            {"name": "b", "losses": [{"name": "error", "loss": "huber", "config": {"delta": 0.3}}], "metrics": ["mae"]},
        ],
    ),
    "logits": Case(
        "compile_with_losses",
        y={"a": Y["a"], "b": SIGNS},
        tasks=[task("a"), task("b", "binary_crossentropy", ["binary_accuracy"], from_logits=True)],
    ),
    "a penalty": Case("compile_and_penalties", penalties=[AGREE]),
    "a penalty and row weights": Case("compile_and_penalties", penalties=[AGREE], weight={"b": HALF}),
    "row weights of steps": Case(
        "custom_loss", two_steps, STEPS, {"a": STEPS[..., :1], "b": STEPS[..., 1:] ** 2}, weight={"b": HALF}
    ),
    "row weights beside steps": Case("custom_loss", steps_and_a_row, STEPS, {"a": STEPS[..., :1], "b": Y["b"]}, weight={"b": HALF}),
    "row weights of a dot product": Case("custom_loss", dot_products, X, {"a": X[:, 0], "b": X[:, 1] ** 2}, weight={"b": HALF}),
    "a dot product": Case("compile", dot_products, X, {"a": X[:, 0], "b": X[:, 1] ** 2}),
    "missing labels and class weights": Case(
        "compile_with_losses",
        y={"a": np.where(HALF[:, None] == 1, Y["a"], np.nan), "b": SIGNS},
        tasks=[
            task("a", metrics=["mae"], missing="nan"),
            task("b", "binary_crossentropy", ["binary_accuracy"], from_logits=True, class_weight={"1": 3.0}),
        ],
        row_weights={"a": HALF, "b": np.where(SIGNS[:, 0] == 1, 3.0, 1.0)},
        filled={"a": np.where(HALF[:, None] == 1, Y["a"], 0), "b": SIGNS},
    ),
    "missing labels beside a penalty": Case(
        "compile_and_penalties",
        y={"a": np.where(HALF[:, None] == 1, Y["a"], np.nan), "b": SIGNS},
        tasks=[
            task("a", metrics=["mae"], missing="nan"),
            task("b", "binary_crossentropy", from_logits=True, class_weight="balanced"),
        ],
        penalties=[AGREE],
    ),
    "single labels that are missing": Case(
        "custom_loss",
        linear({"a": 2, "b": 1}),
        y={"a": np.where(np.arange(60).reshape(30, 2) % 3 == 0, -9, np.tile(Y["a"], 2)), "b": Y["b"]},
        tasks=[task("a", metrics=["mae"], missing=-9), task("b")],
    ),
    "an own loss": Case(
        "custom_loss",
        tasks=[task("a"), {"name": "b", "losses": [{"name": "error", "loss": "own"}], "metrics": ["mae"]}],
        own={"losses": {"own": lambda y_true, y_pred: ops.mean(ops.abs(y_true - y_pred), -1)}},
    ),
}
for _by, *_names in [("custom_loss", "log odds", "head/age (years)"), ("custom_loss", "größe", "b"), ("compile", "2nd.try", "b")]:
    CASES[f"outputs called {_names[0]} and {_names[1]}"] = Case(
        _by,
        odd(*_names),
        y=dict(zip(_names, Y.values(), strict=True)),
        tasks=[task(task_, output=name, target=name, metrics=["mae"]) for task_, name in zip("ab", _names, strict=True)],
    )


ALIKE = {"row weights of all", "a penalty", "a dot product", "outputs called größe and b"}
"""Cases of which another holds all that they show."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.soak if name in ALIKE else ()) for name in CASES])
def test_what_it_says_trains_what_was_tuned(name: str, float64: None) -> None:
    case = CASES[name]
    definition = study(case.tasks, case.penalties, training={"epochs": 2, "batch_size": 8})
    data = (case.x, case.y) if case.weight is None else (case.x, case.y, case.weight)
    bound, recorder = workload(case.build_model, data, **case.own), Recorder()
    weights = {path: 0.4 + 0.9 * place for place, path in enumerate(engine_paths(definition))}
    engine_of(definition, bound).train([Setting(0, 3, weights)], definition.training, recorder)
    best = document(definition, weights, LoadedWorkload(bound), bound.losses)
    assert best["reproduced_by"] == case.by
    model = trained(case, best, bound)
    measured = measure(model, best, case.x, case.y, case.weight, workload=bound)
    stored = recorder.values(0, 2)
    assert measured == pytest.approx({path: stored[path] for path in measured}, abs=1e-6)
    assert {f"{each['name']}.mae" for each in case.tasks if "mae" in each["metrics"]} <= set(measured)


def engine_paths(definition: Any) -> list[str]:
    losses = [f"{each.name}.{loss.name}" for each in definition.tasks for loss in each.losses]
    return [*losses, *(penalty.name for penalty in definition.penalties)]


def document(definition: Any, weights: Mapping[str, float], opened: LoadedWorkload, own: Any) -> dict[str, Any]:
    """Return what `apply` and `measure` read of a best-weights document, from what a worker would publish."""
    splits = opened.loaded.splits.values()
    published = {
        "outputs": {name: {"shape": list(output.shape)} for name, output in opened.outputs.items()},
        "losses": list(own),
        "code": {
            "weighted": sorted({key for part in splits for key in part.sample_weight}),
            "rank_one": sorted(opened.example.rank_one),
        },
    }
    shown = normalize.to_api(definition)
    return {
        **how_to_use(definition, weights, Published.of(published, tuple(opened.outputs))),
        "weights": weights,
        "terms": {"tasks": shown["tasks"], "penalties": shown["penalties"]},
        "training": shown["training"],
    }


def trained(case: Case, best: Mapping[str, Any], bound: Any) -> keras.Model:
    """Do what `reproduced_by` says, in the order of rows that a study has."""
    keras.utils.set_random_seed(3)
    model, optimizer = case.build_model(), keras.optimizers.Adam()
    weight = case.weight
    if weight is not None:  # `fit` wants a weight for every output
        weight = dict.fromkeys(("a", "b"), np.ones(30)) | (weight if isinstance(weight, dict) else {"a": weight, "b": weight})
    labels = case.y
    if case.row_weights is not None:
        weight, labels = case.row_weights, case.filled
    if best["reproduced_by"] == "compile":
        losses = {each.get("output", each["name"]): each["losses"][0]["loss"] for each in case.tasks}
        model.compile(optimizer=optimizer, loss=losses, loss_weights=best["loss_weights"])
    elif best["reproduced_by"] == "compile_with_losses":
        losses = {output: keras.losses.deserialize(config) for output, config in best["losses"].items()}
        model.compile(optimizer=optimizer, loss=losses, loss_weights=best["loss_weights"])
    else:
        model = apply(model, best, workload=bound)
    model.run_eagerly = few_steps(30, 8, 2)
    for epoch in range(2):
        order = np.random.default_rng([3, epoch]).permutation(30)
        x, y, given = (taken(part, order) for part in (case.x, labels, weight))
        if best["reproduced_by"] in ("compile", "compile_with_losses"):
            model.fit(batches(x, y, given, batch_size=8), epochs=1, shuffle=False, verbose=0)
        else:  # an applied model counts the labels of arrays
            model.fit(x, y, sample_weight=given, batch_size=8, epochs=1, shuffle=False, verbose=0)
    return model


def test_a_worker_publishes_what_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = workload(dot_products, (X, {"a": X[:, 0], "b": X[:, 1]}, {"b": HALF}))
    monkeypatch.setattr("search.training.child.describe.load", lambda name: bound)
    monkeypatch.setattr("search.training.child.describe.registry.places", lambda: {"mine": "mine:Mine"})
    published = described("mine", lambda name, options: LoadedWorkload(bound))["description"]
    assert published["outputs"]["a"]["shape"] == [None, 1]
    assert (published["code"]["weighted"], published["code"]["rank_one"], published["code"]["plain"]) == (["b"], ["a", "b"], False)
