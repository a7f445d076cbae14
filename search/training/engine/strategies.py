"""How one function of one setting becomes a function of K settings. Which way is quickest depends on the model's operations.

vectorized: `tf.vectorized_map` turns every operation into one over all K, so K small models cost little more than one; an operation
that it cannot turn (a convolution of volumes with filters of its own per setting) runs K times in a loop.
unrolled: K copies of the function stand side by side in one graph.
vectorized_parts: parts of the settings, one a core, are vectorized and stand side by side: for large convolutions, which take less
as one operation over several settings, but would have only one core.
serial: K = 1 and no axis at all, for models that are bound by computation, and for optimizers that are not elementwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import tensorflow as tf

import search.training.engine.conversions  # noqa: F401 - registers how `tf.vectorized_map` turns some operations
from search.processes import cores

Nest = Any
"""A structure of tensors: tuples, lists and dicts."""


class Strategy(Protocol):
    """One way to do the same with K settings."""

    name: str
    stacks: bool  # values have a first axis of K settings; False: K is 1 and they have none
    cost_of_a_place: float  # how a step's time grows with K: 0 not at all, 1 in proportion

    def over(self, function: Callable[[Nest], Nest], values: Nest, size: int) -> Nest:
        """Return function(values of setting k) for every k, stacked on a new first axis [K, ...]."""


class Vectorized:
    """See `vectorized` above."""

    name = "vectorized"
    stacks = True
    cost_of_a_place = 0.5

    def over(self, function: Callable[[Nest], Nest], values: Nest, size: int) -> Nest:
        return tf.vectorized_map(function, values, fallback_to_while_loop=True)


class VectorizedParts:
    """See `vectorized_parts` above; each part has two settings or more."""

    name = "vectorized_parts"
    stacks = True
    cost_of_a_place = 1.0

    def over(self, function: Callable[[Nest], Nest], values: Nest, size: int) -> Nest:
        count = max(1, min(cores(), size // 2))
        sizes = [size // count + (part < size % count) for part in range(count)]
        taken = [tf.split(value, sizes) for value in tf.nest.flatten(values)]
        parts = [tf.nest.pack_sequence_as(values, [value[part] for value in taken]) for part in range(count)]
        apart = [tf.vectorized_map(function, part, fallback_to_while_loop=True) for part in parts]
        return tf.nest.map_structure(lambda *results: tf.concat(results, axis=0), *apart)


class Unrolled:
    """See `unrolled` above."""

    name = "unrolled"
    stacks = True
    cost_of_a_place = 1.0

    def over(self, function: Callable[[Nest], Nest], values: Nest, size: int) -> Nest:
        taken = [tf.unstack(value, num=size) for value in tf.nest.flatten(values)]
        apart = [function(tf.nest.pack_sequence_as(values, [value[k] for value in taken])) for k in range(size)]
        return tf.nest.map_structure(lambda *results: tf.stack(results), *apart)


class Serial:
    """See `serial` above."""

    name = "serial"
    stacks = False
    cost_of_a_place = 1.0

    def over(self, function: Callable[[Nest], Nest], values: Nest, size: int) -> Nest:
        return tf.nest.map_structure(lambda result: tf.expand_dims(result, 0), function(values))


STRATEGIES: Mapping[str, Strategy] = {each.name: each for each in (Vectorized(), VectorizedParts(), Unrolled(), Serial())}


def stack_size(count: int, limit: int, strategy: Strategy, *, convolves: bool = False) -> int:
    """Return how large a stack `count` settings get, at most `limit`: a power of two, so that few sizes are ever traced.

    Where free places cost little (vectorized) it is the limit, a half or an eighth of it, since each size is a trace; a quarter too
    where each setting convolves with filters of its own, for there a step of 8 takes half as long again as one of 4. It depends on
    nothing else, so that the same cohort always has the same bits.
    """
    fitting = 1 << (count - 1).bit_length()
    if strategy.cost_of_a_place < 1 and fitting > max(1, limit // 8):
        fitting = max(fitting, limit // (4 if convolves else 2))
    elif strategy.cost_of_a_place < 1:
        fitting = max(1, limit // 8)
    return min(limit, fitting)
