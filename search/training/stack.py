"""K copies of a model in one graph: what changes in training is stacked on a first axis, what is frozen is shared.

The settings share nothing that changes, so the gradient of the sum of their K losses is each one's own gradient, and an elementwise
optimizer on the stacked variables trains each as if it were alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from search.catalog import find_optimizer
from search.training.batch import Batch, Tensor, Tensors, mask_of
from search.training.network import Network, Passed
from search.training.opened import DeviceRows
from search.training.optimizers import made_optimizer
from search.training.problem import Problem
from search.training.step import measured_batch, weighted_step
from search.training.strategies import Strategy, joined

Arrays = Sequence[NDArray[Any]]


class Changing(NamedTuple):
    """Which of a network's state variables change in training (statistics, random seeds); the others are frozen."""

    places: tuple[int, ...]

    def split(self, state: Sequence[Any]) -> list[Any]:
        return [state[place] for place in self.places]

    def merged(self, changing: Sequence[Tensor], frozen: Sequence[Any]) -> list[Any]:
        merged = list(frozen)
        for place, value in zip(self.places, changing, strict=True):
            merged[place] = value
        return merged


def changing_state(problem: Problem, network: Network) -> Changing:
    """Find out which state a training step changes, by doing one on a few rows."""
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
    weights = tf.ones(len(problem.terms), keras.config.floatx())
    after = weighted_step(problem, network, problem.opened.example_rows(), trainable, state, weights).state
    return Changing(tuple(place for place, (one, other) in enumerate(zip(state, after, strict=True)) if one is not other))


