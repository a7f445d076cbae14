"""What is refused with the loaded model at hand, before any training, and where."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.errors import PreflightError
from storage.records import Reason
from tests.search.training.scenes import RANGE, built_in, checked, linear, study, task, workload

X = np.random.default_rng(0).normal(size=(12, 3))
IDS = np.arange(12) % 4


def _refusal(definition: Any, bound: Any) -> Reason:
    with pytest.raises(PreflightError) as caught:
        checked(definition, bound)
    return caught.value.reason


def _model(outputs: dict[str, int], y: dict[str, Any], **more: Any) -> Any:
    return workload(linear(outputs), (X, y), **more)


def test_the_flagship_passes() -> None:
    penalty = {
        "name": "agreement",
        "penalty": "consistency",
        "between": [{"task": "digit", "classes": [1, 3, 5, 7, 9]}, {"task": "parity"}],
        "weight": RANGE,
    }
    tasks = [task("digit", "sparse_categorical_crossentropy", ["accuracy"]), task("parity", "binary_crossentropy", ["auc"])]
    assert checked(study(tasks, [penalty]), built_in("digits")).paths == ("digit.error", "parity.error", "agreement")


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_both_models_of_digits_pass(model: str) -> None:
    checked(study([task("digit", "sparse_categorical_crossentropy")]), built_in("digits", model=model))


# Names


def test_an_output_that_the_model_lacks() -> None:
    reason = _refusal(study([task("prices")]), _model({"price": 1}, {"price": X[:, :1]}))
    assert (reason.code, reason.at) == ("unknown_name", "tasks.0.name")
    assert reason.message == "expected one of the workload's outputs (price), got 'prices' (did you mean 'price'?)"


def test_a_target_that_the_workload_lacks() -> None:
    reason = _refusal(study([task("a", target="y")]), _model({"a": 1}, {"a": X[:, :1]}))
    assert (reason.code, reason.at) == ("unknown_name", "tasks.0.target")


def test_a_column_beyond_the_output() -> None:
    reason = _refusal(study([task("a", column=2)]), _model({"a": 2}, {"a": X[:, :2]}))
    assert (reason.code, reason.at) == ("bad_shape", "tasks.0.column")
    assert reason.message == "expected a column below the width 2, got 2"


@pytest.mark.parametrize(
    ("side", "at"),
    [
        ({"output": "b"}, "penalties.0.between.1.output"),
        ({"input": "pixels"}, "penalties.0.between.1.input"),
        ({"target": "b"}, "penalties.0.between.1.target"),
        ({"output": "a", "classes": [0, 7]}, "penalties.0.between.1.classes"),
        ({"task": "a", "index": 2}, "penalties.0.between.1.index"),
    ],
)
def test_a_selector_of_what_is_not_there(side: dict[str, Any], at: str) -> None:
    penalty = {"name": "p", "penalty": "consistency", "between": [{"output": "a"}, side]}
    assert _refusal(study([task("a")], [penalty]), _model({"a": 2}, {"a": X[:, :2]})).at == at


def test_sides_of_unequal_shape() -> None:
    penalty = {"name": "p", "penalty": "consistency", "between": [{"output": "a", "index": 0}, {"target": "flat"}]}
    reason = _refusal(study([task("a")], [penalty]), _model({"a": 2}, {"a": X[:, :2], "flat": X[:, 0]}))
    assert (reason.code, reason.at) == ("bad_shape", "penalties.0.between")
    text = "expected two sides of equal shape: Keras would broadcast them, got [batch, 1] against [batch]"
    assert reason.message == text


def test_a_target_that_gets_the_axis_of_its_output_is_a_side_of_that_shape() -> None:
    penalty = {"name": "p", "penalty": "consistency", "between": [{"task": "a"}, {"target": "a"}]}
    checked(study([task("a")], [penalty]), _model({"a": 1}, {"a": X[:, 0]}))


# Targets


def test_class_ids_for_a_loss_of_one_hot_rows() -> None:
    reason = _refusal(study([task("a", "categorical_crossentropy")]), _model({"a": 4}, {"a": IDS}))
    assert (reason.code, reason.at) == ("bad_shape", "tasks.0.losses.0")
    assert "did you mean 'sparse_categorical_crossentropy', for class ids?" in reason.message


def test_a_target_that_keras_would_broadcast() -> None:
    reason = _refusal(study([task("a")]), _model({"a": 4}, {"a": X[:, :1]}))
    text = "mean_squared_error wants target and output of equal shape; the target is [batch, 1], the output [batch, 4]"
    assert (reason.code, reason.message) == ("bad_shape", text)


def test_class_ids_beyond_the_outputs_width() -> None:
    reason = _refusal(study([task("a", "sparse_categorical_crossentropy")]), _model({"a": 3}, {"a": IDS}))
    assert reason.message == "sparse_categorical_crossentropy: train has the class id 3, the output has 3 classes"


def test_the_ignored_class_may_lie_beyond() -> None:
    part = task("a", "sparse_categorical_crossentropy", from_logits=True)
    part["losses"][0]["config"] = {"ignore_class": 3}
    checked(study([part]), _model({"a": 3}, {"a": IDS}))


def test_one_hot_rows_for_a_loss_of_class_ids() -> None:
    reason = _refusal(study([task("a", "sparse_categorical_crossentropy")]), _model({"a": 4}, {"a": np.eye(4)[IDS]}))
    assert (reason.code, reason.at) == ("bad_shape", "tasks.0.losses.0")


def test_a_sample_weight_of_an_unknown_name() -> None:
    bound = workload(linear({"a": 1}), (X, {"a": X[:, :1]}, {"b": np.ones(12)}))
    assert _refusal(study([task("a")]), bound).message == "sample_weight has the key 'b': expected an output or a target (a)"


# Models


class _OwnStep(keras.Model):
    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


class _OwnFit(keras.Model):
    def fit(self, x: Any, *more: Any, **named: Any) -> Any:
        return super().fit(x / 255, *more, **named)


class _OwnLoss(keras.Model):
    def compute_loss(self, **arguments: Any) -> Any:
        return super().compute_loss(**arguments)


def _graph(kind: type[keras.Model], **policy: Any) -> Callable[[], keras.Model]:
    def build_model() -> keras.Model:
        x = keras.Input((3,))
        return kind(x, {"a": keras.layers.Dense(1, name="a", **policy)(x)})

    return build_model


@pytest.mark.parametrize(
    ("build_model", "wrong"),
    [
        (_graph(_OwnStep), "the model has its own train_step()"),
        (_graph(_OwnLoss), "the model has its own compute_loss()"),
        (_graph(_OwnFit), "the model has its own fit(), which the service does not call: put it into load_data() or a layer"),
        (_graph(keras.Model, dtype="mixed_bfloat16"), "mixed precision is not yet supported"),
        (_graph(keras.Model, trainable=False), "the model has no trainable weights"),
    ],
)
def test_a_model_that_trains_in_a_way_of_its_own(build_model: Callable[[], Any], wrong: str) -> None:
    reason = _refusal(study([task("a")]), workload(build_model, (X, {"a": X[:, :1]})))
    assert (reason.code, reason.at) == ("unsupported_model", "build_model")
    assert wrong in reason.message


def test_a_sparse_input() -> None:
    def build_model() -> keras.Model:
        x = keras.Input((3,), sparse=True)
        return keras.Model(x, {"a": keras.layers.Dense(1)(x)})

    assert "is sparse or ragged" in _refusal(study([task("a")]), workload(build_model, (X, {"a": X[:, :1]}))).message


def test_what_is_no_model() -> None:
    reason = _refusal(study([task("a")]), workload(lambda: "model", (X, {"a": X[:, :1]})))
    assert reason.message == "build_model() should return a new keras.Model, got a str"


def test_a_subclassed_model_without_names_for_its_outputs() -> None:
    class Unnamed(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x), self.dense(x)

    reason = _refusal(study([task("a")]), workload(Unnamed, (X, {"a": X[:, :1]})))
    assert reason.message == "the model should return a dict of outputs by name"


def test_a_builder_that_raises_is_named_with_file_and_line() -> None:
    def build_model() -> keras.Model:
        raise RuntimeError("no such layer")

    reason = _refusal(study([task("a")]), workload(build_model, (X, {"a": X[:, :1]})))
    line = build_model.__code__.co_firstlineno + 1
    assert (reason.code, reason.at) == ("workload_failed", f"test_preflight.py:{line}")
    assert reason.message == "build_model() failed: RuntimeError: no such layer"


def test_an_optimizer_that_would_not_train_as_fit_does() -> None:
    definition = study([task("a")], training={"optimizer": {"name": "adam", "config": {"use_ema": True}}})
    with pytest.raises(PreflightError, match="use_ema is not yet supported"):
        checked(definition, _model({"a": 1}, {"a": X[:, :1]}))


# Terms


def _own(function: Callable[[Any], Any], weight: Any = RANGE) -> Reason:
    part = {"name": "a", "losses": [{"name": "own", "loss": "own", "weight": weight}]}
    return _refusal(study([part]), _model({"a": 1}, {"a": X[:, :1]}, losses={"own": function}))


def test_a_loss_that_raises_is_named_with_file_and_line() -> None:
    def broken(batch: Any) -> Any:
        return batch.outputs["b"]

    reason = _own(broken)
    assert (reason.code, reason.at) == ("term_failed", f"test_preflight.py:{broken.__code__.co_firstlineno + 1}")
    assert reason.message == "a.own: KeyError: 'b' (outputs: a; targets: a; inputs: input)"


def test_a_keras_loss_that_raises_is_named_with_its_place_in_the_definition() -> None:
    part = task("a", "dice")
    part["losses"][0]["config"] = {"axis": 5}
    reason = _refusal(study([part]), _model({"a": 1}, {"a": X[:, :1]}))
    assert (reason.code, reason.at) == ("term_failed", "tasks.0.losses.0")


def test_a_term_that_is_not_finite() -> None:
    reason = _own(lambda batch: ops.log(-ops.mean(ops.square(batch.outputs["a"]))))
    assert (reason.code, reason.message) == ("not_finite", "a.own is nan on the first batch, before any training")


def test_a_gradient_that_is_not_finite() -> None:
    def root(batch: Any) -> Any:
        difference = batch.outputs["a"] - ops.stop_gradient(batch.outputs["a"])
        return ops.sqrt(ops.sum(ops.square(difference)))

    assert _own(root).message == "the gradient of a.own is not finite on the first batch, before any training"


def test_a_term_whose_gradient_does_not_reach_the_model() -> None:
    reason = _own(lambda batch: ops.mean(ops.cast(batch.outputs["a"] > 0, "float32")))
    assert (reason.code, reason.message) == ("no_gradient", "no gradient of a.own reaches the model's trainable weights")


def test_a_term_of_fixed_weight_0_may_be_infinite() -> None:
    part = {"name": "a", "losses": [{"name": "own", "loss": "own", "weight": 0}, {"name": "error", "loss": "mse", "weight": RANGE}]}
    checked(study([part]), _model({"a": 1}, {"a": X[:, :1]}, losses={"own": lambda batch: ops.sum(batch.outputs["a"]) * math.inf}))


# Metrics


def test_a_metric_that_is_no_number_for_any_row() -> None:
    reason = _refusal(study([task("a", metrics=["pearson_correlation"])]), _model({"a": 1}, {"a": X[:, :1]}))
    assert (reason.code, reason.at) == ("bad_metric", "tasks.0.metrics.0")


def test_a_metric_that_does_not_fit_the_target() -> None:
    reason = _refusal(study([task("a", metrics=["sparse_categorical_accuracy"])]), _model({"a": 1}, {"a": X[:, :1]}))
    assert (reason.code, reason.at) == ("metric_failed", "tasks.0.metrics.0")


def test_an_own_metric_that_raises_is_named_with_file_and_line() -> None:
    def broken(batch: Any) -> Any:
        raise ValueError("no rows")

    reason = _refusal(study([task("a", metrics=["own"])]), _model({"a": 1}, {"a": X[:, :1]}, metrics={"own": broken}))
    assert reason.at == f"test_preflight.py:{broken.__code__.co_firstlineno + 1}"
