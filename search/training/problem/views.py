"""What a task and a selector see of a batch: the tensor, brought into the form that losses, metrics and penalties expect."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from search.catalog import LossEntry, MetricEntry
from search.definition.labels import NAN
from search.definition.schema import Task
from search.definition.selectors import Selector
from search.training.problem.batch import Batch, Tensor, with_mask_of
from search.training.problem.keras_private import mask_of, put_mask
from search.training.problem.labels import has_class_ids
from search.training.problem.reduction import all_of, both, product
from search.validation import workload_checks

_TINY = 1e-30  # keeps the logarithm of a row without steps finite; every other mean here is at least 1 / steps


@dataclass(frozen=True)
class TaskView:
    """A task's prediction, target and sample weight in a batch."""

    task: Task

    def raw(self, batch: Batch) -> Tensor:
        """Return the task's output as it comes, or its column as [batch, ..., 1]; it bears the output's mask."""
        output = batch.outputs[self.task.used_output]
        return output if self.task.column is None else with_mask_of(output, _column(output, self.task.column))

    def probabilities(self, batch: Batch) -> Tensor:
        """Return the task's output, through a sigmoid (last axis 1) or a softmax where it is logits."""
        raw = self.raw(batch)
        if not self.task.from_logits:
            return raw
        return with_mask_of(raw, ops.sigmoid(raw) if raw.shape[-1] == 1 else ops.softmax(raw, axis=-1))

    def target(self, batch: Batch, name: str | None = None) -> Tensor:
        """Return the target `name` (default: the task's), with a placeholder where a number marks a missing label.

        Of a target as wide as the whole output, a task of one column sees that column too, as [batch, ..., 1].
        """
        target = self._seen(batch, batch.targets[name or self.task.used_target])
        there = None if self.task.missing == NAN else self.labelled(batch, name)
        return target if there is None else ops.where(there, target, ops.full_like(target, batch.placeholder))

    def labelled(self, batch: Batch, name: str | None = None) -> Tensor | None:
        """Return where the target `name` has a label, as booleans in its shape; None where nothing can be missing.

        NaN marks missing labels of every target that the task's losses read; a number those of the task's own.
        """
        key = name or self.task.used_target
        known = batch.labelled.get(key)
        if self.task.missing == NAN:
            return None if known is None else self._seen(batch, known)
        target = batch.targets.get(key)
        if target is None or not isinstance(self.task.missing, float) or key != self.task.used_target:
            return None
        there = both(known, _unmarked(target, self.task.missing))
        return None if there is None else self._seen(batch, there)

    def _seen(self, batch: Batch, target: Tensor) -> Tensor:
        output = batch.outputs[self.task.used_output]
        column = self.task.column
        whole = column is not None and len(target.shape) == len(output.shape) and target.shape[-1] == output.shape[-1]
        return _column(target, column) if whole and column is not None else target

    def classes(self, batch: Batch) -> Tensor:
        """Return the class of each label: [batch, ...], int32, -1 where it is missing.

        Of one-hot rows it is the likeliest, as for Keras's class_weight.
        """
        target, prediction = self.target(batch), self.raw(batch)
        if prediction.shape[-1] != 1 and not has_class_ids(target, prediction):
            ids = ops.argmax(target, axis=-1)
        else:
            ids = ops.squeeze(target, -1) if len(target.shape) == len(prediction.shape) else target
            ids = ops.round(ids) if "float" in str(ids.dtype) else ids
        ids, there = ops.cast(ids, "int32"), all_of(self.labelled(batch), len(ids.shape))
        return ids if there is None else ops.where(there, ids, -1)

    def reads_columns(self, entry: LossEntry | MetricEntry | None, target: Tensor, prediction: Tensor, config: Any) -> bool:
        """Return whether single columns of a target may lack their label: a loss or metric then has a value for each column."""
        plain = entry is not None and entry.columnwise and config.get("axis", -1) == -1
        equal = len(target.shape) == len(prediction.shape) and target.shape[-1] == prediction.shape[-1] != 1
        return self.task.may_lack_labels and plain and equal

    def mask(self, batch: Batch) -> Tensor | None:
        """Return the mask of the task's output [batch, steps], or None."""
        return mask_of(batch.outputs[self.task.used_output])

    def sample_weight(self, batch: Batch, name: str | None = None) -> Tensor | None:
        """Return the rows' weights [batch] (or more axes) under the target's or the output's name, or None."""
        for key in (name or self.task.used_target, self.task.used_output):
            if key in batch.sample_weight:
                return batch.sample_weight[key]
        return None

    def weight(self, batch: Batch, axes: int, name: str | None = None) -> Tensor | None:
        """Return how much values with so many axes count: row weights, 0 where a label is missing. None where all count alike.

        A value that reads several labels counts where it has them all.
        """
        there = self.labelled(batch, name)
        whole = all_of(there, axes)
        if batch.watch is not None and there is not None:
            batch.watch(there, whole)
        return product(self.sample_weight(batch, name), whole)

    def loss_weight(self, batch: Batch, axes: int, name: str | None = None) -> Tensor | None:
        """Return how much values of a loss count: `weight`, times that of each label's class."""
        return product(self.weight(batch, axes, name), batch.class_weight.get(self.task.name))


