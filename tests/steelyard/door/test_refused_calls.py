"""Mistakes of strangers in a call of `steelyard.search`: each gets one sentence, at the call, with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import steelyard

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(40, 3)).astype("float32")
Y = {"a": X[:, :1] * 2, "b": (X[:, 1:2] > 0).astype("float32")}
LOSSES = {"a": "mse", "b": "binary_crossentropy"}


def model(**arguments: Any) -> keras.Model:
    inputs = keras.Input((3,))
    outputs = {"a": keras.layers.Dense(1)(inputs), "b": keras.layers.Dense(1, activation="sigmoid")(inputs)}
    made = keras.Model(inputs, outputs)
    made.compile("adam", **{"loss": LOSSES, **arguments})
    return made


class OwnStep(keras.Model):  # type: ignore[misc]
    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


def own_step() -> keras.Model:
    made = model()
    found = OwnStep(made.inputs, dict(zip(["a", "b"], made.outputs, strict=True)))
    found.compile("adam", LOSSES)
    return found


def broken_penalty(batch: Any) -> Any:
    return batch.outputs["c"]


def broken_rows() -> Any:
    raise OSError("no file")


def three(y_true: Any, y_pred: Any, more: Any) -> Any:
    return y_true


class OwnLoss(keras.losses.Loss):  # type: ignore[misc]
    def call(self, y_true: Any, y_pred: Any) -> Any:
        raise ValueError("no such shape")


class Logged(keras.callbacks.Callback):  # type: ignore[misc]
    pass


def blank() -> keras.Model:
    inputs = keras.Input((3,))
    heads = {"a": keras.layers.Dense(1, name="left eye"), "b": keras.layers.Dense(1, activation="sigmoid")}
    made = keras.Model(inputs, {name: head(inputs) for name, head in heads.items()})
    made.compile("adam", LOSSES)
    return made


class Sparse:
    """As scipy's, as far as it is looked at."""

    shape = (40, 3)

    def toarray(self) -> Any:
        return X


def endless() -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensors((X, Y)).repeat()


