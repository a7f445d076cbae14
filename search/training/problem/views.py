"""What a task and a selector see of a batch: the tensor, brought into the form that losses, metrics and penalties expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keras import ops

from search.definition.schema import Selector, Task
from search.training.problem.batch import Batch, Tensor, with_mask_of


@dataclass(frozen=True)
class TaskView:
    """A task's prediction, target and sample weight in a batch."""

    task: Task

    def raw(self, batch: Batch) -> Tensor:
        """Return the task's output as it comes, or its column as [batch, ..., 1]."""
        output = batch.outputs[self.task.used_output]
        return output if self.task.column is None else with_mask_of(output, _column(output, self.task.column))

    def probabilities(self, batch: Batch) -> Tensor:
        """Return the task's output, through a sigmoid (last axis 1) or a softmax where it is logits."""
        raw = self.raw(batch)
        if not self.task.from_logits:
            return raw
        return with_mask_of(raw, ops.sigmoid(raw) if raw.shape[-1] == 1 else ops.softmax(raw, axis=-1))

    def target(self, batch: Batch, name: str | None = None) -> Tensor:
        """Return the target `name` (default: the task's).

        Of a target as wide as the whole output, a task of one column sees that column too, as [batch, ..., 1].
        """
        target = batch.targets[name or self.task.used_target]
        output = batch.outputs[self.task.used_output]
        column = self.task.column
        whole = column is not None and len(target.shape) == len(output.shape) and target.shape[-1] == output.shape[-1]
        return _column(target, column) if whole and column is not None else target

    def sample_weight(self, batch: Batch, name: str | None = None) -> Tensor | None:
        """Return the rows' weights [batch] (or more axes) under the target's or the output's name, or None."""
        for key in (name or self.task.used_target, self.task.used_output):
            if key in batch.sample_weight:
                return batch.sample_weight[key]
        return None


def select(selector: Selector, batch: Batch, tasks: Mapping[str, TaskView]) -> Tensor:
    """Return one side of a penalty.

    `classes` (their sum) and `index` keep the last axis at width 1, so that P(odd) of a 10-class head is [batch, 1] like a Dense(1)
    head; `reduce` takes all axes but the first and the last together.
    """
    side = _source(selector, batch, tasks)
    if selector.classes is not None:
        side = ops.sum(ops.take(side, list(selector.classes), axis=-1), axis=-1, keepdims=True)
    elif selector.index is not None:
        side = _column(side, selector.index)
    return side if selector.reduce is None else reduced(side, selector.reduce)


def _source(selector: Selector, batch: Batch, tasks: Mapping[str, TaskView]) -> Tensor:
    if selector.task is not None:
        return tasks[selector.task].probabilities(batch)
    places = ((selector.output, batch.outputs), (selector.input, batch.inputs), (selector.target, batch.targets))
    name, tensors = next(place for place in places if place[0] is not None)
    tensor = tensors[name or ""]
    return tensor if "float" in str(tensor.dtype) else ops.cast(tensor, next(iter(batch.outputs.values())).dtype)


def reduced(values: Tensor, how: str) -> Tensor:
    """Reduce all axes but the first and the last: [batch, ..., features] -> [batch, features].

    mean; max; noisy_or: 1 - prod(1 - a), the chance that at least one of independent events happens; logsumexp: log(mean(exp(a))),
    a smooth maximum that equals the common value where all are equal.
    """
    axes = tuple(range(1, len(values.shape) - 1))
    if not axes:
        return values
    if how == "noisy_or":
        return 1 - ops.prod(1 - values, axis=axes)
    if how == "logsumexp":
        largest = ops.stop_gradient(ops.max(values, axis=axes, keepdims=True))  # log(mean(exp(a))) = m + log(mean(exp(a - m)))
        return ops.squeeze(largest, axes) + ops.log(ops.mean(ops.exp(values - largest), axis=axes))
    return ops.max(values, axis=axes) if how == "max" else ops.mean(values, axis=axes)


def _column(values: Tensor, index: int) -> Tensor:
    return values[..., index : index + 1]
