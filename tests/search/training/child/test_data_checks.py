"""What labels, row weights and masks of the rows refuse or warn of, by name, before anything is trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from search.errors import PreflightError
from search.training.child.preflight import preflight
from search.training.child.protocol import encode
from search.training.interface import Setting
from search.training.problem.measurable import undefined
from storage.types import UNDEFINED
from tests.search.training.scenes import Recorder, engine_of, linear, problem_of, rows, study, task, workload

X, _ = rows(20)
MIXED = (np.arange(20) % 2).astype("int64").reshape(-1, 1)
NONE = np.zeros((20, 1), "int64")
BUILD = linear({"a": 1, "b": 1}, activations={"b": "sigmoid"})


def data(train: Any = MIXED, validation: Any = MIXED, weight: Any = None, test: Any = None) -> dict[str, Any]:
    """Return splits of 20 rows with these labels of b, whose row weights are `weight` in all of them."""

    def part(b: Any) -> tuple[Any, ...]:
        y = {"a": X[:, :1], "b": b}
        return (X, y) if weight is None else (X, y, {"b": weight})

    splits = {"train": part(train), "validation": part(validation)}
    return splits if test is None else {**splits, "test": part(test)}


def asked(metrics: Any, objective: str = "a.mae", search: Any = None, **more: Any) -> Any:
    tasks = [task("a", metrics=["mae"]), task("b", "binary_crossentropy", metrics, **more)]
    chosen = {"metrics": [{"metric": objective, "direction": "minimize"}]}
    return study(tasks, objective=chosen, search=search or {"confirmation": None})


def warned(definition: Any, parts: Any, **own: Any) -> list[str]:
    return preflight(problem_of(definition, bound(parts, **own)), definition)


def bound(parts: Any, **own: Any) -> Any:
    given = workload(BUILD, parts["train"], parts["validation"], **own)
    return type(given)(given.name, given.build_model, lambda: parts, given.losses, given.penalties, given.metrics)


def refused(definition: Any, parts: Any) -> PreflightError:
    with pytest.raises(PreflightError) as caught:
        warned(definition, parts)
    return caught.value


def test_sound_rows_warn_of_nothing() -> None:
    assert warned(asked(["auc", "binary_accuracy"], "b.auc"), data()) == []


@pytest.mark.parametrize(
    ("metric", "labels", "why"),
    [
        ("auc", NONE, "its labels are of one class"),
        ("auc", NONE + 1, "its labels are of one class"),
        ("pr_auc", NONE, "its labels are of one class"),
        ("precision", NONE, "no label is positive"),
        ("recall", NONE, "no label is positive"),
        ("f1", NONE, "no label is positive"),
        ("r2", NONE + 1, "its labels are all equal"),
        ({"name": "iou", "metric": "binary_iou", "config": {"target_class_ids": [1]}}, NONE, "no label is of class 1"),
        ({"name": "iou", "metric": "mean_io_u", "config": {"ignore_class": 0}}, NONE, "no label is of a class that counts"),
    ],
)
def test_a_metric_that_the_labels_cannot_tell_is_named_and_why(metric: Any, labels: Any, why: str) -> None:
    (warning,) = warned(asked([metric]), data(validation=labels))
    name = metric if isinstance(metric, str) else metric["name"]
    assert warning == f"b.{name}: undefined on validation, since {why}"


@pytest.mark.parametrize("metric", ["auc", "precision"])
def test_an_objective_that_cannot_be_measured_is_refused_with_the_way_out(metric: str) -> None:
    error = refused(asked([metric], f"b.{metric}"), data(validation=NONE))
    assert error.reason.code == "undefined_metric"
    assert error.reason.at == "objective.metrics.0"
    assert f"the objective needs b.{metric}, which is undefined on validation" in error.reason.message
    assert "give validation rows with other labels, or choose another metric" in error.reason.message


def test_test_rows_count_only_where_something_is_confirmed() -> None:
    parts = data(test=NONE)
    assert warned(asked(["auc"], "b.auc"), parts) == ["b.auc: undefined on test, since its labels are of one class"]
    assert "undefined on test" in refused(asked(["auc"], "b.auc", {"confirmation": {"seeds": 2}}), parts).reason.message


def test_labels_of_weight_0_are_no_labels() -> None:
    weight = (MIXED[:, 0] == 0).astype("float64")
    (warning,) = [text for text in warned(asked(["auc"]), data(weight=weight)) if "validation" in text]
    assert warning == "b.auc: undefined on validation, since its labels are of one class"


def test_a_task_without_a_labelled_training_row_is_refused() -> None:
    error = refused(asked(["binary_accuracy"]), data(weight=np.zeros(20)))
    assert (error.reason.code, error.reason.at) == ("no_labels", "tasks.1.losses.0")
    assert "b.error cannot be trained: in train no row has a label" in error.reason.message


def test_classes_of_a_wide_output_are_seen_column_by_column() -> None:
    ids = np.array([0, 1] * 10)
    build = linear({"a": 3}, activations={"a": "softmax"})
    metrics = [
        {"name": "all", "metric": "auc"},
        {"name": "by_label", "metric": "auc", "config": {"multi_label": True, "num_labels": 3}},
        {"name": "third", "metric": "recall", "config": {"class_id": 2}},
        {"name": "first", "metric": "recall", "config": {"class_id": 0}},
    ]
    definition = study([task("a", "sparse_categorical_crossentropy", metrics)])
    found = undefined(problem_of(definition, workload(build, (X, {"a": ids}))), "validation")
    assert found == {"a.by_label": "its labels are of one class", "a.third": "no label is positive"}


def test_padded_steps_have_no_label() -> None:
    """Every word is positive, and the padding behind the words is not."""
    words = np.array([[1, 2, 0], [3, 0, 0], [2, 1, 1]] * 4)

    def build_model() -> keras.Model:
        inputs = keras.Input((3,), dtype="int32")
        features = keras.layers.Embedding(4, 2, mask_zero=True)(inputs)
        return keras.Model(inputs, {"a": keras.layers.Dense(1, "sigmoid")(features)})

    definition = study([task("a", "binary_crossentropy", ["auc", "recall"])], training={"batch_size": 5})
    bound = workload(build_model, (words, {"a": (words > 0).astype("int64")[..., np.newaxis]}))
    assert undefined(problem_of(definition, bound), "validation") == {"a.auc": "its labels are of one class"}


def of_rows(batch: Any) -> Any:
    return keras.losses.binary_crossentropy(batch.targets["b"], batch.outputs["b"])


def own(function: Any, parts: Any) -> list[str]:
    losses = [{"name": "own", "loss": "own", "weight": 1.0}]
    definition = study([task("a"), {"name": "b", "losses": losses}], search={"confirmation": None})
    return warned(definition, parts, losses={"own": function})


def test_a_scalar_of_ones_own_beside_row_weights_is_warned_of() -> None:
    (warning,) = own(lambda batch: ops.mean(of_rows(batch)), data(weight=np.ones(20)))
    assert "b.own is one number a batch: row weights do not reach it" in warning
    assert own(lambda batch: ops.mean(of_rows(batch)), data()) == []


def test_one_value_a_row_is_weighted_and_not_warned_of() -> None:
    assert own(of_rows, data(weight=np.ones(20))) == []


def test_a_batch_statistic_of_keras_beside_row_weights_is_warned_of() -> None:
    definition = study([task("a"), task("b", "dice")], search={"confirmation": None})
    (warning,) = warned(definition, data(weight=np.ones(20)))
    assert "b.error is one number a batch: row weights do not reach it (a batch statistic has no rows)" in warning


def test_ones_own_mean_over_padded_steps_is_warned_of() -> None:
    def tagger() -> keras.Model:
        inputs = keras.Input((5,), dtype="int32")
        return keras.Model(inputs, {"a": keras.layers.Dense(2)(keras.layers.Embedding(4, 3, mask_zero=True)(inputs))})

    x = np.tile([1, 2, 3, 0, 0], (8, 1)).astype("int32")
    y = {"a": np.zeros((8, 5, 2))}
    definition = study([{"name": "a", "losses": [{"name": "own", "loss": "own"}]}], search={"confirmation": None})

    def warnings(function: Any) -> list[str]:
        given = workload(tagger, (x, y), losses={"own": function})
        return preflight(problem_of(definition, given), definition)

    by_row = warnings(lambda batch: ops.mean(ops.square(batch.outputs["a"]), axis=(1, 2)))
    assert len(by_row) == 1
    assert "output a has a mask [batch, 5]" in by_row[0]
    assert "padding counts in it unless the function reads batch.masks" in by_row[0]
    assert warnings(lambda batch: ops.mean(ops.square(batch.outputs["a"]), axis=-1)) == []


def test_a_metric_that_counts_an_ignored_class_is_warned_of() -> None:
    ids = np.array([0, 1, 2, 7] * 5)
    build = linear({"a": 3}, activations={"a": "softmax"})
    loss = {"name": "error", "loss": "sparse_categorical_crossentropy", "config": {"ignore_class": 7}}
    overlap = {"name": "overlap", "metric": "mean_iou", "config": {"ignore_class": 7}}
    definition = study([{"name": "a", "losses": [loss], "metrics": ["sparse_categorical_accuracy", overlap]}])
    warnings = preflight(problem_of(definition, workload(build, (X, {"a": ids}))), definition)
    assert warnings == [
        "tasks.0: a.sparse_categorical_accuracy count what is labelled 7, which the loss error ignores (ignore_class): give those "
        "labels sample_weight 0, or use mean_io_u with ignore_class"
    ]


def test_what_the_labels_cannot_tell_is_reported_undefined_whatever_keras_says() -> None:
    definition = asked(["auc", "binary_accuracy"])
    recorder = Recorder()
    engine = engine_of(definition, bound(data(validation=NONE)))
    engine.train([Setting(0, 0, {"a.error": 1.0, "b.error": 1.0})], definition.training, recorder)
    for epoch in (0, 1):
        measured = recorder.values(0, epoch)
        assert measured["b.auc"] is UNDEFINED
        assert measured["b.binary_accuracy"] >= 0
    assert '"b.auc":[null]' in encode(recorder.reports[0]).decode()
