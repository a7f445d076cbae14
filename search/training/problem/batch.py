"""The one thing that a term sees: a batch with the model's outputs, and the model itself to call and differentiate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf
from keras import ops

from search.training.problem.keras_private import logits_of, mask_of, put_logits, put_mask

Tensor = Any
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """What a loss, a penalty or a metric `f(batch)` may read. All tensors have the batch on their first axis.

    inputs: by the names of the workload's x; a single unnamed array is `inputs["input"]`.
    targets: by the names of y; a single unnamed array bears the single output's name, or "target" where there are several outputs.
        A target of one axis less than its output of width 1 gets that axis: [batch] against [batch, 1] would broadcast. What
        marks a missing label is 0 here.
    outputs: by the names of the model's outputs, as they come (logits where the model gives logits); one of [batch] is [batch, 1].
    sample_weight: row weights by output (or target) name, empty where the workload gives none.
    extra: the workload's point sets, each with its own batch size.
    row_weight: the row weights that hold for every output, None where there are none, or some by name.
    labelled: by target name, true where a target has a label: [batch, ...], of the targets in which some may be missing.
    class_weight: by task name, how much the class of each label counts: [batch, ...], of training rows alone.
    placeholder: what stands where a label is missing; nothing may depend on it.
    watch: called with where labels are, and where all are that one value reads, whenever a term or metric asks.
    searched: the setting's searched arguments of terms, scalars by parameter path; a term gets its own as keyword arguments.
    """

    inputs: Tensors
    targets: Tensors
    outputs: Tensors
    sample_weight: Tensors
    extra: Tensors
    _forward: Callable[[Any, Tensor | None], Tensors] = field(repr=False)
    _active: Tensor | None = None
    searched: Tensors = field(default_factory=dict, repr=False)
    row_weight: Tensor | None = None
    labelled: Tensors = field(default_factory=dict)
    class_weight: Tensors = field(default_factory=dict)
    placeholder: float = 0.0
    watch: Callable[[Tensor, Tensor], None] | None = field(default=None, repr=False)

    @property
    def masks(self) -> dict[str, Tensor]:
        """The Keras masks of outputs that have one, by output name: [batch, steps], true where a step is no padding."""
        found = {name: mask_of(output) for name, output in self.outputs.items()}
        return {name: mask for name, mask in found.items() if mask is not None}

    def call(self, x: Any) -> Tensors:
        """Return the outputs of this setting's model for other inputs `x`: an array, or a dict as the model takes it.

        The model runs in the batch's mode (training or not). What the call changes in the model's state, such as the running
        statistics of BatchNorm, is not kept.
        """
        return self._forward(x, self._active)

    def gradient(self, f: Callable[[Any], Tensor], x: Any) -> Any:
        """Return the gradient of the sum of f(x) with respect to x, in x's shape; zeros where f does not depend on x.

        May be nested: `batch.gradient(lambda x: batch.gradient(u, x), x)` is the second derivative, row by row, as long as a row of
        u depends on its own row of x alone.
        """
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = f(x)
        return tape.gradient(value, x, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def gated(self, active: Tensor) -> Batch:
        """Return the same batch, through which no gradient flows to the model unless `active` (a boolean scalar) is true.

        This is how a term of weight 0 is left out: multiplied by 0, an infinite gradient would still be NaN.
        """
        outputs = {name: gate(output, active) for name, output in self.outputs.items()}
        return replace(self, outputs=outputs, _active=active)


def gate(value: Tensor, active: Tensor) -> Tensor:
    """Return `value`, with its gradient replaced by exact zeros unless `active`.

    The gradient of a selection is a selection, so that NaN and infinity stop here; and it is made of plain operations, so that it
    keeps its meaning under `tf.vectorized_map` (a custom gradient would be lost there).
    """
    logits = logits_of(value)  # `fit` takes the cross-entropy of these, and so stays exact where a probability rounds to 0 or 1
    if logits is not None:
        logits = logits._replace(values=chosen(active, logits.values, tf.stop_gradient(logits.values)))
    return with_mask_of(value, put_logits(chosen(active, value, tf.stop_gradient(value)), logits))


def chosen(condition: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return `one` where `condition` (a boolean scalar) is true, else `other`, of the same shape.

    `tf.where` can broadcast, so its gradient asks for shapes and sums over axes: a dozen operations more.
    """
    return tf.raw_ops.Select(condition=condition, x=one, y=other)


def with_mask_of(source: Tensor, result: Tensor) -> Tensor:
    """Return `result` with the Keras mask that `source` bears, if any: losses and metrics leave masked positions out."""
    return put_mask(result, mask_of(source))


def as_columns(outputs: Tensors) -> dict[str, Tensor]:
    """Return outputs with at least two axes: one of [batch], such as a dot product, becomes [batch, 1]."""
    return {name: as_column(output) if len(output.shape) == 1 else output for name, output in outputs.items()}


def as_column(values: Tensor) -> Tensor:
    """Return [batch, ...] as [batch, ..., 1]: each value alone, with the logits that a sigmoid made it of.

    Those of an operation "Softmax" are left out: done again it would be over the new axis, and Keras finds them for none but the
    cross-entropy over that axis.
    """
    logits, column = logits_of(values), ops.expand_dims(values, -1)
    if logits is None or logits.operation == "Softmax":
        return column
    return put_logits(column, logits._replace(values=ops.expand_dims(logits.values, -1)))


def row_means(values: Tensor) -> Tensor:
    """Return the mean over all axes but the first: [batch, ...] -> [batch]."""
    rank = len(values.shape)
    return values if rank <= 1 else ops.mean(values, axis=tuple(range(1, rank)))


def shape_text(tensor: Any) -> str:
    """Return a shape as people write it: [batch, 10]."""
    return "[" + ", ".join(["batch", *(str(size) for size in tensor.shape[1:])]) + "]" if len(tensor.shape) else "a scalar"