class Stack:
    """`size` settings' variables, their optimizer, and the two graphs that train and measure them all.

    The network gives the graph its form and holds what is frozen; its own trainable variables are not used.
    """

    def __init__(self, problem: Problem, network: Network, changing: Changing, strategy: Strategy, size: int) -> None:
        self._problem, self._network, self._changing, self._strategy = problem, network, changing, strategy
        self.size = size
        self.trainable = [self._variable(variable) for variable in network.trainable]
        self.state = [self._variable(variable) for variable in changing.split(network.state)]
        self._clip, self.optimizer = _optimizer(problem, strategy)
        self.optimizer.build(self.trainable)
        self._optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        example, _ = measured_batch(problem, network, problem.opened.example_rows(), *self._own_values())
        self._counters = [[metric.make(example) for _ in range(size)] for metric in problem.counted_metrics]
        self.train = tf.function(self._train, autograph=False)
        self.measure = tf.function(self._measure, autograph=False, input_signature=self._measure_signature())

    def _variable(self, variable: Any) -> Any:
        value = joined(self._strategy, [variable.numpy()] * self.size)
        return keras.Variable(value, dtype=variable.dtype, trainable=variable.trainable, name=variable.name)

    def _own_values(self) -> tuple[list[Tensor], list[Tensor]]:
        network = self._network
        return [tf.convert_to_tensor(v.value) for v in network.trainable], [tf.convert_to_tensor(v.value) for v in network.state]

    def begin(self, starts: Sequence[Arrays]) -> None:
        """Set all variables to where each setting begins: for each, the values of the network's variables, in their order."""
        trained = len(self._network.trainable)
        for place, variable in enumerate(self.trainable):
            variable.assign(joined(self._strategy, [start[place] for start in starts]))
        for place, variable in zip(self._changing.places, self.state, strict=True):
            variable.assign(joined(self._strategy, [start[trained + place] for start in starts]))
        for variable, value in zip(self._network.state, starts[0][trained:], strict=True):
            variable.assign(value)  # what is frozen; settings of one seed share it
        for variable, value in zip(self.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)

    def take_over(self, other: Stack, places: Sequence[int]) -> None:
        """Go on where the settings at `places` of another stack are; what is left of this one repeats the last of them."""
        chosen = [*places, *[places[-1]] * (self.size - len(places))]
        mine = [*self.trainable, *self.state, *self.optimizer.variables]
        theirs = [*other.trainable, *other.state, *other.optimizer.variables]
        for variable, source in zip(mine, theirs, strict=True):
            stacked = tuple(variable.shape) != tuple(source.shape)
            variable.assign(ops.take(source.value, chosen, axis=0) if stacked else source.value)

    def reset_counters(self) -> None:
        for counter in (counter for counters in self._counters for counter in counters):
            counter.reset_state()

    def counted(self) -> dict[str, list[float]]:
        """Return the counting metrics' values since the last reset, by path, one a setting."""
        return {
            metric.path: [float(np.asarray(counter.result()).reshape(())) for counter in counters]
            for metric, counters in zip(self._problem.counted_metrics, self._counters, strict=True)
        }

    # Training, in the graph

    def _train(
        self, weights: Tensor, order: Tensor, extra: Tensors, first: Tensor, stop: Tensor, sums: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Train steps `first` to `stop`; return the sums of term * rows [K, terms], and whose weights are all finite [K].

        `weights` is [K, terms], `order` the order of the training rows, `sums` what was summed before.
        """
        rows = self._problem.rows("train")

        def body(step: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
            taken = self._problem.slice(rows, order, step, extra)
            return step + 1, sums + tf.cast(self._train_step(taken, weights), tf.float64) * _row_count(taken)

        _, sums = tf.while_loop(lambda step, _: step < stop, body, (first, sums))
        return sums, self._finite()

    def _train_step(self, rows: DeviceRows, weights: Tensor) -> Tensor:
        """Do one step of all settings: forward, one gradient of the sum of their totals, the optimizer. Returns [K, terms]."""

        def one(values: tuple[list[Tensor], list[Tensor], Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
            trainable, changing, own_weights = values
            step = weighted_step(self._problem, self._network, rows, trainable, self._merged(changing), own_weights)
            return step.total, step.terms, self._changing.split(step.state)

        trainable = [tf.convert_to_tensor(variable.value) for variable in self.trainable]
        changing = [tf.convert_to_tensor(variable.value) for variable in self.state]
        own_weights = weights if self._strategy.stacks else weights[0]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            totals, terms, after = self._strategy.over(one, (trainable, changing, own_weights), self.size)
            total = tf.reduce_sum(totals)
        gradients = [None if each is None else tf.convert_to_tensor(each) for each in tape.gradient(total, trainable)]
        self.optimizer.apply(self._clip(gradients), self.trainable)
        for variable, value in zip(self.state, after, strict=True):
            variable.assign(value if self._strategy.stacks else value[0])
        return terms

    def _merged(self, changing: Sequence[Tensor]) -> list[Tensor]:
        return self._changing.merged(changing, [tf.convert_to_tensor(variable.value) for variable in self._network.state])

    def _finite(self) -> Tensor:
        """Return which settings' weights are all finite: [K]."""
        each = [
            tf.reduce_all(tf.reshape(tf.math.is_finite(variable.value), [self.size, -1]), axis=1) for variable in self.trainable
        ]
        return tf.reduce_all(tf.stack(each), axis=0)

    # Measuring, in the graph

    def _measure(
        self, rows: tuple[Tensors, ...], order: Tensor, extra: Tensors, first: Tensor, stop: Tensor, sums: Tensor
    ) -> Tensor:
        """Measure batches `first` to `stop`: sums [K, terms + 2 * row metrics] of term * rows, then of each metric's values and weights."""

        def body(step: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
            taken = self._problem.slice(DeviceRows(*rows), order, step, extra)
            return step + 1, sums + self._measured(taken)

        return tf.while_loop(lambda step, _: step < stop, body, (first, sums))[1]

    def _measured(self, rows: DeviceRows) -> Tensor:
        """Measure one batch of all settings: terms and the workload's own metrics inside the map, all other metrics on its outputs."""
        own = [metric for metric in self._problem.row_metrics if not metric.of_rows]

        def one(values: tuple[list[Tensor], list[Tensor]]) -> tuple[Tensor, list[Tensor], Tensors, Tensors]:
            batch, terms = measured_batch(self._problem, self._network, rows, values[0], self._merged(values[1]))
            masks = {name: mask for name, output in batch.outputs.items() if (mask := mask_of(output)) is not None}
            return terms, [_sums(metric.measure(batch), 1) for metric in own], dict(batch.outputs), masks

        trainable = [tf.convert_to_tensor(variable.value) for variable in self.trainable]
        changing = [tf.convert_to_tensor(variable.value) for variable in self.state]
        terms, own_sums, outputs, masks = self._strategy.over(one, (trainable, changing), self.size)
        self._count(rows, outputs, masks)
        side_by_side = self._side_by_side(rows, outputs, masks)
        sums = [tf.cast(terms, tf.float64) * _row_count(rows)]
        of_own = iter(own_sums)
        for metric in self._problem.row_metrics:
            of_rows = metric.of_rows
            sums.append(_sums(metric.measure(side_by_side), self.size) if of_rows else tf.reshape(next(of_own), [self.size, 2]))
        return tf.concat(sums, axis=1)

    def _count(self, rows: DeviceRows, outputs: Tensors, masks: Tensors) -> None:
        for metric, counters in zip(self._problem.counted_metrics, self._counters, strict=True):
            for k, counter in enumerate(counters):
                chosen = {name: output[k] for name, output in outputs.items()}
                batch = self._batch_of(rows, chosen, {name: mask[k] for name, mask in masks.items()})
                counter.update_state(*metric.arguments(batch))

    def _side_by_side(self, rows: DeviceRows, outputs: Tensors, masks: Tensors) -> Batch:
        """Return one batch of all settings' rows, one setting after another: [K * batch, ...]."""
        inputs, targets, weights = (_repeated(part, self.size) for part in rows[:3])
        repeated = DeviceRows(inputs, targets, weights, rows.extra)
        return self._batch_of(repeated, _flattened(outputs), _flattened(masks))

    def _batch_of(self, rows: DeviceRows, outputs: Mapping[str, Tensor], masks: Tensors) -> Batch:
        for name, mask in masks.items():
            outputs[name]._keras_mask = mask
        return self._problem.batch(rows, Passed(outputs, [], []), _no_model)

    def _measure_signature(self) -> tuple[Any, ...]:
        def spec(tensor: Tensor) -> tf.TensorSpec:
            return tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)

        rows = tuple({name: spec(tensor) for name, tensor in part.items()} for part in self._problem.rows("train"))
        order, step = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
        sums = tf.TensorSpec((self.size, self.measured_width), tf.float64)
        return rows, order, dict.fromkeys(self._problem.extra_sizes, order), step, step, sums

    @property
    def measured_width(self) -> int:
        return len(self._problem.terms) + 2 * len(self._problem.row_metrics)


def _optimizer(problem: Problem, strategy: Strategy) -> tuple[Any, Any]:
    """Return how gradients are clipped before the optimizer sees them, and the optimizer.

    Clipping by a norm couples a setting's elements, so on a stack it is done here, each setting by its own norms.
    """
    choice = problem.optimizer
    norms = {name: choice.config.get(name) for name in ("clipnorm", "global_clipnorm") if choice.config.get(name)}
    if not strategy.stacks or not norms:
        return list, made_optimizer(choice)
    rest = {name: value for name, value in choice.config.items() if name not in norms}
    optimizer = made_optimizer(choice.model_copy(update={"config": rest}))
    if "clipnorm" in norms:
        return lambda gradients: [_scaled(each, _norms([each]), norms["clipnorm"]) for each in gradients], optimizer
    limit = norms["global_clipnorm"]
    return lambda gradients: [_scaled(each, _norms(gradients), limit) for each in gradients], optimizer


def stacks_exactly(problem: Problem) -> bool:
    """Tell whether the problem's optimizer trains stacked settings as it would train them alone."""
    entry = find_optimizer(problem.optimizer.name)
    config = {name: value for name, value in problem.optimizer.config.items() if name not in ("clipnorm", "global_clipnorm")}
    return entry is not None and entry.stacks(config)


def _norms(gradients: Sequence[Tensor]) -> Tensor:
    """Return each setting's norm over all of `gradients`, each [K, ...]: [K]."""
    squares = [tf.reduce_sum(tf.square(each), axis=list(range(1, len(each.shape)))) for each in gradients if each is not None]
    return tf.sqrt(tf.add_n(squares))


def _scaled(gradient: Tensor, norms: Tensor, limit: Any) -> Tensor:
    """Return `gradient` [K, ...] scaled so that no setting's norm exceeds `limit`, as Keras does: limit * min(1 / norm, 1 / limit)."""
    if gradient is None:
        return None
    limit = tf.cast(limit, gradient.dtype)
    scale = limit * tf.minimum(1 / norms, 1 / limit)
    return gradient * tf.reshape(scale, [-1, *[1] * (len(gradient.shape) - 1)])


def _no_model(x: Any, active: Tensor | None) -> Tensors:
    raise RuntimeError("a metric of rows does not call the model")


def _row_count(rows: DeviceRows) -> Tensor:
    return tf.cast(tf.shape(next(iter(rows.inputs.values())))[0], tf.float64)


def _sums(measured: Any, size: int) -> Tensor:
    """Return the sums of values * weights and of weights, of `size` settings' rows that stand one after another: [size, 2]."""
    values, weights = (tf.reshape(tf.cast(part, tf.float64), [size, -1]) for part in measured)
    return tf.stack([tf.reduce_sum(values * weights, axis=1), tf.reduce_sum(weights, axis=1)], axis=1)


def _repeated(tensors: Tensors, size: int) -> dict[str, Tensor]:
    return {name: tf.tile(tensor, [size, *[1] * (len(tensor.shape) - 1)]) for name, tensor in tensors.items()}


def _flattened(tensors: Tensors) -> dict[str, Tensor]:
    """Return [K, batch, ...] as [K * batch, ...]."""
    return {name: tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0)) for name, tensor in tensors.items()}