def mark_in(mark: float, dtype: Any) -> float | int | None:
    """Return the number that marks missing labels as a value of `dtype`, None where it has no such value."""
    kind = np.dtype(keras.backend.standardize_dtype(dtype))
    if kind.kind == "f":
        return mark
    limits = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
    return int(mark) if mark == int(mark) and limits[0] <= mark <= limits[1] else None


def common_mark(tasks: Sequence[Task], name: str) -> float | None:
    """Return the number that marks a missing label for all tasks that read the target `name`; None where they differ."""
    marks = {task.missing if task.used_target == name else None for task in tasks if name in task.read_targets}
    mark = marks.pop() if len(marks) == 1 else None
    return mark if isinstance(mark, float) else None


def without_missing(tasks: Sequence[Task], targets: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the targets with 0 where a label is missing, and where they have labels, of those in which some may be missing.

    NaN marks missing labels of every target that a task's losses read; a number those of a target whose readers agree on it.
    """
    by_nan = {name for task in tasks if task.missing == NAN for name in task.read_targets}
    labelled = {}
    for name, target in targets.items():
        mark = common_mark(tasks, name)
        there = _unmarked(target, mark) if mark is not None else None
        if name in by_nan and "float" in str(target.dtype):
            there = ops.logical_not(ops.isnan(target))
        if there is not None:
            labelled[name] = there
    filled = {name: ops.where(there, targets[name], ops.zeros_like(targets[name])) for name, there in labelled.items()}
    return {**targets, **filled}, labelled


def _unmarked(target: Tensor, number: float) -> Tensor | None:
    """Return where a target is not the number that marks missing labels, None where its dtype cannot hold that."""
    mark = mark_in(number, target.dtype)
    return None if mark is None else ops.not_equal(target, ops.cast(mark, target.dtype))


def select(selector: Selector, batch: Batch, tasks: Mapping[str, TaskView]) -> Tensor:
    """Return one side of a penalty, with the mask of the output that it comes from.

    `classes` (their sum) and `index` keep the last axis at width 1, so that P(odd) of a 10-class head is [batch, 1] like a Dense(1)
    head; `groups` makes it as wide as there are groups, each the sum of its columns; `reduce` takes all axes but the first and the
    last together.
    """
    source = _source(selector, batch, tasks)
    side = source
    if selector.classes is not None:
        side = ops.sum(ops.take(source, list(selector.classes), axis=-1), axis=-1, keepdims=True)
    elif selector.index is not None:
        side = _column(source, selector.index)
    elif selector.groups is not None:
        side = grouped(source, selector.grouped)
    side = with_mask_of(source, side)
    return side if selector.reduce is None else reduced(side, selector.reduce)


def grouped(values: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Return the sums of columns of the last axis, group by group: [batch, ..., features] -> [batch, ..., groups]."""
    width, longest = values.shape[-1], max(map(len, groups))
    places = np.array([[*group, *[width] * (longest - len(group))] for group in groups], np.int32)
    padded = ops.concatenate([values, ops.zeros_like(values[..., :1])], axis=-1)  # shorter groups end in this zero
    shape = (*ops.shape(values)[:-1], *places.shape)
    return ops.sum(ops.reshape(ops.take(padded, places.reshape(-1), axis=-1), shape), axis=-1)


def side_labelled(selector: Selector, batch: Batch, tasks: Mapping[str, TaskView], axes: int) -> Tensor | None:
    """Return where one side of a penalty has the labels that it reads, with at most `axes` axes; None where it reads none.

    Only a side that is a target reads labels. A task's prediction is there for every row, labelled or not.
    """
    marks = [
        view.labelled(batch)
        for view in tasks.values()
        if selector.target is not None and view.task.used_target == selector.target and view.task.column is None
    ]
    found = batch.labelled.get(selector.target or "")
    for mark in marks:
        found = both(found, mark)
    if found is not None and selector.columns and len(found.shape) > 1:
        found = ops.take(found, list(selector.columns), axis=-1)
    return all_of(found, axes)


def side_weight(selector: Selector, batch: Batch, tasks: Mapping[str, TaskView]) -> Tensor | None:
    """Return the row weights of one side of a penalty: those of its task, output or target. None where it has none."""
    if selector.task is not None:
        return tasks[selector.task].sample_weight(batch)
    return batch.sample_weight.get(selector.output or selector.target or "", batch.row_weight)


def _source(selector: Selector, batch: Batch, tasks: Mapping[str, TaskView]) -> Tensor:
    if selector.task is not None:
        return tasks[selector.task].probabilities(batch)
    places = ((selector.output, batch.outputs), (selector.input, batch.inputs), (selector.target, batch.targets))
    name, tensors = next(place for place in places if place[0] is not None)
    tensor = _labels_of(selector.target, batch, tasks) if selector.target is not None else tensors[name or ""]
    return tensor if "float" in str(tensor.dtype) else ops.cast(tensor, next(iter(batch.outputs.values())).dtype)


def _labels_of(target: str, batch: Batch, tasks: Mapping[str, TaskView]) -> Tensor:
    """Return a target as the tasks that read it whole see it: without the numbers that mark missing labels."""
    readers = [view for view in tasks.values() if view.task.used_target == target and view.task.column is None]
    marked = [view for view in readers if isinstance(view.task.missing, float)]
    return marked[0].target(batch) if marked else batch.targets[target]


def reduced(values: Tensor, how: str) -> Tensor:
    """Reduce all axes but the first and the last: [batch, ..., features] -> [batch, features].

    mean; max; noisy_or: 1 - prod(1 - a), the chance that at least one of independent events happens; logsumexp: log(mean(exp(a))),
    a smooth maximum that equals the common value where all are equal. Steps that the values' mask leaves out do not count; a row
    without any step that counts is 0, and is left out by the mask [batch] of the result.
    """
    axes = tuple(range(1, len(values.shape) - 1))
    if not axes:
        return values
    mask = mask_of(values)
    if mask is None:
        return _reduced(values, how, axes, None)
    steps = _over(mask, values)
    there = ops.any(steps, axis=(*axes, -1))
    found = _reduced(ops.where(steps, values, ops.zeros_like(values)), how, axes, ops.cast(steps, values.dtype))
    return put_mask(ops.where(ops.expand_dims(there, -1), found, ops.zeros_like(found)), there)


def _over(mask: Tensor, values: Tensor) -> Tensor:
    """Return a mask of steps as booleans that meet `values` [batch, ..., features] element by element."""
    mask = ops.cast(mask, "bool")
    while len(mask.shape) < len(values.shape):
        mask = ops.expand_dims(mask, -1)
    return mask


def _reduced(values: Tensor, how: str, axes: tuple[int, ...], steps: Tensor | None) -> Tensor:
    """Reduce over `axes` the values that `steps` (1 or 0; None: all) let count; the others are 0 already."""
    if how == "noisy_or":
        return 1 - ops.prod(1 - values, axis=axes)
    if how == "logsumexp":
        counted = values if steps is None else ops.where(steps > 0, values, ops.full_like(values, -np.inf))
        largest = ops.max(counted, axis=axes, keepdims=True)
        largest = ops.stop_gradient(ops.where(ops.isfinite(largest), largest, ops.zeros_like(largest)))
        powers = ops.exp(counted - largest)  # log(mean(exp(a))) = m + log(mean(exp(a - m)))
        return ops.squeeze(largest, axes) + ops.log(ops.maximum(_mean(powers, axes, steps), _TINY))
    if how == "max":
        return ops.max(values if steps is None else ops.where(steps > 0, values, ops.full_like(values, -np.inf)), axis=axes)
    return _mean(values, axes, steps)


def _mean(values: Tensor, axes: tuple[int, ...], steps: Tensor | None) -> Tensor:
    if steps is None:
        return ops.mean(values, axis=axes)
    return ops.sum(values, axis=axes) / ops.maximum(ops.sum(ops.broadcast_to(steps, ops.shape(values)), axis=axes), 1)


def _column(values: Tensor, index: int) -> Tensor:
    return values[..., index : index + 1]


def narrow_targets(tasks: Sequence[Task], outputs: Mapping[str, Any], targets: Mapping[str, Any]) -> frozenset[str]:
    """Return the targets that lack the last axis of every output of width 1: see `workload_checks.narrow_targets`."""
    shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (outputs, targets)]
    return workload_checks.narrow_targets(tasks, *shapes)


def widened(targets: Mapping[str, Tensor], narrow: Collection[str]) -> dict[str, Tensor]:
    """Return the targets, those in `narrow` with a last axis of width 1."""
    return {name: ops.expand_dims(target, -1) if name in narrow else target for name, target in targets.items()}
