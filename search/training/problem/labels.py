"""Bring targets into the form that a metric wants: class ids, one-hot rows, 0/1 in the output's shape, or two axes."""

from __future__ import annotations

from keras import ops

from search.catalog import MetricEntry
from search.training.problem.batch import Tensor, shape_text

THRESHOLD = 0.5
MATRIX = frozenset({"f1_score", "f_beta_score", "r2_score"})
"""Metrics that want targets and predictions as [rows, columns]."""


def has_class_ids(target: Tensor, prediction: Tensor) -> bool:
    """Return whether `target` holds class indices: one axis less than the prediction, or width 1 against a wider one."""
    fewer = len(target.shape) == len(prediction.shape) - 1
    return fewer or (len(target.shape) == len(prediction.shape) and target.shape[-1] == 1 and prediction.shape[-1] != 1)


def in_form(path: str, entry: MetricEntry, target: Tensor, prediction: Tensor) -> Tensor:
    """Return `target` in the form that the metric wants. Raises ValueError where there is no such form."""
    width = prediction.shape[-1]
    if entry.labels in ("integer", "class_ids"):
        if width == 1 and entry.labels == "integer":
            raise ValueError(f"{path}: {entry.name} wants one column a class, and the output has width 1: use binary_accuracy")
        return _as_ids(path, target, prediction)
    if entry.labels == "continuous":
        return _like(path, target, prediction)
    if has_class_ids(target, prediction) and width != 1:
        ids = target if len(target.shape) == len(prediction.shape) - 1 else ops.squeeze(target, -1)
        return ops.one_hot(ops.cast(ids, "int32"), width, dtype=prediction.dtype)
    return _like(path, target, prediction)


def predicted_ids(prediction: Tensor) -> Tensor:
    """Return the likeliest class of each row, [batch, ...]; of an output of width 1, class 1 where it is above 0.5."""
    if prediction.shape[-1] == 1:
        return ops.cast(ops.squeeze(prediction, -1) > THRESHOLD, "int32")
    return ops.argmax(prediction, axis=-1)


def _as_ids(path: str, target: Tensor, prediction: Tensor) -> Tensor:
    if not has_class_ids(target, prediction) and prediction.shape[-1] != 1:
        return ops.argmax(_like(path, target, prediction), axis=-1)
    if len(target.shape) == len(prediction.shape):
        return ops.squeeze(target, -1)
    if len(target.shape) == len(prediction.shape) - 1:
        return target
    raise ValueError(f"{path}: the target is {shape_text(target)}, the output {shape_text(prediction)}")


def _like(path: str, target: Tensor, prediction: Tensor) -> Tensor:
    """Return the target in the prediction's shape; a missing last axis of width 1 is put there."""
    if len(target.shape) == len(prediction.shape) - 1 and prediction.shape[-1] == 1:
        target = ops.expand_dims(target, -1)
    if len(target.shape) != len(prediction.shape) or target.shape[1:] != prediction.shape[1:]:
        raise ValueError(f"{path}: the target is {shape_text(target)}, the output {shape_text(prediction)}")
    return ops.cast(target, prediction.dtype)
