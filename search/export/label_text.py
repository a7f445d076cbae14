"""Missing labels and class weights in a file of plain Keras: row weights that the file makes of the targets. Pure functions.

For targets of which a row is one label: beyond that, `compile` cannot say what was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.definition.labels import BALANCED
from search.definition.schema import Task
from search.export.python_literals import assigned

LABELLED = '''\
def labelled(target, mark):
    """Return which rows have a label: none of it is NaN, or the mark of one that is missing."""
    gone = np.isnan(target) if mark == "nan" else np.asarray(target) == mark
    return ~gone.reshape(len(gone), -1).any(axis=1)'''

ROW_WEIGHTS = '''\
def row_weights(y, sample_weight=None):
    """Return y as `fit` takes it, and the weight of each row: 0 where its label is missing, times that of its class.

    y: by target, or the array of the only one. sample_weight: row weights of all targets, or by target; they are multiplied.
    """
    if not isinstance(y, dict):
        names = {*MISSING, *CLASS_WEIGHT}
        if len(names) != 1 or isinstance(y, (list, tuple)):
            raise ValueError("row_weights wants y as a dict of arrays by target, or the array of the only one")
        (name,) = names
        y, weights = row_weights({name: y}, sample_weight)
        return y[name], weights[name]
    filled, weights = {}, {}
    for name, target in y.items():
        target = np.asarray(target)
        there = labelled(target, MISSING[name]) if name in MISSING else np.ones(len(target), bool)
        filled[name] = np.where(there.reshape(-1, *[1] * (target.ndim - 1)), target, 0).astype(target.dtype)
        weights[name] = there.astype("float64")
        given = sample_weight.get(name) if isinstance(sample_weight, dict) else sample_weight
        if given is not None:
            weights[name] *= np.asarray(given).reshape(-1)
        if name in CLASS_WEIGHT:
            classes = filled[name].argmax(axis=-1) if filled[name][0].size > 1 else filled[name].reshape(-1).astype(int)
            weights[name] *= class_weights(classes, weights[name], CLASS_WEIGHT[name])
    return filled, weights


def class_weights(classes, weights, by_class):
    """Return the weight of each row's class; balanced: n / (classes * count), of rows under their weights."""
    if by_class == "balanced":
        known = np.unique(classes[weights > 0]).tolist()
        by_class = {each: weights.sum() / (len(known) * weights[classes == each].sum()) for each in known}
    return np.array([by_class.get(each, 1.0) for each in classes.tolist()])'''

FUNCTIONS = (LABELLED, ROW_WEIGHTS)


def labels_by_target(tasks: Sequence[Task]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what marks missing labels, and the weights of classes, by target, of those tasks that have them."""
    marks = {task.used_target: task.missing for task in tasks if task.may_lack_labels}
    classes: dict[str, Any] = {}
    for task in tasks:
        if isinstance(task.class_weight, Mapping):
            classes[task.used_target] = {int(key): weight for key, weight in task.class_weight.items()}
        elif task.balances_classes:
            classes[task.used_target] = BALANCED
    return marks, classes


def label_constants(tasks: Sequence[Task]) -> list[str]:
    """Return the constants that the functions read; none where all labels count alike."""
    marks, classes = labels_by_target(tasks)
    if not marks and not classes:
        return []
    return [
        "# By target: what marks a missing label, and the weights of classes.",
        assigned("MISSING", marks),
        assigned("CLASS_WEIGHT", classes),
    ]
