"""A training under missing labels and class weights, against plain Keras: `fit` with row weights, or with `class_weight`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from search.training.interface import Setting
from tests.search.training.compiled import fitted, weighted_mean
from tests.search.training.scenes import Recorder, engine_of, linear, rows, study, task, workload

WEIGHTS = {"often.error": 0.5, "rare.error": 2.0}
BUILD = linear({"often": 1, "rare": 1}, activations={"rare": "sigmoid"})
X, Y = rows(40, often=1, rare=(np.arange(40) % 3 == 0).astype("float64").reshape(-1, 1))
LABELLED = np.random.default_rng(3).random(40) < 0.5
ROWS = np.random.default_rng(4).uniform(0.5, 2, 40)
CLASSES = np.where(Y["rare"][:, 0] == 1, 4.0, 0.5)
NAN = {**Y, "rare": np.where(LABELLED[:, None], Y["rare"], np.nan)}
MEAN = "mean_with_sample_weight"


def trained(y: Any, weight: Any = None, build: Any = BUILD, tasks: Any = None, **labels: Any) -> Recorder:
    asked = tasks or [task("often"), task("rare", "binary_crossentropy", ["binary_accuracy"], **labels)]
    definition = study(asked, training={"epochs": 2, "batch_size": 7})
    recorder = Recorder()
    engine = engine_of(definition, workload(build, (X, y) if weight is None else (X, y, weight)))
    weights = {path: WEIGHTS.get(path, 1.0) for path in (f"{each['name']}.error" for each in asked)}
    engine.train([Setting(0, 0, weights)], definition.training, recorder)
    return recorder


def by_keras(weight: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return what plain Keras predicts after a training under these row weights of `rare`."""
    losses = {"often": keras.losses.MeanSquaredError(reduction=MEAN), "rare": keras.losses.BinaryCrossentropy(reduction=MEAN)}
    loss_weights = {"often": WEIGHTS["often.error"], "rare": WEIGHTS["rare.error"]}
    given = {"often": np.ones(40), "rare": weight}
    model = fitted(BUILD, X, Y, given, batch_size=7, epochs=2, loss=losses, loss_weights=loss_weights, optimizer="adam")
    return {name: np.asarray(each) for name, each in model.predict(X, verbose=0).items()}


def crossentropy(predicted: NDArray[Any]) -> NDArray[Any]:
    return -np.where(Y["rare"] == 1, np.log(predicted), np.log(1 - predicted))[:, 0]


@pytest.mark.parametrize(
    ("y", "weight", "labels", "twin"),
    [
        (NAN, None, {"missing": "nan"}, LABELLED * 1.0),
        ({**Y, "rare": np.where(LABELLED[:, None], Y["rare"], -1)}, {"rare": ROWS}, {"missing": -1}, LABELLED * ROWS),
        (Y, None, {"class_weight": {"0": 0.5, "1": 4.0}}, CLASSES),
        (NAN, {"rare": ROWS}, {"missing": "nan", "class_weight": {"0": 0.5, "1": 4.0}}, LABELLED * ROWS * CLASSES),
    ],
    ids=["missing", "missing and row weights", "class weights", "all together"],
)
def test_labels_count_as_row_weights_made_of_them(y: Any, weight: Any, labels: Any, twin: Any, float64: None) -> None:
    recorder = trained(y, weight, **labels)
    predicted = by_keras(np.asarray(twin))
    measured = recorder.values(0, 2)
    assert measured["often.error"] == pytest.approx(weighted_mean(np.square(predicted["often"] - Y["often"])[:, 0]), abs=1e-8)
    judged = np.ones(40) * (1 if weight is None else weight["rare"]) * (LABELLED if "missing" in labels else 1)
    assert measured["rare.error"] == pytest.approx(weighted_mean(crossentropy(predicted["rare"]), judged), abs=1e-8)
    right = (predicted["rare"] > 0.5)[:, 0] == (Y["rare"][:, 0] == 1)
    assert measured["rare.binary_accuracy"] == pytest.approx(weighted_mean(right, judged), abs=1e-8)


def test_before_training_training_rows_are_weighed_by_class_and_validation_rows_are_not(float64: None) -> None:
    recorder = trained(Y, class_weight={"0": 0.5, "1": 4.0})
    keras.utils.set_random_seed(0)
    values = crossentropy(np.asarray(BUILD()(X)["rare"]))
    assert recorder.values(0, 0, "train")["rare.error"] == pytest.approx(weighted_mean(values, CLASSES), abs=1e-8)
    assert recorder.values(0, 0)["rare.error"] == pytest.approx(weighted_mean(values), abs=1e-8)


