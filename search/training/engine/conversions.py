"""How `tf.vectorized_map` turns operations into ones over all settings, where TensorFlow's own way costs more.

Registered for the whole process when this module is imported; each gives what TensorFlow's gives, in another order of rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from search.training.engine import packed_images

_converters: dict[str, Callable[[Any], Any]] = pfor._pfor_converter_registry
_of_tensorflow = dict(_converters)


def _matmul(operation: Any) -> Any:
    """Multiply a matrix that all settings share by each setting's own, as one batched product.

    TensorFlow brings both into one large product: it moves the axis of settings to and fro, which takes longer than the product.
    """
    left, left_stacked, _ = operation.input(0)
    right, right_stacked, _ = operation.input(1)
    if left_stacked or not right_stacked:
        return _of_tensorflow["MatMul"](operation)
    turned = {"transpose_a": operation.get_attr("transpose_a"), "transpose_b": operation.get_attr("transpose_b")}
    return pfor.wrap(tf.matmul(left[tf.newaxis], right, **turned), True)


def _select(operation: Any) -> Any:
    """Choose element by element, or by a scalar of each setting: both are the same operation with one axis more.

    TensorFlow flattens the axis of settings into the next one, and asks for four shapes to do so.
    """
    operation.stack_inputs()
    conditions, ones, others = (operation.stacked_input(place) for place in range(3))
    if conditions.shape.rank is None or conditions.shape.rank not in (1, ones.shape.rank):
        return _of_tensorflow["Select"](operation)
    return pfor.wrap(tf.raw_ops.Select(condition=conditions, x=ones, y=others), True)


def _sparse_cross_entropy(operation: Any) -> Any:
    """Take the cross-entropies of all settings' rows, one setting after another, under labels that all share."""
    logits, logits_stacked, _ = operation.input(0)
    labels, labels_stacked, _ = operation.input(1)
    if not logits_stacked or labels_stacked or None in (logits.shape[0], logits.shape[-1]) or logits.shape.rank != 3:
        return _of_tensorflow["SparseSoftmaxCrossEntropyWithLogits"](operation)
    size, classes = logits.shape[0], logits.shape[-1]
    losses, gradients = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=tf.reshape(logits, [-1, classes]), labels=tf.tile(labels, [size])
    )
    return [pfor.wrap(tf.reshape(losses, [size, -1]), True), pfor.wrap(tf.reshape(gradients, [size, -1, classes]), True)]


def _apart(operation: Any) -> Any:
    """Run a convolution whose filters, or the images of a gradient by filters, are each setting's own: one operation a setting.

    TensorFlow runs these in a loop, one after another.
    """
    inputs = [operation.input(place)[:2] for place in range(operation.num_inputs)]
    sizes = {value.shape[0] for value, stacked in inputs if stacked}
    if not inputs[OWN[operation.op_type]][1] or None in sizes:
        return _of_tensorflow[operation.op_type](operation)
    (size,) = sizes
    parts = [tf.unstack(value, num=size) if stacked else [value] * size for value, stacked in inputs]
    types, attributes = [each.dtype for each in operation.outputs], operation.op.node_def.attr
    made = [pfor._create_op(operation.op_type, [part[k] for part in parts], types, attributes).outputs[0] for k in range(size)]
    return pfor.wrap(tf.stack(made), True)


OWN = {"Conv2DBackpropInput": 1, "Conv2DBackpropFilter": 0}
"""The input that is mostly each setting's own, of convolutions turned round (`Conv2DTranspose`) and of gradients."""

_converters.update(packed_images.converters(_of_tensorflow))
_converters.update(dict.fromkeys(OWN, _apart))
_converters["MatMul"] = _matmul
_converters["Select"] = _select
_converters["SparseSoftmaxCrossEntropyWithLogits"] = _sparse_cross_entropy
