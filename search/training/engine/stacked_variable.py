"""Variables of K settings at once, and what must be known of a model to stack it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.engine.cost import depending, stateful_operations
from search.training.engine.strategies import Strategy
from search.training.problem.batch import Tensor
from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem
from search.training.problem.setting_inputs import SettingInputs, equal_knobs
from search.training.problem.step import weighted_step


class GradientLayout(NamedTuple):
    """What a training step does to a network's variables, by their places.

    `changing`: the state that it changes (statistics, random seeds), or that measuring draws by; all other state is frozen.
    `alike`: the part of it that no trained variable moves, so that settings of one seed, which see the same rows, always have it in
    common: seeds, statistics of inputs. `assigned`: the trainable variables that a layer assigns in its call, so that the optimizer
    goes on from what was assigned. `by_rows`: the trainable variables whose gradient comes as rows (`tf.IndexedSlices`, of an
    Embedding): Keras's optimizers treat a row that occurs twice as two, so the rows must reach them as they are. `apart`: gradients
    must be taken setting by setting, because some are by rows, or because the graph has a gradient of its own (`custom_gradient`,
    as for gradient reversal), which `tf.vectorized_map` drops in silence.
    """

    changing: tuple[int, ...]
    alike: frozenset[int]
    assigned: tuple[int, ...]
    by_rows: frozenset[int]
    apart: bool

    def split(self, state: Sequence[Any]) -> list[Any]:
        """Return the changing part of a network's state."""
        return [state[place] for place in self.changing]

    def merged(self, changing: Sequence[Any], state: Sequence[Any]) -> list[Any]:
        """Return a network's state with its changing part replaced."""
        merged = list(state)
        for place, value in zip(self.changing, changing, strict=True):
            merged[place] = value
        return merged


_known: WeakKeyDictionary[TrainingProblem, GradientLayout] = WeakKeyDictionary()


def form_of(problem: TrainingProblem, network: Network) -> GradientLayout:
    """Find out, once a problem, by doing one step's forward and backward pass on a few rows; all its networks are of one form."""
    if problem not in _known:
        _known[problem] = _found_form(problem, network)
    return _known[problem]


def _found_form(problem: TrainingProblem, network: Network) -> GradientLayout:
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
    knobs = equal_knobs(1, len(problem.terms), [*problem.usual.values()]).of(0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trainable)
        step = weighted_step(problem, network, problem.example_rows(), trainable, state, knobs)
    gradients = tape.gradient(step.total, trainable)
    changing, assigned = {*_changed(state, step.state), *_drawn(problem, network, values)}, _changed(trainable, step.trainable)
    by_rows = frozenset(place for place, gradient in enumerate(gradients) if isinstance(gradient, tf.IndexedSlices))
    changed = tuple(sorted(changing))
    graph = _step_graph(problem, network, values, knobs)
    alike = _alike(graph, len(trainable), changed)
    return GradientLayout(changed, alike, assigned, by_rows, bool(by_rows) or _has_own_gradients(graph))


def _changed(before: Sequence[Tensor], after: Sequence[Tensor]) -> tuple[int, ...]:
    return tuple(place for place, pair in enumerate(zip(before, after, strict=True)) if pair[0] is not pair[1])


def _drawn(problem: TrainingProblem, network: Network, values: Sequence[Tensor]) -> tuple[int, ...]:
    """Return the state that measuring draws by, which is other under another seed; it stays as it is."""
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
    return _changed(state, network(trainable, state, problem.example_rows().inputs, training=False).state)


def _step_graph(problem: TrainingProblem, network: Network, values: Sequence[Tensor], knobs: SettingInputs) -> Any:
    """Return the graph of a training step's forward pass: from the network's variables to (the total, the state after it)."""

    def forward(values: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
        step = weighted_step(problem, network, problem.example_rows(), trainable, state, knobs)
        return step.total, step.state

    return tf.function(forward, autograph=False).get_concrete_function(list(values)).graph


def _alike(graph: Any, trained: int, changing: Sequence[int]) -> frozenset[int]:
    """Return the places of the changing state that depends on nothing trained, nor on what the graph draws or remembers itself."""
    before, after = graph.inputs[trained:], graph.outputs[1:]
    sources = [*(tensor.op.name for tensor in graph.inputs[:trained]), *stateful_operations(graph)]
    alike = frozenset(changing)
    while True:
        own = depending(graph, [*sources, *(before[place].op.name for place in changing if place not in alike)])
        left = frozenset(place for place in alike if after[place].op.name not in own)
        if left == alike:
            return alike
        alike = left


def _has_own_gradients(graph: Any) -> bool:
    """Return whether an operation of the training step's graph has another gradient than its kind's."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return any("_gradient_op_type" in node.attr for node in nodes)


class Stacked:
    """One variable of a network, K times: [K, ...]; [K * rows, ...] under `by_rows`, which is the same in memory.

    Where the strategy does not stack, or all settings have it in common (`alike`), it is the variable as it is.
    """

    def __init__(self, own: Any, strategy: Strategy, size: int, *, by_rows: bool = False, alike: bool = False) -> None:
        self._shape = tuple(own.shape)
        self._stacks, self._size, self.by_rows = strategy.stacks and not alike, size, by_rows and strategy.stacks
        self.alike = alike
        self.variable = keras.Variable(self._joined([own.numpy()] * size), dtype=own.dtype, trainable=own.trainable, name=own.name)

    def _joined(self, values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        if not self._stacks:
            return values[0]
        return np.concatenate(values) if self.by_rows else np.stack(values)

    def assign(self, values: Sequence[NDArray[Any]]) -> None:
        """Set the value of every setting."""
        self.variable.assign(self._joined(values))

    def update(self, values: Tensor) -> None:
        """Set what a strategy returned, [K, ...], in the graph."""
        self.variable.assign(values[0] if self.alike else tf.reshape(values, tuple(self.variable.shape)))

    def value(self) -> Tensor:
        """Return the values as a strategy takes them: [K, ...], or the only ones."""
        value = tf.convert_to_tensor(self.variable.value)
        return tf.reshape(value, (self._size, *self._shape)) if self.by_rows else value

    def at(self, place: int) -> NDArray[Any]:
        """Return the value of the setting at `place`."""
        value: NDArray[Any] = self.variable.numpy()
        return value.reshape((self._size, *self._shape))[place] if self._stacks else value

    def finite(self) -> Tensor:
        """Return whose values are all finite: [K]."""
        return tf.reduce_all(tf.reshape(tf.math.is_finite(self.variable.value), [self._size, -1]), axis=1)

    def gradient(self, parts: Any) -> Any:
        """Return the settings' gradients as the optimizer takes them; `parts` is what `gradient_parts` gave, stacked [K, ...]."""
        if not isinstance(parts, tuple):
            return parts
        values, rows = parts
        shift = tf.range(self._size, dtype=rows.dtype)[:, tf.newaxis] * self._shape[0]
        flat = tf.reshape(values, tf.concat([[-1], tf.shape(values)[2:]], 0))
        return tf.IndexedSlices(flat, tf.reshape(rows + shift, [-1]), tf.constant(tuple(self.variable.shape), rows.dtype))


def gradient_parts(gradient: Any, variable: Stacked) -> Any:
    """Return one setting's gradient as tensors that can be stacked: itself, or (values, rows) of a gradient by rows."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return (gradient.values, gradient.indices) if variable.by_rows else tf.convert_to_tensor(gradient)