@pytest.mark.parametrize("one_hot", [False, True])
def test_one_output_is_trained_as_by_fit_with_class_weight(one_hot: bool, float64: None) -> None:
    """The loss is a study's mean under row weights, which `fit` makes of the class weights."""
    ids = np.repeat(np.arange(3), 14)[:40]
    labels: Any = np.eye(3)[ids] if one_hot else ids
    loss = "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"
    given, build = {0: 2.0, 2: 0.25}, linear({"a": 3}, activations={"a": "softmax"})
    weights = {str(key): weight for key, weight in given.items()}
    recorder = trained({"a": labels}, build=build, tasks=[task("a", loss, class_weight=weights)])
    keras.utils.set_random_seed(0)
    model = build()
    made = keras.losses.CategoricalCrossentropy if one_hot else keras.losses.SparseCategoricalCrossentropy
    model.compile("adam", loss={"a": made(reduction=MEAN)}, run_eagerly=True)
    for epoch in range(2):
        order = np.random.default_rng([0, epoch]).permutation(40)
        model.fit(X[order], labels[order], class_weight=given, batch_size=7, shuffle=False, verbose=0)
    predicted = np.asarray(model.predict(X, verbose=0)["a"])
    assert recorder.values(0, 2)["a.error"] == pytest.approx(-np.log(predicted[np.arange(40), ids]).mean(), abs=1e-8)


def test_single_labels_of_a_row_may_be_missing(float64: None) -> None:
    """Five labels a row in one output train as five outputs of one label each, weighed by how many there are of each."""
    random = np.random.default_rng(5)
    labels, gone = (random.random((40, 5)) > 0.5) * 1.0, random.random((40, 5)) < 0.4
    build = linear({"a": 5}, activations={"a": "sigmoid"})
    asked = [task("a", "binary_crossentropy", ["binary_accuracy"], missing="nan")]
    recorder = trained({"a": np.where(gone, np.nan, labels)}, build=build, tasks=asked)
    keras.utils.set_random_seed(0)
    model = build()
    model.compile("adam", loss={"a": keras.losses.BinaryCrossentropy(reduction=MEAN)}, run_eagerly=True)
    inputs = keras.Input((3,))
    columns = keras.Model(inputs, keras.ops.expand_dims(model(inputs)["a"], -1))
    columns.compile("adam", keras.losses.BinaryCrossentropy(reduction=MEAN), run_eagerly=True)
    for epoch in range(2):
        order = np.random.default_rng([0, epoch]).permutation(40)
        y, weight = labels[order][..., None], ~gone[order] * 1.0
        columns.fit(X[order], y, sample_weight=weight, batch_size=7, shuffle=False, verbose=0)
    predicted = np.asarray(model.predict(X, verbose=0)["a"])
    values = -np.where(labels == 1, np.log(predicted), np.log(1 - predicted))
    assert recorder.values(0, 2)["a.error"] == pytest.approx(values[~gone].mean(), abs=1e-8)
    assert recorder.values(0, 2)["a.binary_accuracy"] == pytest.approx(((predicted > 0.5) == labels)[~gone].mean(), abs=1e-8)


def test_a_penalty_leaves_out_the_missing_labels_that_it_reads_and_keeps_rows_of_which_it_reads_predictions(float64: None) -> None:
    sides = {"near": [{"task": "rare"}, {"target": "rare"}], "agree": [{"task": "rare"}, {"output": "often"}]}
    penalties = [{"name": name, "penalty": "consistency", "between": between} for name, between in sides.items()]
    definition = study([task("often"), task("rare", "binary_crossentropy", missing="nan")], penalties, training={"epochs": 1})
    recorder = Recorder()
    weights = {"often.error": 1.0, "rare.error": 1.0, "near": 1.0, "agree": 1.0}
    engine_of(definition, workload(BUILD, (X, NAN))).train([Setting(0, 0, weights)], definition.training, recorder)
    keras.utils.set_random_seed(0)
    before = {name: np.asarray(each)[:, 0] for name, each in BUILD()(X).items()}
    measured = recorder.values(0, 0)
    assert measured["near"] == pytest.approx(np.abs(before["rare"] - Y["rare"][:, 0])[LABELLED].mean(), abs=1e-8)
    assert measured["agree"] == pytest.approx(np.abs(before["rare"] - before["often"]).mean(), abs=1e-8)


def test_a_side_of_groups_is_compared_with_the_parent_class_by_class(float64: None) -> None:
    build = linear({"child": 5, "parent": 2}, activations={"child": "softmax", "parent": "softmax"})
    y = {"child": np.arange(40) % 5, "parent": (np.arange(40) % 5 > 2).astype("int64")}
    loss = "sparse_categorical_crossentropy"
    between = [{"task": "child", "groups": {"low": [0, 1, 2], "high": [3, 4]}}, {"task": "parent"}]
    penalties = [{"name": "tree", "penalty": "consistency", "between": between}]
    definition = study([task("child", loss), task("parent", loss)], penalties, training={"epochs": 1, "batch_size": 8})
    recorder = Recorder()
    setting = Setting(0, 0, {"child.error": 1.0, "parent.error": 1.0, "tree": 1.0})
    engine_of(definition, workload(build, (X, y))).train([setting], definition.training, recorder)
    keras.utils.set_random_seed(0)
    before = {name: np.asarray(each) for name, each in build()(X).items()}
    sums = np.stack([before["child"][:, :3].sum(1), before["child"][:, 3:].sum(1)], axis=1)
    assert recorder.values(0, 0)["tree"] == pytest.approx(np.abs(sums - before["parent"]).mean(), abs=1e-8)
    assert recorder.values(0, 1)["tree"] != recorder.values(0, 0)["tree"]