CALLS: dict[str, tuple[Callable[[], tuple[Any, ...]], dict[str, Any], str]] = {
    "no model": (lambda: (3, X, Y), {}, "model: a keras.Model, or a function that returns one, got a int"),
    "no rows": (lambda: (model(),), {}, "x: the rows to train on"),
    "a model of another form": (lambda: (model(), X[:, :2], Y), {}, "the model fails on the first rows"),
    "an array for two outputs": (lambda: (model(), X, X[:, 0]), {}, r"y: the model has the outputs a, b: pass a dict by output"),
    "labels of one output": (lambda: (model(), X, {"a": Y["a"]}), {}, "output 'b' has a loss, and y has no labels for it"),
    "too few labels": (lambda: (model(), X, {**Y, "b": Y["b"][:9]}), {}, "should have one row an example"),
    "text": (
        lambda: (model(), X, {**Y, "b": np.array(["yes"] * 40)}),
        {},
        r"y\['b'\]: labels and weights are numbers, got text \(yes\)",
    ),
    "labels that are NaN": (lambda: (model(), X, {**Y, "a": Y["a"] * np.nan}), {}, r'pass missing=\{\'a\': "nan"\}'),
    "a loss of no output": (lambda: (model(), X, Y), {"loss": {"c": "mse"}}, "Keras cannot compile this"),
    "a weight of no output": (
        lambda: (model(), X, Y),
        {"loss_weights": {"a": 1.0, "c": 2.0}},
        "loss_weights: no output is called c; the model has a, b",
    ),
    "a weight in words": (
        lambda: (model(), X, Y),
        {"loss_weights": {"a": "high", "b": 1.0}},
        "loss_weights: a number for each loss, got 'high'",
    ),
    "an optimizer that there is not": (lambda: (model(), X, Y), {"optimizer": "adamm"}, "optimizer: .*identifier: adamm"),
    "a sum": (
        lambda: (model(), X, Y),
        {"loss": {"a": keras.losses.MeanSquaredError(reduction="sum"), "b": "mse"}},
        "reduction 'sum'",
    ),
    "an own train_step": (lambda: (own_step(), X, Y), {}, r"model: the model has its own train_step\(\)"),
    "a blank in a name": (lambda: (blank(), X, Y), {}, "model: the layer 'left eye' cannot be trained, by fit neither"),
    "a callback of one's own": (lambda: (model(), X, Y), {"callbacks": [Logged()]}, "callbacks: Logged is not supported"),
    "a plateau": (
        lambda: (model(), X, Y),
        {"callbacks": [keras.callbacks.ReduceLROnPlateau()]},
        "ReduceLROnPlateau: schedules",
    ),
    "stopping late": (lambda: (model(), X, Y), {"callbacks": [keras.callbacks.EarlyStopping()]}, "set restore_best_weights=True"),
    "shuffling batches": (lambda: (model(), X, Y), {"shuffle": "batch"}, "shuffle: True, or False for rows in their order"),
    "steps": (lambda: (model(), X, Y), {"steps_per_epoch": 3}, "all 32 rows are 1 batches of 32, got 3: a part of the rows"),
    "validation steps": (
        lambda: (model(), X, Y),
        {"validation_steps": 2, "batch_size": 8, "steps_per_epoch": 4},
        "validation_steps: all 8 rows are 1 batches of 8, got 2",
    ),
    "an endless dataset": (lambda: (model(), endless()), {}, r"pass it without repeat\(\), or say .* \(steps_per_epoch"),
    "no rows at all": (lambda: (model(), object(), Y), {}, "x: it should have one row an example, got object"),
    "a generator": (lambda: (model(), (part for part in [(X, Y)])), {}, "pass the function that makes it"),
    "a range of nothing": (lambda: (model(), X, Y), {"weight_ranges": {"bb": (1, 2)}}, "there are a, a.mean_squared_error, b"),
    "a range upside down": (lambda: (model(), X, Y), {"weight_ranges": {"b": (2, 1)}}, r"tasks.1.losses.0.weight.*low < high"),
    "the weighted loss": (
        lambda: (model(), X, Y),
        {"objective": "val_loss"},
        "minimising it only drives them to their lower bounds",
    ),
    "an unknown metric": (lambda: (model(), X, Y), {"objective": "a.acuracy"}, "objective.metrics.0.metric"),
    "a penalty that raises": (
        lambda: (model(), X, Y),
        {"penalties": {"p": broken_penalty}},
        r"test_refused_calls.py:\d+: p: KeyError",
    ),
    "points as rows": (
        lambda: (model(), X, Y),
        {"penalties": {"p": lambda batch: batch.extra["wall"][:, :1]}, "extra": {"wall": (X, 5)}},
        r"p should return a scalar .* for 32 rows: one value a point of batch.extra\['wall'\]; .* return their mean",
    ),
    "points against rows": (
        lambda: (model(), X, Y),
        {"penalties": {"p": lambda batch: batch.extra["wall"][:, :1] - batch.outputs["a"]}, "extra": {"wall": (X, 5)}},
        r"batch.extra\['wall'\] has 5 points, and the batch 32 rows",
    ),
    "a penalty of three": (lambda: (model(), X, Y), {"penalties": {"p": three}}, r"it takes \(y_true, y_pred, more\)"),
    "a loss that raises": (
        lambda: (model(), X, Y),
        {"loss": {"a": OwnLoss(), "b": "mse"}},
        r"test_refused_calls.py:\d+: .*no such shape",
    ),
    "sorted rows": (lambda: (model(), X, {**Y, "b": np.sort(Y["b"], axis=0)}), {}, r"the rows are sorted by y\['b'\]"),
    "both validations": (lambda: (model(), X, Y), {"validation_data": (X, Y), "validation_split": 0.1}, "one of them"),
    "another workload": (lambda: (model(), X, Y), {"definition": {"workload": {"name": "digits"}}}, "the call's model and rows"),
    "a name in the definition": (lambda: (model(), X, Y), {"definition": {"name": "mine"}}, "definition.name: pass name="),
    "a definition in words": (lambda: (model(), X, Y), {"definition": "seeds: 3"}, "definition: a dict with fields .* got a str"),
    "an unknown field": (lambda: (model(), X, Y), {"definition": {"search": {"seed_count": 3}}}, "search.seed_count"),
    "a class weight for all": (lambda: (model(), X, Y), {"class_weight": {0: 2.0}}, "the model has several outputs"),
    "ids as one-hot": (
        lambda: (model(), X, {**Y, "a": np.eye(40)[:, :3]}),
        {},
        r"tasks.0.losses.0 \(output 'a'\): mean_squared_error wants target and output of equal shape",
    ),
    "labels in labels": (lambda: (model(), X, {**Y, "a": Y}), {}, r"y\['a'\]: it is a dict: .* flatten it"),
    "a sparse matrix": (lambda: (model(), Sparse(), Y), {}, r"x: it is a sparse matrix: pass its toarray\(\)"),
    "a seed in words": (lambda: (model(), X, Y), {"seed": "x"}, r"search.seed: expected a whole number"),
    "a name with a blank": (lambda: (model(), X, Y), {"name": "my study"}, "^name: "),
    "an objective of nothing": (lambda: (model(), X, Y), {"objective": []}, "objective.metrics: expected at least 1 item"),
    "an objective of numbers": (lambda: (model(), X, Y), {"objective": 3}, 'objective: "delta_m", a path, .* got 3'),
    "a time in words": (lambda: (model(), X, Y), {"timeout": "1h"}, "timeout: seconds, got '1h'"),
    "ranges in a list": (lambda: (model(), X, Y), {"weight_ranges": [(1, 2)]}, "weight_ranges: a dict by name, got a list"),
    "points in a list": (lambda: (model(), X, Y), {"extra": [X]}, "extra: a dict by name, got a list"),
    "a penalty without a name": (lambda: (model(), X, Y), {"penalties": three}, "penalties: a dict of functions by name"),
    "penalties in a list": (lambda: (model(), X, Y), {"penalties": [three]}, "penalties: a dict of functions by name"),
    "sides in words": (
        lambda: (model(), X, Y),
        {"penalties": {"p": {"penalty": "implication", "between": ["a", "b"]}}},
        "penalties.0.between.0: expected an object",
    ),
    "a negative class weight": (lambda: (model(), X, Y), {"class_weight": {"b": {0: -1, 1: 2}}}, "class_weight.*0"),
    "rows that cannot be read": (
        lambda: (model(), broken_rows),
        {},
        r"calls.py:\d+: the function failed: OSError: no file",
    ),
    "keys": (lambda: (model(), X, Y), {"api_key": "secret"}, "api_key: keys of a service come later; leave it out"),
}
"""What was called with, and the sentence: a test's name, the arguments, others by name, and a pattern."""


