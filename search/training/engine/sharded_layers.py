"""Frozen layers that have to run in every step, on parts of a batch's rows beside each other: one part a core.

A training process gives an operation one thread, which suits small models; for another number it must be started anew, which takes
seconds. A frozen layer behind one that draws random numbers does without: where its rows stand alone, parts of them run beside each
other, and use the cores as well as one operation on several threads. A layer is sharded where its call

- makes of one tensor [batch, ...] another, and of nothing else that differs from step to step: no random numbers, no state;
- leaves nothing behind but its output: no loss, no assignment;
- gives a row the same in other company, which is tried on a batch of rows.

It is not sharded where it depends on what is trained.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import tensorflow as tf

from search.processes import cores
from search.training.engine.cost import (
    REMEMBERS_NOTHING,
    WORTH_SHARING,
    cost_of,
    depending,
    flops_of,
    needed_for,
    stateful_operations,
)
from search.training.engine.frozen_trunk import Frontier, cost_in_steps, frontier_of
from search.training.engine.layer_calls import LayerCall, alike, holds_rows, is_bare, mixed_order, recorded_calls, tried_rows
from search.training.engine.stacked_variable import GradientLayout
from search.training.problem.batch import Tensor, Tensors
from search.training.problem.keras_private import layers_of, wrapped_calls
from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

WORTH_CUTTING = 1e7
"""Floating-point operations of a batch in a layer from which its rows are cut into parts."""

ROWS_A_PART = 4
"""Fewer rows make many small operations of a large one."""

MOST_PARTS = 8
"""With more cores, operations get threads, and the process is started anew for them."""

MOST_OPERATIONS = 4000
"""Operations that the parts may add to a graph: tracing more takes longer than starting a process."""

ATTRIBUTE = "_steelyard_parts"
"""Under which a sharded layer's output has its parts, so that the next one need not wait for all of them."""


class Shards(NamedTuple):
    """The sharded layers by their places, with the floating-point operations that a batch takes in each.

    One that takes few only goes on with the parts of one that takes many. `shared`: those of all that runs once a step for all
    settings. `operations`: how many of its graph's operations each layer has.
    """

    flops_of: Mapping[int, float] = {}
    shared: float = 0.0
    operations: Mapping[int, int] = {}

    @property
    def flops(self) -> float:
        """The operations of a batch in sharded layers."""
        return sum(self.flops_of.values())


class ShardedLayers(NamedTuple):
    """The sharded layers of a problem's models, in training and in measuring, and in how many parts they run."""

    training: Shards = Shards()
    measuring: Shards = Shards()
    parts: int = 1

    def during(self, network: Network, train: Callable[P, R], measure: Callable[Q, S]) -> tuple[Callable[P, R], Callable[Q, S]]:
        """Return the functions that train and measure such that in them a network runs its sharded layers in parts."""
        return self._during(network, self.training, train), self._during(network, self.measuring, measure)

    def _during(self, network: Network, shards: Shards, function: Callable[P, R]) -> Callable[P, R]:
        layers = layers_of(network.model)
        chosen = {place: layers[place] for place in shards.flops_of}
        cuts = {place: flops >= WORTH_CUTTING for place, flops in shards.flops_of.items()}

        @functools.wraps(function)
        def run(*given: P.args, **named: P.kwargs) -> R:
            with wrapped_calls(chosen, lambda place, call: _sharded(call, self.parts, cuts=cuts[place])):
                return function(*given, **named)

        return run


NOT_SHARDED = ShardedLayers()

_known: WeakKeyDictionary[TrainingProblem, ShardedLayers] = WeakKeyDictionary()


def sharded_layers(problem: TrainingProblem, network: Network, form: GradientLayout) -> ShardedLayers:
    """Return the layers that are sharded, found once a problem: all that are worth more than one core, or none."""
    if problem not in _known:
        _known[problem] = _found(problem, network, form)
    return _known[problem]


