"""Random numbers that TensorFlow's kernels draw by a state of their own, and seeds that are set without making kernels anew.

`tf.random.set_seed` drops all kernels of the process, so that those which draw begin anew. With them go all compiled graphs: each
takes a tenth of a second or two at its next call. Keras draws by seeds that are tensors, so hardly any model has such a kernel.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import keras
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks, op_def_registry

DRAWS_BY = "seed2"
"""What every operation whose kernel keeps a generator is given, beside `seed`."""


@lru_cache(None)
def draws(operation: str) -> bool:
    """Return whether an operation's kernel draws by a state of its own; True of one that is not known, such as a function."""
    known = op_def_registry.get(operation)
    return known is None or any(attribute.name == DRAWS_BY for attribute in known.attr)


def graph_draws(graph: Any) -> bool:
    """Return whether an operation of a graph draws so, or one of a function in it."""
    definition = graph.as_graph_def()
    functions = {function.signature.name: function.node_def for function in definition.library.function}
    nodes = [*definition.node, *(node for within in functions.values() for node in within)]
    return any(draws(node.op) for node in nodes if node.op not in functions)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note the operations that draw so, of those that this thread runs, or puts into a graph."""
    drawn: list[str] = []

    def note(operation: str, *_: Any, **__: Any) -> None:
        if draws(operation):
            drawn.append(operation)

    op_callbacks.add_op_callback(note)
    try:
        yield drawn
    finally:
        op_callbacks.remove_op_callback(note)


def set_seed_of_no_kernel(seed: int) -> None:
    """Do as `keras.utils.set_random_seed` does, but leave all kernels as they are: those that draw go on where they were."""
    eager = context.context()

    def set_seed(seed: int) -> None:
        eager._seed, eager._rng = seed, random.Random(seed)

    eager._set_global_seed = set_seed
    try:
        keras.utils.set_random_seed(seed)
    finally:
        del eager._set_global_seed