@pytest.mark.parametrize("mistake", CALLS)
def test_a_mistake_gets_a_sentence_with_its_place(mistake: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE_DIR", str(tmp_path))
    made, more, said = CALLS[mistake]
    with pytest.raises(steelyard.ValidationError, match=said) as refused:
        steelyard.search(*made(), dry_run=True, verbose=0, **more)
    assert len(refused.value.errors) >= 1
    assert all("Traceback" not in str(fault) for fault in refused.value.errors)
    assert list((tmp_path / "runs").iterdir() if (tmp_path / "runs").exists() else []) == []


def test_one_loss_alone_leaves_nothing_to_weigh() -> None:
    inputs = keras.Input((3,))
    alone = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    alone.compile("adam", "mse")
    with pytest.raises(steelyard.ValidationError, match="there is nothing to weigh"):
        steelyard.search(alone, X, Y["a"], dry_run=True)


def test_a_call_leaves_seeds_and_names_of_the_process_as_they_were(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE_DIR", str(tmp_path))
    made = model()
    weights = [weight.copy() for weight in made.get_weights()]
    keras.utils.set_random_seed(7)
    expected = keras.random.normal((2,)), np.random.random(), keras.layers.Dense(1).name
    keras.utils.set_random_seed(7)
    plan = steelyard.search(made, X, Y, dry_run=True, verbose=0)
    found = keras.random.normal((2,)), np.random.random()
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]
    for before, after in zip(weights, made.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert isinstance(plan, steelyard.Plan)
    assert plan.trainings == sum(plan.phases.values())
    assert plan.definition["tasks"][0]["losses"][0]["weight"] == 1.0
