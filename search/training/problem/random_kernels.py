"""Random numbers that come from a state outside of a model, and seeds that are set without making kernels anew.

Keras draws by seeds that are tensors. Kernels of TensorFlow's own (`tf.random`) draw by a state of theirs: it begins anew when
`tf.random.set_seed` drops all kernels of the process. With them go all compiled graphs: each takes a tenth of a second or two at
its next call. Python and NumPy draw by a state of the process.
"""

from __future__ import annotations

import pickle
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import numpy as np
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks, op_def_registry

DRAWS_BY = "seed2"
"""The attribute that every operation whose kernel keeps a generator has, beside `seed`."""

NO_DRAWS = ("CudnnRNN", "ComputeAccidentalHits", "SnapshotDataset")
"""How the names of operations begin that have the attribute and draw nothing; cuDNN's draw what they drop: in Keras, nothing."""

OF_GENERATORS = ("Rng", "StatefulRandom", "StatefulStandard", "StatefulTruncated", "StatefulUniform", "NonDeterministic")
"""How the names of operations begin that draw by a `tf.random.Generator`, or by nothing that could be set."""

RUNS_ELSEWHERE = ("EagerPyFunc", "PyFunc", "PyFuncStateless", "IteratorGetNext", "IteratorGetNextSync", "MakeIterator")
"""Operations whose Python may run one that draws, in another thread too: those of a `tf.data.Dataset` among them."""


ASSIGNS = re.compile(r"Assign(Add|Sub)?VariableOp|Resource(Scatter|StridedSliceAssign).*")
"""The operations that change a variable of TensorFlow's."""


@cache
def draws(operation: str) -> bool:
    """Return whether an operation draws by a state that is neither a variable of Keras's nor a seed that it is given."""
    known = op_def_registry.get(operation)
    by_kernel = known is not None and any(attribute.name == DRAWS_BY for attribute in known.attr)
    return (by_kernel and not operation.startswith(NO_DRAWS)) or operation.startswith(OF_GENERATORS)


def within(operation: str) -> set[str]:
    """Return an operation's kind; that of a function with those of all operations in it, and in the functions that it calls."""
    eager = context.context()
    found, left = {operation}, [operation]
    while left:
        name = left.pop()
        if op_def_registry.get(name) is not None or not eager.has_function(name):
            continue
        nodes = eager.get_function_def(name).node_def
        kinds = {node.op for node in nodes}
        for value in (value for node in nodes for value in node.attr.values()):
            kinds |= {function.name for function in (value.func, *value.list.func) if function.name}
        left += kinds - found
        found |= kinds
    return found


def may_draw(operation: str) -> bool:
    """Return whether an operation draws so, or runs what may; True of one that is not known, such as a function."""
    return operation in RUNS_ELSEWHERE or op_def_registry.get(operation) is None or draws(operation)


def drawing_operations(graph: Any) -> set[str]:
    """Return the kinds of the operations of a graph that draw so, those of functions in it too."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return {node.op for node in nodes if draws(node.op)}


@contextmanager
def watching(note: Callable[[str], None]) -> Iterator[None]:
    """Tell `note` the kind of each operation that this thread runs, or puts into a graph. Those of other threads are missed."""

    def call(operation: str | bytes, inputs: Any, attributes: Any, outputs: Any, *_: Any, **__: Any) -> Any:
        note(operation.decode() if isinstance(operation, bytes) else operation)
        return outputs  # as they are, to the next callback

    op_callbacks.add_op_callback(call)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(call)


def states() -> dict[str, Any]:
    """Return what Python, NumPy and TensorFlow draw by in this process, in every thread: by how it is told, to be compared."""
    eager = getattr(context.context(), "_rng", None)  # which the first seed makes
    return {
        "Python's random": random.getstate(),
        "np.random": pickle.dumps(np.random.get_state(legacy=False)),
        "tf.random": eager and eager.getstate(),
    }


def seeds_taken(seed: int) -> bool:
    """Return whether an operation has taken a seed of TensorFlow's, in any thread, or another was set, since `seed` was set."""
    return bool(context.context()._rng.getstate() != random.Random(seed).getstate())


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
