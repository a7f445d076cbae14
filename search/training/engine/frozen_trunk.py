"""The part of a model that no setting changes: run once a row, and kept over epochs, where only what follows it is trained.

A layer is kept where everything done in its call is the same in every step: it depends on no trained variable, on no state that
training changes, and on no random number. Its output must belong to its row alone, which is tried on rows in other company. In
training the layer's call then returns what was kept, so that masks, losses and whatever else a model makes of it stay Keras's own;
what a term asks of the model for other inputs (`batch.call`) is never replaced. Measuring draws no random numbers, so a trunk that
has to run in every training step may still be kept there.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf

from search.out_of_memory import memory_limit
from search.training.engine.cost import Cost, cost_of, depending, flops_of, needed_for, stateful_operations
from search.training.engine.layer_calls import LayerCall, alike, holds_rows, mixed_order, recorded_calls, tried_rows
from search.training.engine.pace import StepBudget
from search.training.engine.stacked_variable import GradientLayout
from search.training.engine.traces import Graphs
from search.training.problem.batch import Tensor, Tensors
from search.training.problem.keras_private import is_seed_state, layers_of, wrapped_calls
from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem

WORTH_KEEPING = 1e6
"""Floating-point operations that a batch's trunk takes, from which it is kept: with less, asking for it costs more."""

MEMORY_SHARE = 0.1
"""Share of the memory that this process may use which kept features may take."""


class KeptLayer(NamedTuple):
    """A layer whose output is kept: its place among the model's layers, and the output's shape [...] without the rows."""

    place: int
    shape: tuple[int, ...]
    dtype: Any

    @property
    def name(self) -> str:
        return str(self.place)


class Frontier(NamedTuple):
    """The layers of a problem's models that are kept, in training and in measuring.

    `flops`: what a training batch takes up to them, in floating-point operations. `by_mode`: their outputs are others in training
    than in measuring.
    """

    training: tuple[KeptLayer, ...] = ()
    measuring: tuple[KeptLayer, ...] = ()
    flops: float = 0.0
    by_mode: bool = False

    def __bool__(self) -> bool:
        return bool(self.training or self.measuring)

    def kept(self, training: bool) -> tuple[KeptLayer, ...]:
        """Return the layers that are kept in this mode."""
        return self.training if training else self.measuring


