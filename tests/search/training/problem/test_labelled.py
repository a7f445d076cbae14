"""Missing labels and class weights as the weights of values: against numpy and Keras."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from search.catalog import keras_arguments
from search.catalog.losses import LOSSES
from search.catalog.metrics import METRICS
from search.definition.schema import Task
from search.training.problem.batch import Batch
from search.training.problem.class_weights import class_weights, weights_by_class
from search.training.problem.keras_private import function_of
from search.training.problem.metrics import CountingMetric, RowMean, metric_functions
from search.training.problem.terms import term_functions
from search.training.problem.views import TaskView, mark_in, without_missing
from search.workloads.base import ResolvedWorkload

RANDOM = np.random.default_rng(0)
LABELS = (RANDOM.random((8, 5)) > 0.5).astype("float64")
PREDICTED = RANDOM.uniform(0.05, 0.95, (8, 5))
GONE = RANDOM.random((8, 5)) < 0.4
GONE[2] = True  # a row without any label
ROWS = RANDOM.uniform(0.5, 2, 8)
NOTHING = ResolvedWorkload("none", lambda: None, lambda: None, {}, {}, {})


def batch(target: Any, task: Task, output: Any = PREDICTED, weight: Any = None) -> Batch:
    targets, labelled = without_missing([task], {"a": tf.constant(target)})
    weights = {} if weight is None else {"a": tf.constant(weight)}
    return Batch({}, targets, {"a": tf.constant(output)}, weights, {}, lambda x, active: {}, labelled=labelled)


def asked(missing: Any = "nan", loss: str = "mse", metrics: Any = (), **more: Any) -> Task:
    losses = [{"name": "error", "loss": loss}]
    return Task.model_validate({"name": "a", "losses": losses, "metrics": list(metrics), "missing": missing, **more})


def columnwise(values: NDArray[Any], weight: NDArray[Any] | None = None) -> float:
    """Return the weighted mean over the labels that are there, by hand."""
    weights = ~GONE * (np.ones(8) if weight is None else weight)[:, None]
    return float((values * weights).sum() / weights.sum())


@pytest.mark.parametrize(("missing", "mark"), [("nan", np.nan), (-1, -1.0)])
@pytest.mark.parametrize("weight", [None, ROWS])
def test_a_loss_over_columns_is_the_mean_over_the_labels_that_are_there(missing: Any, mark: float, weight: Any) -> None:
    task = asked(missing)
    (term,) = term_functions([task], [], NOTHING)
    measured = term.measure(batch(np.where(GONE, mark, LABELS), task, weight=weight))
    assert float(measured.mean) == pytest.approx(columnwise((LABELS - PREDICTED) ** 2, weight))


@pytest.mark.parametrize("loss", [entry.name for entry in LOSSES if entry.columnwise])
def test_a_loss_over_columns_is_the_mean_of_one_value_each(loss: str) -> None:
    task = asked("nan", loss)
    whole, apart = (term_functions([each], [], NOTHING)[0] for each in (asked("refuse", loss), task))
    assert float(apart.measure(batch(LABELS, task)).mean) == pytest.approx(float(whole.measure(batch(LABELS, task)).mean), rel=1e-6)
    first = batch(np.where(np.arange(5) == 0, LABELS, np.nan), task)
    alone = whole.measure(batch(LABELS[:, :1], asked("refuse", loss), PREDICTED[:, :1]))
    assert float(apart.measure(first).mean) == pytest.approx(float(alone.mean), rel=1e-6)


@pytest.mark.parametrize("metric", [entry for entry in METRICS if entry.columnwise], ids=lambda entry: entry.name)
def test_a_metric_over_columns_is_that_of_the_labels_that_are_there(metric: Any) -> None:
    config = {each.name: 0.5 for each in metric.parameters if each.required}
    task = asked("nan", metrics=[{"name": "m", "metric": metric.name, "config": config}])
    (function,) = metric_functions([task], NOTHING, ())
    given = batch(np.where(GONE, np.nan, LABELS), task, weight=ROWS)
    flat = (LABELS[~GONE][:, None], PREDICTED[~GONE][:, None], np.broadcast_to(ROWS[:, None], GONE.shape)[~GONE])
    expected = getattr(keras.metrics, metric.keras_class)(**{**keras_arguments(metric, config), "dtype": "float32"})
    expected.update_state(flat[0], flat[1], sample_weight=flat[2][:, None] if metric.name == "binary_io_u" else flat[2])
    assert value_of(function, given) == pytest.approx(float(expected.result()), rel=1e-5)


def value_of(function: RowMean | CountingMetric, given: Batch) -> float:
    if isinstance(function, RowMean):
        values, weights = (np.asarray(part, np.float64) for part in function.measure(given))
        mean = (values * weights).sum() / weights.sum()
        return float(np.sqrt(mean) if function.root else mean)
    counter = function.make(given)
    counter.update_state(*function.arguments(given))
    return float(counter.result())


def test_a_metric_of_one_class_leaves_out_the_labels_of_that_class_that_are_missing() -> None:
    task = asked("nan", metrics=[{"name": "m", "metric": "recall", "config": {"class_id": 3}}])
    (function,) = metric_functions([task], NOTHING, ())
    there = ~GONE[:, 3]
    expected = ((PREDICTED > 0.5) & (LABELS == 1))[there, 3].sum() / LABELS[there, 3].sum()
    assert value_of(function, batch(np.where(GONE, np.nan, LABELS), task)) == pytest.approx(expected)


def test_steps_without_a_label_do_not_count() -> None:
    ids = RANDOM.integers(0, 5, (3, 4))
    output = RANDOM.dirichlet(np.ones(5), (3, 4))
    gone = RANDOM.random((3, 4)) < 0.5
    task = asked(-1, "sparse_categorical_crossentropy", ["sparse_categorical_accuracy"])
    given = batch(np.where(gone, -1, ids), task, output)
    values = -np.log(np.take_along_axis(output, ids[..., None], -1)[..., 0])
    (term,) = term_functions([task], [], NOTHING)
    assert float(term.measure(given).mean) == pytest.approx(values[~gone].mean(), rel=1e-6)
    (accuracy,) = metric_functions([task], NOTHING, ())
    assert value_of(accuracy, given) == pytest.approx((output.argmax(-1) == ids)[~gone].mean())


def test_one_hot_rows_without_a_label_do_not_count() -> None:
    output, gone = RANDOM.dirichlet(np.ones(5), 8), np.arange(8) % 2 == 0
    one_hot = np.eye(5)[RANDOM.integers(0, 5, 8)]
    task = asked("nan", "categorical_crossentropy")
    (term,) = term_functions([task], [], NOTHING)
    measured = term.measure(batch(np.where(gone[:, None], np.nan, one_hot), task, output))
    assert float(measured.mean) == pytest.approx(-np.log((output * one_hot).sum(1))[~gone].mean(), rel=1e-6)


def test_a_column_s_task_sees_the_labels_of_its_column() -> None:
    task = asked("nan", column=3)
    (term,) = term_functions([task], [], NOTHING)
    there = ~GONE[:, 3]
    expected = ((LABELS - PREDICTED)[there, 3] ** 2).mean()
    assert float(term.measure(batch(np.where(GONE, np.nan, LABELS), task)).mean) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mark", "dtype", "found"), [(-1.0, "uint8", None), (255.0, "uint8", 255), (0.5, "int32", None), (0.1, "float32", 0.1)]
)
def test_a_mark_that_a_type_cannot_hold_marks_nothing(mark: float, dtype: str, found: Any) -> None:
    assert mark_in(mark, dtype) == found


# Class weights


IDS = np.array([0, 2, 1, 1, 0, 2, 2, 2])
WIDE = np.full((8, 3), 1 / 3)


@pytest.mark.parametrize("target", [IDS, IDS[:, None], np.eye(3)[IDS], 0.9 * np.eye(3)[IDS] + 0.1 / 3])
def test_class_weights_are_those_of_keras(target: NDArray[Any]) -> None:
    from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

    given = {0: 2.0, 2: 0.5}
    task = asked("refuse", class_weight={str(key): weight for key, weight in given.items()})
    labels = batch(target, task, WIDE)
    found = class_weights([task], labels, {"a": weights_by_class(task, labels)})["a"]
    np.testing.assert_allclose(found, class_weight_to_sample_weights(target, given))


def test_yes_no_labels_are_of_class_1_or_0() -> None:
    task = asked("refuse", class_weight={"1": 5.0})
    labels = batch(LABELS[:, :1], task, PREDICTED[:, :1])
    found = class_weights([task], labels, {"a": weights_by_class(task, labels)})["a"]
    np.testing.assert_array_equal(found, np.where(LABELS[:, 0] == 1, 5, 1))


def test_balanced_classes_are_those_of_scikit_learn() -> None:
    weight = pytest.importorskip("sklearn.utils.class_weight")
    labels = IDS.astype("float64")
    labels[3] = np.nan
    task = asked("nan", "sparse_categorical_crossentropy", class_weight="balanced")
    table = weights_by_class(task, batch(labels, task, WIDE))
    there = labels[~np.isnan(labels)].astype(int)
    np.testing.assert_allclose(table[:3], weight.compute_class_weight("balanced", classes=np.arange(3), y=there))


def test_balanced_classes_weigh_alike_under_row_weights() -> None:
    task = asked("refuse", "sparse_categorical_crossentropy", class_weight="balanced")
    table = weights_by_class(task, batch(IDS, task, WIDE, ROWS))
    totals = [(ROWS * table[IDS])[each == IDS].sum() for each in range(3)]
    np.testing.assert_allclose(totals, ROWS.sum() / 3)


def test_balanced_classes_are_counted_under_row_weights_of_width_1() -> None:
    task = asked("refuse", "sparse_categorical_crossentropy", class_weight="balanced")
    flat, wide = (weights_by_class(task, batch(IDS, task, WIDE, weight)) for weight in (ROWS, ROWS[:, None]))
    np.testing.assert_array_equal(wide, flat)


def test_a_class_that_a_loss_ignores_is_not_balanced() -> None:
    losses = [{"name": "error", "loss": "sparse_categorical_crossentropy", "config": {"ignore_class": 0}}]
    task = Task.model_validate({"name": "a", "losses": losses, "class_weight": "balanced"})
    table = weights_by_class(task, batch(IDS, task, WIDE))
    np.testing.assert_allclose(table, [1, 6 / (2 * 2), 6 / (2 * 4), 1])


@pytest.mark.parametrize(("missing", "mark"), [("nan", np.nan), (-1, -1.0)])
def test_a_label_that_is_missing_is_of_no_class_in_a_loss_with_a_target_of_its_own(missing: Any, mark: float) -> None:
    soft = {"name": "soft", "loss": "mse", "target": "teacher"}
    hard = {"name": "hard", "loss": "binary_crossentropy"}
    task = Task.model_validate({"name": "a", "losses": [hard, soft], "missing": missing, "class_weight": {"0": 5.0}})
    labels = np.array([[0.0], [1.0], [mark]])
    targets, labelled = without_missing([task], {"a": tf.constant(labels), "teacher": tf.constant(np.zeros((3, 1)))})
    output = tf.constant(np.array([[0.1], [0.2], [0.3]]))
    seen = Batch({}, targets, {"a": output}, {}, {}, lambda x, active: {}, labelled=labelled)
    weighed = class_weights([task], seen, {"a": weights_by_class(task, seen)})
    np.testing.assert_allclose(weighed["a"], [5, 1, 1])
    measured = term_functions([task], [], NOTHING)[1].measure(replace(seen, class_weight=weighed))
    assert float(measured.mean) == pytest.approx((5 * 0.01 + 0.04 + 0.09) / 7)


def test_a_class_without_a_label_leaves_balance_to_the_others() -> None:
    task = asked("refuse", "sparse_categorical_crossentropy", class_weight="balanced")
    table = weights_by_class(task, batch(np.minimum(IDS, 1), task, WIDE))
    np.testing.assert_allclose(table, [8 / (2 * 2), 8 / (2 * 6), 1, 1])


def test_metrics_do_not_weigh_classes() -> None:
    task = asked("refuse", "sparse_categorical_crossentropy", ["sparse_categorical_accuracy"], class_weight={"0": 9.0})
    given = batch(IDS, task, WIDE)
    weighed = Batch({}, given.targets, given.outputs, {}, {}, lambda x, active: {}, class_weight={"a": tf.constant(ROWS)})
    (accuracy,) = metric_functions([task], NOTHING, ())
    assert value_of(accuracy, weighed) == value_of(accuracy, given)
    assert TaskView(task).weight(weighed, 1) is None


def test_columnwise_metrics_are_means_or_counts() -> None:
    for entry in METRICS:
        kind = getattr(keras.metrics, entry.keras_class or "")
        if entry.columnwise and issubclass(kind, keras.metrics.MeanMetricWrapper):
            function = function_of(kind())
            apart = np.asarray(function(LABELS[..., None], PREDICTED[..., None]))
            np.testing.assert_allclose(apart.mean(-1), np.asarray(function(LABELS, PREDICTED)), rtol=1e-6)
