"""Metrics: every one of the catalog gets targets and predictions in the form it needs, and streams over batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as sklearn_metrics

from search.catalog import METRICS, MetricEntry
from search.training.problem.batch import Batch
from search.training.problem.metrics import CountingMetric, RowMean, metric_functions
from search.training.problem.terms import term_functions
from tests.search.training.scenes import study, task, workload

RANDOM = np.random.default_rng(7)
IDS = RANDOM.integers(0, 4, 30)
SCORES = RANDOM.normal(size=(30, 4)).astype("float32")
PROBABILITIES = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
LABELS = RANDOM.integers(0, 2, 30)
CHANCES = RANDOM.uniform(0.05, 0.95, (30, 1)).astype("float32")
NUMBERS = RANDOM.uniform(0.5, 2.0, (30, 4)).astype("float32")
WEIGHTS = RANDOM.uniform(0.0, 2.0, 30).astype("float32")


def _batch(output: Any, target: Any, weight: Any = None) -> Batch:
    weights = {} if weight is None else {"a": tf.constant(weight)}
    return Batch({}, {"a": tf.constant(target)}, {"a": tf.constant(output)}, weights, {}, lambda x, active: {})


def _measure(metric: Any, output: Any, target: Any, weight: Any = None, losses: Sequence[str] = (), **parts: Any) -> float:
    """Return a metric over all rows, streamed in batches of 12, 12 and 6."""
    own: Mapping[str, Any] = parts.pop("own", {})
    declared = {"name": "m", "metric": metric} if isinstance(metric, str) else {"name": "m", **metric}
    part = task("a", None, [declared], **parts)
    part["losses"] = [{"name": f"loss-{i}", "loss": loss} for i, loss in enumerate(losses)]
    bound = workload(lambda: None, None, metrics=own)
    (function,) = metric_functions(study([part]).tasks, bound, ())
    places = [slice(0, 12), slice(12, 24), slice(24, 30)]
    batches = [_batch(output[at], target[at], None if weight is None else weight[at]) for at in places]
    if isinstance(function, CountingMetric):
        counter = function.make(batches[0])
        for batch in batches:
            counter.update_state(*function.arguments(batch))
        return float(np.asarray(counter.result()).reshape(()))
    assert isinstance(function, RowMean)
    measured = [function.measure(batch) for batch in batches]
    values, weights = (np.concatenate([np.asarray(each[part]) for each in measured]) for part in (0, 1))
    mean = float(np.sum(values * weights) / np.sum(weights))
    return float(np.sqrt(mean)) if function.root else mean


REQUIRED: Mapping[str, Any] = {
    "precision_at_recall": {"recall": 0.5},
    "recall_at_precision": {"precision": 0.5},
    "sensitivity_at_specificity": {"specificity": 0.5},
    "specificity_at_sensitivity": {"sensitivity": 0.5},
    "io_u": {"target_class_ids": [0, 2]},
    "one_hot_io_u": {"target_class_ids": [0, 2]},
}


@pytest.mark.parametrize("form", ["class ids", "class ids in a column", "one-hot"])
@pytest.mark.parametrize("entry", [entry for entry in METRICS if entry.labels != "continuous"], ids=lambda entry: entry.name)
def test_a_metric_takes_labels_in_any_form(entry: MetricEntry, form: str) -> None:
    target = {"class ids": IDS, "class ids in a column": IDS[:, None], "one-hot": np.eye(4, dtype="float32")[IDS]}[form]
    metric = {"metric": entry.name, "config": REQUIRED.get(entry.name, {})}
    value = _measure(metric, PROBABILITIES, target)
    assert np.isfinite(value)
    assert value == pytest.approx(_measure(metric, PROBABILITIES, IDS))


@pytest.mark.parametrize(
    "entry", [entry for entry in METRICS if entry.labels in ("binary", "class_ids")], ids=lambda entry: entry.name
)
def test_a_metric_takes_yes_or_no_labels_with_or_without_a_column(entry: MetricEntry) -> None:
    config = {**REQUIRED.get(entry.name, {})} | ({"target_class_ids": [1]} if entry.name == "io_u" else {})
    metric = {"metric": entry.name, "config": config}
    losses = ["binary_crossentropy"]
    assert np.isfinite(_measure(metric, CHANCES, LABELS, losses=losses))
    assert _measure(metric, CHANCES, LABELS, losses=losses) == pytest.approx(
        _measure(metric, CHANCES, LABELS[:, None], losses=losses)
    )


@pytest.mark.parametrize("entry", [entry for entry in METRICS if entry.labels == "continuous"], ids=lambda entry: entry.name)
def test_a_metric_of_numbers_equals_keras_over_all_rows_at_once(entry: MetricEntry) -> None:
    expected = getattr(keras.metrics, entry.keras_class or "")()
    expected.update_state(NUMBERS, NUMBERS + SCORES / 10)
    assert _measure(entry.name, NUMBERS + SCORES / 10, NUMBERS) == pytest.approx(float(expected.result()), rel=1e-4)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("accuracy", lambda: sklearn_metrics.accuracy_score(IDS, PROBABILITIES.argmax(axis=1), sample_weight=WEIGHTS)),
        ("f1", lambda: sklearn_metrics.f1_score(IDS, PROBABILITIES.argmax(axis=1), average="macro", sample_weight=WEIGHTS)),
        (
            "mean_iou",
            lambda: sklearn_metrics.jaccard_score(IDS, PROBABILITIES.argmax(axis=1), average="macro", sample_weight=WEIGHTS),
        ),
        ("sparse_categorical_crossentropy", lambda: sklearn_metrics.log_loss(IDS, PROBABILITIES, sample_weight=WEIGHTS)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_metric_of_classes_equals_scikit_learns_with_fractional_row_weights(metric: str, expected: Any) -> None:
    value = _measure(metric, PROBABILITIES, IDS, WEIGHTS, losses=["sparse_categorical_crossentropy"])
    assert value == pytest.approx(expected(), rel=1e-4)


@pytest.mark.parametrize(
    ("metric", "expected", "tolerance"),
    [
        ("accuracy", lambda: sklearn_metrics.accuracy_score(LABELS, CHANCES[:, 0] > 0.5, sample_weight=WEIGHTS), 1e-4),
        ("f1", lambda: sklearn_metrics.f1_score(LABELS, CHANCES[:, 0] > 0.5, sample_weight=WEIGHTS), 1e-4),
        ("iou", lambda: sklearn_metrics.jaccard_score(LABELS, CHANCES[:, 0] > 0.5, sample_weight=WEIGHTS), 1e-4),
        ("precision", lambda: sklearn_metrics.precision_score(LABELS, CHANCES[:, 0] > 0.5, sample_weight=WEIGHTS), 1e-4),
        ("recall", lambda: sklearn_metrics.recall_score(LABELS, CHANCES[:, 0] > 0.5, sample_weight=WEIGHTS), 1e-4),
        ("auc", lambda: sklearn_metrics.roc_auc_score(LABELS, CHANCES[:, 0], sample_weight=WEIGHTS), 0.02),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_metric_of_yes_and_no_equals_scikit_learns(metric: str, expected: Any, tolerance: float) -> None:
    value = _measure(metric, CHANCES, LABELS, WEIGHTS, losses=["binary_crossentropy"])
    assert value == pytest.approx(expected(), abs=tolerance)


def test_metrics_of_pixels_count_every_pixel_with_its_images_weight() -> None:
    mask = CHANCES[:28].reshape(-1, 2, 2, 1)
    target = (RANDOM.uniform(size=(7, 2, 2, 1)) > 0.5).astype("float32")
    pad = np.concatenate([mask] * 5)[:30], np.concatenate([target] * 5)[:30]
    truth, found = pad[1].reshape(-1), pad[0].reshape(-1) > 0.5
    weights = np.repeat(WEIGHTS, 4)
    losses = ["binary_crossentropy"]
    for metric, expected in (
        ("iou", sklearn_metrics.jaccard_score(truth, found, sample_weight=weights)),
        ("accuracy", sklearn_metrics.accuracy_score(truth, found, sample_weight=weights)),
        ("f1", sklearn_metrics.f1_score(truth, found, sample_weight=weights)),
        ("precision", sklearn_metrics.precision_score(truth, found, sample_weight=weights)),
    ):
        assert _measure(metric, *pad, WEIGHTS, losses=losses) == pytest.approx(expected, rel=1e-4)


def test_logits_are_seen_as_probabilities() -> None:
    from_logits = _measure("sparse_categorical_crossentropy", SCORES, IDS, from_logits=True)
    assert from_logits == pytest.approx(_measure("sparse_categorical_crossentropy", PROBABILITIES, IDS), rel=1e-4)


def test_the_root_is_taken_once_over_all_batches() -> None:
    assert _measure("rmse", NUMBERS, NUMBERS + 2.0) == pytest.approx(2.0)
    assert _measure("rmse", NUMBERS, NUMBERS + SCORES) == pytest.approx(np.sqrt(np.mean(SCORES**2)), rel=1e-4)


def test_an_own_metric_of_rows_is_their_mean() -> None:
    own = {"width": lambda batch: batch.outputs["a"][:, 0] * 2}
    assert _measure("width", NUMBERS, NUMBERS, own=own) == pytest.approx(2 * NUMBERS[:, 0].mean(), rel=1e-5)


def test_an_own_scalar_metric_counts_by_its_batchs_rows() -> None:
    own = {"first": lambda batch: batch.outputs["a"][0, 0]}
    expected = (12 * NUMBERS[0, 0] + 12 * NUMBERS[12, 0] + 6 * NUMBERS[24, 0]) / 30
    assert _measure("first", NUMBERS, NUMBERS, own=own) == pytest.approx(expected, rel=1e-5)


def test_a_metric_of_classes_on_an_output_of_width_1_is_refused() -> None:
    with pytest.raises(ValueError, match="use binary_accuracy"):
        _measure("sparse_categorical_accuracy", CHANCES, LABELS)


def test_a_target_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a.m: the target is \[batch, 3\], the output \[batch, 4\]"):
        _measure("mae", NUMBERS, NUMBERS[:, :3])


def test_violations_are_the_share_of_rows_above_the_tolerance() -> None:
    penalty = {"name": "p", "penalty": "consistency", "config": {"tolerance": 0.25}, "between": [{"output": "a"}, {"target": "a"}]}
    definition = study([task("a", None)], [penalty])
    bound = workload(lambda: None, None)
    terms = term_functions(definition.tasks, definition.penalties, bound)
    (violations,) = metric_functions(definition.tasks, bound, terms)
    assert isinstance(violations, RowMean)
    batch = _batch(np.array([[0.0], [0.5], [0.9], [0.2]]), np.zeros((4, 1)))
    assert violations.path == "p.violations"
    assert np.asarray(violations.measure(batch).values).tolist() == [0.0, 1.0, 1.0, 0.0]