class FrozenTrunk:
    """Runs the kept layers of a network, and remembers their outputs by split until the frozen weights change.

    `too_large`: memory ran out while outputs were computed.
    """

    def __init__(self, problem: TrainingProblem, network: Network, form: GradientLayout, frontier: Frontier) -> None:
        self._problem, self._network, self.frontier = problem, network, frontier
        self.too_large = False
        state = enumerate(network.state)  # a seed that does not change draws nothing
        self._frozen = [each for place, each in state if place not in form.changing and not is_seed_state(each)]
        self._features: dict[tuple[str, bool], Tensors] = {}
        self._weights = b""
        rows = problem.example_rows().inputs
        given = {name: tf.TensorSpec((None, *each.shape[1:]), each.dtype) for name, each in rows.items()}
        self._run = {training: Graphs(self._passes(training), [given]) for training in (True, False)}

    @property
    def signature(self) -> dict[str, tf.TensorSpec]:
        """The form of the features, as a graph that measures takes them."""
        return {each.name: tf.TensorSpec((None, *each.shape), each.dtype) for each in self.frontier.measuring}

    def empty(self, rows: int = 0, *, training: bool) -> Tensors:
        """Return features of so many rows that were not computed: for traces."""
        return {each.name: tf.zeros((rows, *each.shape), each.dtype) for each in self.frontier.kept(training)}

    def renew(self) -> None:
        """Forget what was kept under other frozen weights, such as those of another seed."""
        digest = hashlib.blake2b()
        for variable in self._frozen:
            digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
        if digest.digest() != self._weights:
            self._weights = digest.digest()
            self._features.clear()

    def features(self, split: str, progress: Callable[[int], None], *, training: bool) -> Tensors:
        """Return the kept outputs for all rows of a split, each [rows, ...] by the layer's name here; computed when first asked.

        `progress` hears how many batches were done, every few seconds. Raises ResourceExhaustedError where memory runs out.
        """
        key = (split, training and self.frontier.by_mode)
        if key not in self._features:
            try:
                self._features[key] = self.of_rows(self._problem.rows(split).inputs, progress, training=key[1])
            except tf.errors.ResourceExhaustedError:
                self.too_large = True
                raise
        return self._features[key]

    def of_rows(self, inputs: Tensors, progress: Callable[[int], None] = lambda batches: None, *, training: bool) -> Tensors:
        """Return the kept outputs for any rows, in batches of the study's size and in graph calls of a bounded time."""
        if not self.frontier.kept(training):
            return {}
        size, rows = self._problem.batch_size, len(next(iter(inputs.values())))
        batches, first, pace = -(-rows // size), 0, StepBudget()
        parts: list[Tensors] = []
        while first < batches or not parts:
            stop = first + pace.steps(batches - first)
            began = time.perf_counter()
            parts.append(self._run[training]({name: each[first * size : stop * size] for name, each in inputs.items()}))
            pace.took(stop - first, time.perf_counter() - began)
            progress(stop - first)
            first = stop
        return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}

    def _passes(self, training: bool) -> Callable[[Tensors], Tensors]:
        kept = self.frontier.kept(training)

        def passes(inputs: Tensors) -> Tensors:
            size, rows = self._problem.batch_size, tf.shape(next(iter(inputs.values())))[0]
            steps = (rows + size - 1) // size
            arrays = [tf.TensorArray(each.dtype, size=steps, infer_shape=False, element_shape=(None, *each.shape)) for each in kept]

            def body(step: Tensor, arrays: list[Any]) -> tuple[Tensor, list[Any]]:
                batch = {name: each[step * size : (step + 1) * size] for name, each in inputs.items()}
                outputs = self._pass(batch, training)
                return step + 1, [array.write(step, output) for array, output in zip(arrays, outputs, strict=True)]

            _, filled = tf.while_loop(lambda step, _: step < steps, body, (tf.constant(0), arrays))
            return {each.name: array.concat() for each, array in zip(kept, filled, strict=True)}

        return passes

    def _pass(self, batch: Tensors, training: bool) -> list[Tensor]:
        network, kept, found = self._network, self.frontier.kept(training), {}
        layers = layers_of(network.model)

        def record(place: int, call: Callable[..., Any]) -> Callable[..., Any]:
            def recorded(*given: Any, **named: Any) -> Any:
                found[place] = call(*given, **named)
                return found[place]

            return recorded

        values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
        trained = len(network.trainable)
        with wrapped_calls({each.place: layers[each.place] for each in kept}, record):
            network(values[:trained], values[trained:], batch, training)
        return [found[each.place] for each in kept]


_known: WeakKeyDictionary[TrainingProblem, Frontier] = WeakKeyDictionary()


def frontier_of(problem: TrainingProblem, network: Network, form: GradientLayout) -> Frontier:
    """Return the layers whose outputs are worth keeping, found once a problem."""
    if problem not in _known:
        worth = cost_of(problem).shared_flops >= WORTH_KEEPING
        _known[problem] = _found(problem, network, form) if worth else Frontier()
    return _known[problem]


def frozen_trunk(problem: TrainingProblem, network: Network, form: GradientLayout) -> FrozenTrunk | None:
    """Return what keeps the outputs of a network's frozen layers, None where nothing of it is kept."""
    frontier = frontier_of(problem, network, form)
    return FrozenTrunk(problem, network, form, frontier) if frontier else None


def keep_no_more(problem: TrainingProblem) -> None:
    """Have a problem's frozen layers run in every step from now on."""
    _known[problem] = Frontier()


def cost_in_steps(cost: Cost, frontier: Frontier, batch_size: int) -> Cost:
    """Return what a step costs where the kept part of what is frozen is not run in it: its features are taken like rows."""
    if not frontier.training:
        return cost
    left = max(0.0, cost.shared_flops - frontier.flops)
    return replace(cost, shared_flops=left, shared_bytes=batch_size * _bytes_a_row(frontier.training))


def _found(problem: TrainingProblem, network: Network, form: GradientLayout) -> Frontier:
    training, flops = _last_steady_layers(problem, network, form, training=True)
    measuring = training
    if cost_of(problem).shared_flops - flops >= WORTH_KEEPING:
        measuring, _ = _last_steady_layers(problem, network, form, training=False)
    found = Frontier(training, measuring, flops, by_mode=True)
    if not found or _bytes(problem, found) > memory_limit() * MEMORY_SHARE:
        return Frontier()
    trunk = FrozenTrunk(problem, network, form, found)
    if not all(_rows_stand_alone(problem, trunk, training=mode) for mode in {True, training == measuring}):
        return Frontier()
    return found._replace(by_mode=training != measuring or _differs_by_mode(problem, trunk))


