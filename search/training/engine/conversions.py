"""How `tf.vectorized_map` turns operations into ones over all settings, where TensorFlow's own way costs more.

Registered for the whole process when this module is imported; each gives what TensorFlow's gives, in another order of rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

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


_converters["MatMul"] = _matmul
_converters["Select"] = _select
_converters["SparseSoftmaxCrossEntropyWithLogits"] = _sparse_cross_entropy
