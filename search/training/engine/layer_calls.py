"""What each layer of a model does when the model is called: its operations in a graph, and whether its rows stand alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import tensorflow as tf

from search.training.problem.batch import Tensor
from search.training.problem.keras_private import layers_of, logits_of, mask_of, wrapped_calls
from search.training.problem.network import Network

TOLERANCE = 1e-4
"""How far a row's outputs may lie apart in other company, of the greatest: another order of summation, and no more."""


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


def alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are equal but for the order of summation."""
    apart, greatest = (float(tf.reduce_max(tf.abs(each))) for each in (one - other, one))
    return apart <= TOLERANCE * greatest
