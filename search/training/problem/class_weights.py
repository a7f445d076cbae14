"""How much the class of each label counts in training: a task's `class_weight` as a table by class, and as a weight a label.

As in `fit(class_weight=...)`, which takes no sample weights beside it; here the two multiply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from search.definition.schema import Task
from search.training.problem.batch import Batch, Tensor
from search.training.problem.views import TaskView

Table = NDArray[np.float64]
"""Weight by class [classes + 1]; the last one, 1, is that of any other number."""


def weights_by_class(task: Task, batch: Batch) -> Table:
    """Return a task's weight by class. `batch`: all training rows, from which `balanced` is counted.

    balanced: n / (classes * count), with n the number of labelled rows and classes those that have any, as scikit-learn's
    `compute_class_weight`; rows are counted under their row weights, as it does with `sample_weight`. A loss's `ignore_class` is no
    label. A mask is not known here, so what it leaves out is counted.
    """
    if isinstance(task.class_weight, Mapping):
        return _given(task.class_weight)
    view = TaskView(task)
    table = np.ones(classes_of(view, batch) + 1)
    ids = np.asarray(view.classes(batch))
    counted = view.weight(batch, ids.ndim)
    weights = np.ones(ids.shape) if counted is None else np.broadcast_to(_as_wide(np.asarray(counted), ids.ndim), ids.shape)
    known = countable(task, ids, len(table) - 1)
    counts = np.bincount(ids[known], weights=weights[known].astype(np.float64), minlength=len(table) - 1)
    there = counts > 0
    table[:-1][there] = counts.sum() / (there.sum() * counts[there])
    return table


def countable(task: Task, ids: NDArray[Any], classes: int) -> NDArray[np.bool_]:
    """Return which class ids are a class of the output that no loss of the task ignores."""
    ignored = [value for loss in task.losses if isinstance(value := loss.config.get("ignore_class"), int | float)]
    return np.asarray((ids >= 0) & (ids < classes) & ~np.isin(ids, ignored))


def _given(class_weight: Mapping[str, float]) -> Table:
    table = np.ones(max(map(int, class_weight)) + 2)
    for key, weight in class_weight.items():
        table[int(key)] = weight
    return table


class ClassTables:
    """The weights by class of a model's tasks; balanced ones are made of the labels that it is given, since no workload has rows.

    They are no part of the model's own weights.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._balanced = [task for task in tasks if task.balances_classes]
        self._tables: dict[str, Any] = {
            task.name: _given(task.class_weight) for task in tasks if isinstance(task.class_weight, Mapping)
        }

    @property
    def balance(self) -> bool:
        """Whether labels must be counted before any training."""
        return bool(self._balanced)

    def count(self, labels: Batch) -> None:
        """Balance classes by these labels: those of all rows of a training."""
        for task in self._balanced:
            table = weights_by_class(task, labels)
            if task.name not in self._tables:
                self._tables[task.name] = keras.Variable(table, trainable=False, dtype=keras.config.floatx())
            self._tables[task.name].assign(table)

    def tables(self) -> Mapping[str, Tensor]:
        """Return the table of each task. Raises ValueError where classes are to be balanced and nothing has been counted yet."""
        if any(task.name not in self._tables for task in self._balanced):
            raise ValueError("the model balances classes by the labels of its rows: train it by fit(x, y)")
        return {name: ops.convert_to_tensor(table) for name, table in self._tables.items()}


def classes_of(view: TaskView, batch: Batch) -> int:
    """Return how many classes a task's output distinguishes: 2 where its width is 1."""
    return max(int(view.raw(batch).shape[-1]), 2)


def _as_wide(weights: NDArray[Any], axes: int) -> NDArray[Any]:
    while weights.ndim > axes and weights.shape[-1] == 1:
        weights = weights[..., 0]
    return weights.reshape(weights.shape + (1,) * (axes - weights.ndim))


def class_weights(tasks: Sequence[Task], batch: Batch, tables: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weight of each label's class by task: [batch, ...]. tables: `weights_by_class` by task."""
    return {task.name: _looked_up(tables[task.name], TaskView(task).classes(batch)) for task in tasks if task.name in tables}


def _looked_up(table: Any, ids: Tensor) -> Tensor:
    last = table.shape[0] - 1
    inside = ops.logical_and(ids >= 0, ids < last)
    return ops.take(ops.convert_to_tensor(table), ops.where(inside, ids, last), axis=0)
