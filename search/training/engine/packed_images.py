"""Convolutions of all settings as one: their images lie side by side in the channels, [batch, height, width, K * channels].

One grouped convolution, one pooling and one activation then serve all settings. `tf.vectorized_map` wants the settings first,
[K, batch, height, width, channels]: so every conversion here returns that form, and keeps the packed one beside it for the next of
them. TensorFlow computes only what is read, so the images are turned once, where the last of these operations has been.

The first convolution mostly sees rows that all settings share: it is an ordinary one with K times as many filters.

A greatest value over windows is taken before the bias and the activation that precede it, where these never decrease: the numbers
are the same, of a quarter as many elements. Where a bias rounds two of a window to the same number, the gradient goes to the one
that was greater, in place of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from search.training.problem.batch import Tensor

Converter = Callable[[Any], Any]
Function = Callable[[Tensor], Tensor]

ATTRIBUTE = "_steelyard_packed"
"""Under which a tensor [K, batch, height, width, channels] has its packed form."""

MONOTONE = ("Relu", "Relu6")
ELEMENTWISE = (*MONOTONE, "Elu", "LeakyRelu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh")


class Packed(NamedTuple):
    """Images of `size` settings: [batch, height, width, size * channels].

    `before`: what they were before the functions `then`, which never decrease.
    """

    images: Tensor
    size: int
    before: Tensor
    then: tuple[Function, ...] = ()

    def mapped(self, function: Function, *, monotone: bool = False) -> Packed:
        """Return the images under a function of each element and its channel."""
        images = function(self.images)
        return Packed(images, self.size, self.before, (*self.then, function)) if monotone else Packed(images, self.size, images)

    def first(self, function: Function) -> Packed:
        """Return the images under a function that may as well be done before all that never decreases."""
        images = function(self.before)
        for each in self.then:
            images = each(images)
        return Packed(images, self.size, images)


def converters(of_tensorflow: Mapping[str, Converter]) -> dict[str, Converter]:
    """Return the conversions by the operation's name; what they do not serve is left to TensorFlow's."""
    ours: dict[str, Callable[[Any], Packed | None]] = {"Conv2D": _convolved, "BiasAdd": _biased, "AddV2": _added}
    ours |= dict.fromkeys(ELEMENTWISE, _elementwise) | {"MaxPool": _greatest, "AvgPool": _pooled}

    def converter(kind: str) -> Converter:
        def convert(operation: Any) -> Any:
            packed = ours[kind](operation)
            return of_tensorflow[kind](operation) if packed is None else pfor.wrap(_unpacked(packed), True)

        return convert

    return {kind: converter(kind) for kind in ours if kind in of_tensorflow}


def _packed(operation: Any, place: int) -> Packed | None:
    """Return the packed form of an input, where it is known."""
    value, stacked, _ = operation.input(place)
    found: Packed | None = getattr(value, ATTRIBUTE, None) if stacked else None  # else of a loop inside of this one
    return found


def _unpacked(packed: Packed) -> Tensor:
    """Return images with the settings first, which know their packed form."""
    _, height, width, channels = packed.images.shape
    apart = tf.reshape(packed.images, [-1, height, width, packed.size, channels // packed.size])
    turned = tf.transpose(apart, [3, 0, 1, 2, 4])
    setattr(turned, ATTRIBUTE, packed)
    return turned


def _side_by_side(images: Tensor, size: int) -> Tensor:
    """Return images [size, batch, height, width, channels] as [batch, height, width, size * channels]."""
    _, _, height, width, channels = images.shape
    return tf.reshape(tf.transpose(images, [1, 2, 3, 0, 4]), [-1, height, width, size * channels])


def _convolved(operation: Any) -> Packed | None:
    """Convolve with filters of its own per setting: of images that all share, or of each setting's own.

    Filters of fewer channels than the images (`groups` of a layer) would mix settings in one convolution of images that all share.
    """
    images, images_stacked, _ = operation.input(0)
    filters, filters_stacked, _ = operation.input(1)
    if not filters_stacked or None in (*filters.shape, *images.shape[-3:]) or not _channels_last(operation):
        return None
    size, height, width, channels, count = filters.shape
    convolve = partial(_same, operation)
    together = tf.reshape(tf.transpose(filters, [1, 2, 3, 0, 4]), [height, width, channels, size * count])
    if not images_stacked:
        own = [together] if images.shape[-1] == channels else tf.unstack(filters)
        made = tf.concat([convolve(images, each) for each in own], axis=-1)
    else:
        packed = _packed(operation, 0)
        given = _side_by_side(images, size) if packed is None else packed.images
        # oneDNN has no gradient of groups with explicit padding
        if operation.get_attr("padding") != b"EXPLICIT" and grouped_convolutions(given.dtype):
            made = convolve(given, together)
        else:
            pairs = zip(tf.split(given, size, axis=-1), tf.unstack(filters), strict=True)
            made = tf.concat([convolve(*pair) for pair in pairs], axis=-1)
    return None if None in made.shape[1:] else Packed(made, size, made)


def _biased(operation: Any) -> Packed | None:
    packed, bias = _packed(operation, 0), operation.input(1)
    if packed is None or not _channels_last(operation):
        return None
    flat = tf.reshape(bias[0], [-1]) if bias[1] else tf.tile(bias[0], [packed.size])
    return packed.mapped(lambda images: tf.nn.bias_add(images, flat), monotone=True)


def _added(operation: Any) -> Packed | None:
    """Add images to images, as in a residual block."""
    one, other = (_packed(operation, place) for place in range(2))
    if one is None or other is None or one.images.shape[1:] != other.images.shape[1:]:
        return None
    return one.mapped(lambda images: images + other.images)


def _elementwise(operation: Any) -> Packed | None:
    packed = _packed(operation, 0)
    return None if packed is None else packed.mapped(partial(_same, operation), monotone=operation.op_type in MONOTONE)


def _greatest(operation: Any) -> Packed | None:
    packed = _packed(operation, 0)
    return packed.first(partial(_same, operation)) if packed is not None and _channels_last(operation) else None


def _pooled(operation: Any) -> Packed | None:
    packed = _packed(operation, 0)
    return packed.mapped(partial(_same, operation)) if packed is not None and _channels_last(operation) else None


def _same(operation: Any, *inputs: Tensor) -> Tensor:
    """Do the operation with other inputs."""
    types = [each.dtype for each in operation.outputs]
    return pfor._create_op(operation.op_type, list(inputs), types, attrs=operation.op.node_def.attr).outputs[0]


def _channels_last(operation: Any) -> bool:
    return bool(operation.get_attr("data_format") == b"NHWC")


@cache
def grouped_convolutions(dtype: tf.DType) -> bool:
    """Return whether TensorFlow can do a convolution in groups here, and its gradients: on a processor, only oneDNN's can.

    Tried on images of two settings, of zeros and ones so that nothing is rounded: it must give what the two give apart.
    """
    with tf.init_scope():
        images, filters = (tf.cast(tf.reshape(tf.range(2 * count), shape) % 3 == 0, dtype) for count, shape in TRIED)
        try:
            together, apart = (_convolution_and_gradients(images, filters, tf.reverse(images, [1]), parts) for parts in (1, 2))
        except tf.errors.OpError:
            return False
        return all(np.array_equal(one, other) for one, other in zip(together, apart, strict=True))


TRIED = ((32, (1, 4, 4, 4)), (36, (3, 3, 2, 4)))
"""Half the elements and the shape of images and of filters, of two settings."""


@tf.function(autograph=False)  # type: ignore[untyped-decorator]
def _convolution_and_gradients(images: Tensor, filters: Tensor, upstream: Tensor, parts: int) -> list[Tensor]:
    """Return a convolution of two settings, done in `parts`, and its gradients, of which no tape need know."""
    how: Any = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    found = [
        (
            tf.raw_ops.Conv2D(input=image, filter=own, **how),
            tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(image), filter=own, out_backprop=up, **how),
            tf.raw_ops.Conv2DBackpropFilter(input=image, filter_sizes=tf.shape(own), out_backprop=up, **how),
        )
        for image, own, up in zip(*(tf.split(each, parts, axis=-1) for each in (images, filters, upstream)), strict=True)
    ]
    return [tf.concat(each, axis=-1) for each in zip(*found, strict=True)]