def _last_steady_layers(
    problem: TrainingProblem, network: Network, form: GradientLayout, *, training: bool
) -> tuple[tuple[KeptLayer, ...], float]:
    """Return the last layers, on every way from inputs to outputs, that do the same in every step.

    Beside them: what a batch takes up to them, in floating-point operations.
    """
    rows = problem.example_rows(problem.batch_size)
    size = len(next(iter(rows.inputs.values())))
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]

    def forward(trainable: list[Tensor], changing: list[Tensor]) -> Any:
        passed = network(trainable, form.merged(changing, state), rows.inputs, training)
        return dict(passed.outputs), passed.losses, form.split(passed.state), [passed.trainable[i] for i in form.assigned]

    with recorded_calls(network) as calls:
        graph = tf.function(forward, autograph=False).get_concrete_function(trainable, form.split(state)).graph
    changing = (tensor.op.name for tensor in graph.inputs[: len(trainable) + len(form.changing)])
    own = depending(graph, [*changing, *stateful_operations(graph)])
    steady = _steady(graph, calls, own, size)
    last = _last(graph, steady)
    kept = sorted(KeptLayer(steady[name], *_form(graph, name)) for name in last)
    saved = needed_for(graph.get_tensor_by_name(name) for name in last)
    return tuple(kept), sum(flops_of(graph, each) for each in saved.values())


def _steady(graph: Any, calls: dict[int, list[LayerCall]], own: set[str], size: int) -> dict[str, int]:
    """Return, by the output's name, the places of layers that do the same in every step; of nested ones the outermost."""
    operations = graph.get_operations()
    found: dict[str, int] = {}
    for place in sorted(calls):
        call, *more = calls[place]
        output = call.output
        if more or not call.bare or not holds_rows(graph, output, size):
            continue
        done = [output.op, *operations[call.first : call.stop]]
        if not output.dtype.is_floating or any(each.name in own for each in done):
            continue
        if sum(flops_of(graph, each) for each in needed_for([output]).values()) > 0:
            found.setdefault(output.name, place)
    return found


def _last(graph: Any, steady: dict[str, int]) -> set[str]:
    """Return which of the steady tensors are met first on the ways back from the graph's results."""
    met, seen, left = set(), set(), list(graph.outputs)
    while left:
        tensor = left.pop()
        if tensor.name in steady:
            met.add(tensor.name)
        elif tensor.op.name not in seen:
            seen.add(tensor.op.name)
            left += tensor.op.inputs
    return met


def _form(graph: Any, name: str) -> tuple[tuple[int, ...], Any]:
    tensor = graph.get_tensor_by_name(name)
    return tuple(tensor.shape[1:]), tensor.dtype


def _bytes(problem: TrainingProblem, frontier: Frontier) -> int:
    """Return what the features of all splits take; those of training rows twice, as they are in training and in measuring."""
    measured = sum(split.count for split in problem.opened.loaded.splits.values())
    return problem.count("train") * _bytes_a_row(frontier.training) + measured * _bytes_a_row(frontier.measuring)


def _bytes_a_row(kept: Sequence[KeptLayer]) -> int:
    return sum(int(np.prod(each.shape) * each.dtype.size) for each in kept)


def _rows_stand_alone(problem: TrainingProblem, trunk: FrozenTrunk, *, training: bool) -> bool:
    """Return whether rows have the same features in other company: in mixed order, and in half a batch."""
    inputs = tried_rows(problem)
    count = len(next(iter(inputs.values())))
    half, order = -(-count // 2), mixed_order(count)
    whole = trunk.of_rows(inputs, training=training)
    mixed = trunk.of_rows({name: tf.gather(each, order) for name, each in inputs.items()}, training=training)
    part = trunk.of_rows({name: each[:half] for name, each in inputs.items()}, training=training)
    return all(alike(tf.gather(whole[name], order), mixed[name]) and alike(whole[name][:half], part[name]) for name in whole)


def _differs_by_mode(problem: TrainingProblem, trunk: FrozenTrunk) -> bool:
    """Return whether a batch has other features in training than in measuring, be it in one bit."""
    training, measuring = (trunk.of_rows(tried_rows(problem), training=training) for training in (True, False))
    return any(not np.array_equal(training[name], measuring[name]) for name in training)
