"""Which terms and metrics the labels of a split cannot measure: Keras gives a number there, and it measures nothing.

Precision without a positive label, the area under a curve of one class, R2 of a constant, any metric without a labelled row: Keras
says 0. Here they are undefined, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.definition.schema import Task
from search.training.problem.batch import Batch, Tensors
from search.training.problem.labels import has_class_ids
from search.training.problem.metrics import CountingMetric, RowMean
from search.training.problem.problem import TrainingProblem
from search.training.problem.reduction import product
from search.training.problem.terms import TermFunction
from search.training.problem.views import TaskView

Array = NDArray[Any]

Rule = Callable[[Array, Mapping[str, Any]], str | None]
"""Why labels [positions, columns] cannot measure a metric under its config; None where they can."""

MANY = 8
"""More axes than any label has."""

UNLABELLED = "no row has a label that counts: all are missing, or weigh 0"
ONE_CLASS = "its labels are of one class"
NO_POSITIVE = "no label is positive"


def undefined(problem: TrainingProblem, split: str) -> dict[str, str]:
    """Return the paths that a split cannot measure, each with the reason."""
    labels = problem.labels(split)
    weighed = replace(labels, class_weight=problem.rows(split).class_weight)
    found = {}
    masks = problem.masks(split) if any(_rule(metric) for metric in problem.counted_metrics) else {}
    every: Sequence[TermFunction | RowMean | CountingMetric] = (*problem.terms, *problem.row_metrics, *problem.counted_metrics)
    for measured in every:
        if measured.task is None:
            continue
        counted = counted_labels(measured.task, weighed if isinstance(measured, TermFunction) else labels, measured.target)
        if counted is not None and not counted.any():
            found[measured.path] = UNLABELLED
        elif isinstance(measured, CountingMetric) and (reason := _without(measured, labels, masks)):
            found[measured.path] = reason
    return found


def counted_labels(task: Task, labels: Batch, target: str | None = None) -> Array | None:
    """Return which labels of a task count, [rows] or with more axes; None where all do. labels: a split's rows as one batch."""
    weight = TaskView(task).loss_weight(labels, MANY, target)
    return None if weight is None else np.asarray(weight) != 0


def _rule(metric: CountingMetric) -> Rule | None:
    return RULES.get(metric.entry.name) if metric.entry is not None else None


def _without(metric: CountingMetric, labels: Batch, masks: Tensors) -> str | None:
    """Return why the labels cannot measure a metric of Keras that counts; None where they can. Padded steps have no label."""
    rule = _rule(metric)
    if rule is None or metric.task is None or metric.task.used_target not in labels.targets:
        return None
    view = TaskView(metric.task)
    target, output = view.target(labels), view.raw(labels)
    width = int(output.shape[-1])
    ids = has_class_ids(target, output) and width != 1
    known = _columns(np.asarray(target), width, ids)
    if view.labelled(labels) is None or not view.reads_columns(metric.entry, target, output, metric.config):
        weight = product(view.weight(labels, len(output.shape) - 1), masks.get(metric.task.used_output))
        return rule(known if weight is None else known[_spread(np.asarray(weight), len(known))], metric.config)
    return _without_in_columns(rule, known, np.asarray(view.weight(labels, len(output.shape))), metric.config)


def _without_in_columns(rule: Rule, known: Array, weight: Array, config: Mapping[str, Any]) -> str | None:
    """Return why labels [positions, columns] of which single ones are missing cannot measure a metric; None where they can."""
    counted = (np.zeros(known.shape) + weight.reshape(-1, weight.shape[-1])) != 0
    places = range(known.shape[1]) if config.get("class_id") is None else [config["class_id"]]
    columns = [known[counted[:, place], place : place + 1] for place in places]
    plain = {name: value for name, value in config.items() if name not in ("class_id", "multi_label")}
    if not config.get("multi_label"):
        return rule(np.concatenate(columns), plain)
    return next((reason for column in columns if (reason := rule(column, plain))), None)


def _columns(target: Array, width: int, ids: bool) -> Array:
    """Return labels as [positions, columns]: class ids one-hot, a missing last axis of width 1 put there."""
    if ids:
        flat = target.reshape(-1).astype(np.int64)
        return np.asarray(flat[:, np.newaxis] == np.arange(width), np.float64)
    return target.reshape(-1, width)


def _spread(weights: Array, positions: int) -> Array:
    """Return which positions count, of rows' or positions' weights."""
    flat = np.asarray(weights).reshape(len(weights), -1)
    steps = positions // len(flat)
    return np.asarray(np.repeat(flat.any(axis=1), steps) if flat.shape[1] != steps else flat.reshape(-1) != 0)


def _of_class(labels: Array, config: Mapping[str, Any]) -> Array:
    chosen = config.get("class_id")
    return labels if chosen is None else labels[:, chosen : chosen + 1]


def _both_classes(labels: Array, config: Mapping[str, Any]) -> str | None:
    positive = _of_class(labels, config) != 0
    columns = positive.T if config.get("multi_label") else [positive.ravel()]
    return ONE_CLASS if any(column.all() or not column.any() for column in columns) else None


def _a_positive(labels: Array, config: Mapping[str, Any]) -> str | None:
    return None if (_of_class(labels, config) != 0).any() else NO_POSITIVE


def _varies(labels: Array, config: Mapping[str, Any]) -> str | None:
    constant = (labels == labels[:1]).all(axis=0)
    lost = constant.all() if config.get("class_aggregation") == "variance_weighted_average" else constant.any()
    return "its labels are all equal" if lost else None


def _a_target_class(labels: Array, config: Mapping[str, Any]) -> str | None:
    wanted = {int(each) for each in config.get("target_class_ids", (0, 1))}
    return None if wanted & _classes(labels, config) else f"no label is of class {', '.join(map(str, sorted(wanted)))}"


def _a_counted_class(labels: Array, config: Mapping[str, Any]) -> str | None:
    return None if _classes(labels, config) else "no label is of a class that counts"


def _classes(labels: Array, config: Mapping[str, Any]) -> set[int]:
    """Return the classes that labels are of, without the one that is ignored."""
    there = np.unique(labels) if labels.shape[1] == 1 else np.flatnonzero((labels != 0).any(axis=0))
    return {int(each) for each in there} - {config.get("ignore_class")}


RULES: Mapping[str, Rule] = {
    "auc": _both_classes,
    "sensitivity_at_specificity": _both_classes,
    "specificity_at_sensitivity": _both_classes,
    "precision": _a_positive,
    "recall": _a_positive,
    "precision_at_recall": _a_positive,
    "recall_at_precision": _a_positive,
    "f1_score": _a_positive,
    "f_beta_score": _a_positive,
    "r2_score": _varies,
    "io_u": _a_target_class,
    "mean_io_u": _a_counted_class,
    "binary_io_u": _a_target_class,
    "one_hot_io_u": _a_target_class,
    "one_hot_mean_io_u": _a_counted_class,
}
"""The rule of each metric of Keras that has one."""