def _found(problem: TrainingProblem, network: Network, form: GradientLayout) -> ShardedLayers:
    parts, frontier = min(cores(), problem.batch_size // ROWS_A_PART), frontier_of(problem, network, form)
    in_steps = cost_in_steps(cost_of(problem), frontier, problem.batch_size).shared_flops
    if parts < 2 or cores() > MOST_PARTS or in_steps < WORTH_SHARING or tf.config.list_physical_devices("GPU"):
        return NOT_SHARDED
    training, measuring = (
        _of_rows_alone(problem, network, _shards(problem, network, form, frontier, training=mode), parts, training=mode)
        for mode in (True, False)
    )
    both = training, measuring
    added = (parts - 1) * sum(each.operations[place] for each in both for place in each.flops_of)
    enough = training.flops_of and all(each.shared - each.flops < WORTH_SHARING for each in both)
    return ShardedLayers(training, measuring, parts) if enough and added <= MOST_OPERATIONS else NOT_SHARDED


# Which layers may be


class _Traced(NamedTuple):
    """A model's pass over `size` rows, as a graph.

    `own`: the operations that differ between settings; `varying`: those that differ from step to step or from row to row.
    """

    graph: Any
    calls: Mapping[int, Sequence[LayerCall]]
    size: int
    own: set[str]
    varying: set[str]
    of_trained: set[str]

    def flops(self, operations: Iterable[Any]) -> float:
        return sum(flops_of(self.graph, each) for each in operations)


def _shards(problem: TrainingProblem, network: Network, form: GradientLayout, frontier: Frontier, *, training: bool) -> Shards:
    """Return the layers that may be sharded where those before the frontier are not run: of nested ones the outermost."""
    traced = _traced(problem, network, form, frontier, training=training)
    operations, needed = traced.graph.get_operations(), needed_for(traced.graph.outputs)
    found: dict[int, float] = {}
    counts: dict[int, int] = {}
    outputs: set[str] = set()
    done = 0
    for place, calls in sorted(traced.calls.items(), key=lambda each: (each[1][0].first, -each[1][0].stop, each[0])):
        call, inside = calls[0], operations[calls[0].first : calls[0].stop]
        if len(calls) > 1 or call.first < done or not _stands_by_itself(traced, call, inside) or call.output.op.name not in needed:
            continue  # what only makes what is kept is not run at all
        flops = traced.flops(inside)
        if flops >= WORTH_CUTTING or call.given[0].name in outputs:
            found[place], counts[place], done = flops, len(inside), call.stop
            outputs.add(call.output.name)
    return Shards(found, traced.flops(needed[name] for name in needed.keys() - traced.of_trained), counts)


def _traced(problem: TrainingProblem, network: Network, form: GradientLayout, frontier: Frontier, *, training: bool) -> _Traced:
    inputs = problem.example_rows(problem.batch_size).inputs
    size = len(next(iter(inputs.values())))
    trainable, state = _values(network)
    features = {each.name: tf.zeros((size, *each.shape), each.dtype) for each in frontier.kept(training)}

    def forward(trainable: list[Tensor], changing: list[Tensor], inputs: Tensors, features: Tensors) -> Any:
        passed = network(trainable, form.merged(changing, state), inputs, training, features)
        return dict(passed.outputs), passed.losses, form.split(passed.state), [passed.trainable[place] for place in form.assigned]

    given = (trainable, form.split(state), inputs, features)
    with recorded_calls(network) as calls:
        graph = tf.function(forward, autograph=False).get_concrete_function(*given).graph
    names, draws = [tensor.op.name for tensor in graph.inputs], stateful_operations(graph)
    trained = names[: len(trainable)]
    own_state = [names[len(trainable) + i] for i, place in enumerate(form.changing) if place not in form.alike]
    own, varying = [*trained, *own_state, *draws], [*names[: len(tf.nest.flatten(given))], *draws]
    return _Traced(graph, calls, size, *(depending(graph, sources) for sources in (own, varying, trained)))


def _stands_by_itself(traced: _Traced, call: LayerCall, inside: Sequence[Any]) -> bool:
    """Return whether a call makes one tensor of rows of another, the same in all settings, and neither takes nor leaves else."""
    entry: Any = call.given[0] if len(call.given) == 1 else None
    if not all(holds_rows(traced.graph, each, traced.size) and is_bare(each) for each in (entry, call.output)):
        return False
    names = {each.name for each in inside}
    if call.output.op.name not in names or entry.op.name in {*names, *traced.own} or _tensors(call.named):
        return False
    if not call.output.dtype.is_floating:  # so that it can be compared
        return False
    if any(each.op_def.is_stateful and each.type not in REMEMBERS_NOTHING for each in inside):
        return False
    taken = (value for each in inside for value in each.inputs if value.op.name not in names)
    if any(value.name != entry.name and value.op.name in traced.varying for value in taken):
        return False
    others = (value for each in traced.graph.get_operations() if each.name not in names for value in each.inputs)
    return not any(value.name != call.output.name and value.op.name in names for value in (*others, *traced.graph.outputs))


def _tensors(named: Mapping[str, Any]) -> bool:
    """Return whether a call was given a tensor by name: a mask, say."""
    return any(tf.is_tensor(each) for each in tf.nest.flatten(dict(named)))


def _values(network: Network) -> tuple[list[Tensor], list[Tensor]]:
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    return values[: len(network.trainable)], values[len(network.trainable) :]


def _of_rows_alone(problem: TrainingProblem, network: Network, shards: Shards, parts: int, *, training: bool) -> Shards:
    """Return the layers that give every row of a batch the same in other company: in parts, and in mixed order."""
    alone: dict[int, bool] = {}

    def compare(place: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def compared(rows: Tensor, **named: Any) -> Tensor:
            whole = call(rows, **named)
            in_parts = _joined([call(part, **named) for part in _cut(rows, parts)], rows)
            order = mixed_order(len(rows))
            mixed = call(tf.gather(rows, order), **named)
            alone[place] = alike(whole, in_parts) and alike(tf.gather(whole, order), mixed)
            return whole

        return compared

    layers = layers_of(network.model)
    if shards.flops_of:
        with wrapped_calls({place: layers[place] for place in shards.flops_of}, compare):
            network(*_values(network), tried_rows(problem), training)
    return shards._replace(flops_of={place: flops for place, flops in shards.flops_of.items() if alone.get(place)})


# Running in parts


def _sharded(call: Callable[..., Any], parts: int, *, cuts: bool) -> Callable[..., Any]:
    """Return the call of a layer on parts of its rows; `cuts`: where they are not in parts yet, too."""

    def in_parts(*given: Any, **named: Any) -> Any:
        rows = given[0] if len(given) == 1 and tf.is_tensor(given[0]) and is_bare(given[0]) and not _tensors(named) else None
        pieces = getattr(rows, ATTRIBUTE, None)
        if rows is None or not (pieces or cuts):
            return call(*given, **named)
        pieces = pieces or _cut(rows, parts)
        done = [call(piece, **named) for piece in pieces]
        joined = _joined(done, rows)
        setattr(joined, ATTRIBUTE, done)
        return joined

    return in_parts


def _cut(rows: Tensor, parts: int) -> list[Tensor]:
    """Return parts of rows [batch, ...], equally many in each but the last ones; parts left over have the last row again."""
    count = tf.shape(rows)[0]
    size = (count + parts - 1) // parts
    firsts = [tf.maximum(tf.minimum(place * size, count - 1), 0) for place in range(parts)]
    return [rows[first : first + size] for first in firsts]


def _joined(pieces: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Return what was made of the parts of `rows`, one after another, without what stands there again."""
    joined = tf.concat(pieces, axis=0)[: tf.shape(rows)[0]]
    return tf.ensure_shape(joined, (rows.shape[0], *joined.shape[1:]))
