"""What each layer of a model does when the model is called: its operations in a graph, and whether its rows stand alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.problem.batch import Tensor, Tensors
from search.training.problem.keras_private import layers_of, logits_of, mask_of, wrapped_calls
from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem

TOLERANCE = {tf.float64: 1e-10}
"""How far a row's outputs may lie apart in other company, of the greatest: another order of summation, and no more."""

COARSE = 1e-4
"""The tolerance of all other types of numbers."""


class LayerCall(NamedTuple):
    """What one call of a layer did: what it was given, its output, and the operations made from `first` to before `stop`."""

    given: Sequence[Any]
    named: Mapping[str, Any]
    output: Any
    first: int
    stop: int

    @property
    def bare(self) -> bool:
        """Whether the output bears nothing yet, neither a mask nor logits.

        Keras sets a layer's own mask after its call; what inner layers put on their output is lost where the call is not made.
        """
        return is_bare(self.output)


@contextmanager
def recorded_calls(network: Network) -> Iterator[dict[int, list[LayerCall]]]:
    """Yield a dict that gets the calls of all layers but the model itself, by place, of what is traced inside."""
    calls: dict[int, list[LayerCall]] = {}

    def record(place: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*given: Any, **named: Any) -> Any:
            first = _operations_made()
            output = call(*given, **named)
            calls.setdefault(place, []).append(LayerCall(given, named, output, first, _operations_made()))
            return output

        return recorded

    with wrapped_calls({place: layer for place, layer in enumerate(layers_of(network.model)) if place}, record):
        yield calls


def _operations_made() -> int:
    return len(tf.compat.v1.get_default_graph().get_operations())


def is_bare(value: Any) -> bool:
    """Return whether a tensor bears neither a mask nor logits."""
    return mask_of(value) is None and logits_of(value) is None


def holds_rows(graph: Any, value: Any, size: int) -> bool:
    """Return whether something is a tensor of the graph, of known shape [size, ...]."""
    if not tf.is_symbolic_tensor(value) or value.graph is not graph:
        return False
    return bool(value.shape.is_fully_defined() and value.shape[:1] == (size,))


def tried_rows(problem: TrainingProblem) -> Tensors:
    """Return a batch of inputs from all over the training rows, [batch, ...] by name: the first ones may all be equal."""
    count = problem.count("train")
    places = np.linspace(0, count - 1, min(problem.batch_size, count)).astype(np.int32)
    return problem.chosen("train", places).inputs


def mixed_order(count: int) -> NDArray[Any]:
    """Return an order of rows in which each has other neighbours; turned about, pairs would stay pairs."""
    return np.random.default_rng(0).permutation(count)


def alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors [rows, ..., channels] are equal but for the order of summation.

    Each channel is held against its own greatest number, so that one of large numbers does not hide what differs in small ones; and
    against that of the middle channel at least, for what is left of numbers that nearly cancel out is rounded like these.
    """
    apart, greatest = (_greatest(each) for each in (one - other, one))
    return bool(np.all(apart <= TOLERANCE.get(one.dtype, COARSE) * np.maximum(greatest, np.median(greatest))))


def _greatest(values: Tensor) -> NDArray[Any]:
    """Return the greatest magnitude in each channel: [channels], or a scalar of values [rows]."""
    magnitudes: NDArray[Any] = tf.cast(tf.abs(values), tf.float64).numpy()
    greatest: NDArray[Any] = magnitudes.max(axis=tuple(range(max(1, magnitudes.ndim - 1))))
    return greatest
