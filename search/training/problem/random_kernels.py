"""Random numbers that TensorFlow's kernels draw by a state of their own, and seeds that are set without making kernels anew.

`tf.random.set_seed` drops all kernels of the process, so that those which draw begin anew. With them go all compiled graphs: each
takes a tenth of a second or two at its next call. Keras draws by seeds that are tensors, so hardly any model has such a kernel.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks, op_def_registry

DRAWS_BY = "seed2"
"""The attribute that every operation whose kernel keeps a generator has, beside `seed`."""

RUNS_PYTHON = ("EagerPyFunc", "PyFunc", "PyFuncStateless")
"""Operations whose Python may run one that draws."""


@cache
def _known_to_draw(operation: str) -> bool:
    return operation in RUNS_PYTHON or any(attribute.name == DRAWS_BY for attribute in op_def_registry.get(operation).attr)


def draws(operation: str) -> bool:
    """Return whether an operation's kernel draws by a state of its own; True of one that is not known, such as a function."""
    return op_def_registry.get(operation) is None or _known_to_draw(operation)


def graph_draws(graph: Any) -> bool:
    """Return whether an operation of a graph draws so, or one of a function in it."""
    definition = graph.as_graph_def()
    functions = {function.signature.name: function.node_def for function in definition.library.function}
    kinds = {node.op for node in (*definition.node, *(node for within in functions.values() for node in within))}
    return any(draws(kind) for kind in kinds - functions.keys())


@contextmanager
def watched() -> Iterator[list[str]]:
    """Note the operations that draw so, of those that this thread runs, or puts into a graph. Those of other threads are missed."""
    drawn: list[str] = []

    def note(operation: str, inputs: Any, attributes: Any, outputs: Any, *_: Any, **__: Any) -> Any:
        if draws(operation):
            drawn.append(operation)
        return outputs  # as they are, to the next callback

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
