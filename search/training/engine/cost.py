"""What one setting's training step costs: operations and bytes, read off the graph of one batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops as tf_ops

from search.training.problem.problem import TrainingProblem
from search.training.problem.step import training_batch

COUNTED = ("MatMul", "BatchMatMulV2", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "Einsum")
CONVOLUTIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative")
PACKED = "Conv2D"
"""The convolution that runs as one operation over all settings, each with filters of its own; see `packed_images`."""

WORTH_SHARING = 2e8
"""Floating-point operations of a forward step that are worth more than one core."""

REMEMBERS_NOTHING = ("Placeholder", "VarHandleOp", "ReadVariableOp")
"""Operations that TensorFlow counts as stateful, whose result is the same for all settings and in every step."""


@dataclass(frozen=True)
class Cost:
    """A forward step of one setting.

    `trained_flops`: floating-point operations with operands that differ between settings; `shared_flops`: those of the frozen part,
    done once for all. `own_convolutions`: some convolution has filters of its own per setting; `packs`: all of these are of a kind
    that is one operation over all settings. `bytes_a_setting`: variables, optimizer slots, gradients and activations.
    `shared_bytes`: the batch's rows, and all that the frozen part makes of them. `sharded_flops`: those of the frozen part that
    run on parts of the rows beside each other; see `sharded_layers`.
    """

    trained_flops: float
    shared_flops: float
    own_convolutions: bool
    bytes_a_setting: int
    shared_bytes: int = 0
    packs: bool = True
    sharded_flops: float = 0.0

    @property
    def seconds_a_step(self) -> float:
        """Estimate a training step of one setting in a stack: forward and backward at 20 Gflop/s, and its share of the overhead."""
        return 5e-5 + 3 * self.trained_flops / 2e10

    def __str__(self) -> str:
        shared = f", {self.shared_flops / 1e6:.3g} more shared" if self.shared_flops else ""
        return f"{self.trained_flops / 1e6:.3g} Mflop forward{shared}, {self.bytes_a_setting / 2**20:.3g} MiB a setting"


SLOTS = 3
"""Copies of the trained variables beside themselves: the gradient, and the two slots of Adam."""


_known: WeakKeyDictionary[TrainingProblem, Cost] = WeakKeyDictionary()


def cost_of(problem: TrainingProblem) -> Cost:
    """Trace one training batch, once a problem, and add up what its graph says."""
    if problem not in _known:
        _known[problem] = _traced(problem)
    return _known[problem]


def _traced(problem: TrainingProblem) -> Cost:
    network = problem.opened.example
    rows = problem.example_rows(problem.batch_size)
    trained = [tf.TensorSpec(variable.shape, variable.dtype) for variable in network.trainable]

    def forward(trainable: list[Any]) -> Any:
        state = [tf.convert_to_tensor(variable.value) for variable in network.state]
        return dict(training_batch(problem, network, rows, trainable, state)[0].outputs)

    graph = tf.function(forward, autograph=False).get_concrete_function(trained).graph
    own = depending(graph, [tensor.op.name for tensor in graph.inputs[: len(trained)]])
    flops = {True: 0.0, False: 0.0}
    convolutions: list[bool] = []
    activations = shared = 0
    for operation in graph.get_operations():
        flops[operation.name in own] += flops_of(graph, operation)
        if operation.type in CONVOLUTIONS and operation.inputs[1].op.name in own:
            convolutions.append(is_packed(operation))
        size = sum(_bytes(output) for output in operation.outputs)
        if operation.name in own:
            activations += size
        else:
            shared += size
    variables = sum(_variable_bytes(variable) for variable in network.trainable)
    of_setting = variables * (1 + SLOTS) + 2 * activations
    return Cost(flops[True], flops[False], bool(convolutions), of_setting, shared, packs=all(convolutions))


def is_packed(operation: Any) -> bool:
    """Return whether a convolution runs as one over all settings: of images [batch, height, width, channels] of known sizes."""
    if operation.type != PACKED or operation.get_attr("data_format") != b"NHWC":
        return False
    images, filters = (each.shape for each in operation.inputs)
    return all(shape.is_fully_defined() for shape in (images[1:], filters, operation.outputs[0].shape[1:]))


def depending(graph: Any, sources: list[str]) -> set[str]:
    """Return the names of all operations that depend on `sources`, those included."""
    found = set(sources)
    for operation in graph.get_operations():  # in the order of creation: inputs come first
        if any(value.op.name in found for value in operation.inputs):
            found.add(operation.name)
    return found


def needed_for(tensors: Iterable[Any]) -> dict[str, Any]:
    """Return all operations that some tensors of a graph depend on, by name."""
    found, left = {}, [tensor.op for tensor in tensors]
    while left:
        operation = left.pop()
        if operation.name not in found:
            found[operation.name] = operation
            left += [value.op for value in operation.inputs]
    return found


def stateful_operations(graph: Any) -> list[str]:
    """Return the names of the operations whose result may be another each time: what draws or remembers."""
    return [each.name for each in graph.get_operations() if each.op_def.is_stateful and each.type not in REMEMBERS_NOTHING]


def flops_of(graph: Any, operation: Any) -> float:
    """Return the floating-point operations of a product or a convolution, 0 of anything else."""
    if operation.type not in COUNTED:
        return 0.0
    try:
        value = tf_ops.get_stats_for_node_def(graph, operation.node_def, "flops").value
    except ValueError:
        value = None
    return float(value or 0)


def _bytes(tensor: Any) -> int:
    elements = tensor.shape.num_elements()
    return int(elements * tensor.dtype.size) if elements and tensor.dtype.is_floating else 0


def _variable_bytes(variable: Any) -> int:
    return int(np.prod(variable.shape) * tf.as_dtype(keras.backend.standardize_dtype(variable.dtype)).size)
