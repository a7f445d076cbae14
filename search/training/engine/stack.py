"""K copies of a model in one graph: what changes in training is stacked on a first axis, what is frozen is shared.

What changes in the same way whatever is trained (random seeds, statistics of inputs) is shared too: so a dropout mask, and what a
frozen trunk makes of it, is computed once a step for all settings.

The settings share nothing that changes, so the gradient of the sum of their K losses is each one's own gradient, and an elementwise
optimizer on the stacked variables trains each as if it were alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.training.engine.counters import made_counters
from search.training.engine.differentiation import NOTHING_ASKED, Asked, Differentiated, by_shared, counted, gradients
from search.training.engine.frozen_trunk import FrozenTrunk
from search.training.engine.learned_weights import Learned
from search.training.engine.mapped_outputs import MappedOutputs, flattened, repeated
from search.training.engine.sharded_layers import sharded_layers
from search.training.engine.shared_layer import shared_places
from search.training.engine.stacked_variable import GradientLayout, Stacked, gradient_parts
from search.training.engine.strategies import Nest, Strategy
from search.training.engine.traces import Graphs
from search.training.problem.batch import Batch, Tensor, Tensors
from search.training.problem.network import NOTHING, Network, Passed
from search.training.problem.optimizers import stacked_optimizer
from search.training.problem.per_setting_optimizer import set_hyperparameters
from search.training.problem.problem import TrainingProblem, no_model
from search.training.problem.setting_inputs import SettingInputs
from search.training.problem.step import Step, measured_batch, weighted_step
from search.training.problem.workload import DeviceRows
from search.training.weighting.in_graph import StepRules
from search.training.weighting.protocol import Start

Arrays = Sequence[NDArray[Any]]

Over = Callable[[Callable[[DeviceRows, Nest], Nest], Nest], Nest]
"""Maps a function of a batch's rows and of one setting's values over all settings: `over(function, values)` is [K, ...]."""


class Stack:
    """`size` settings' variables, their optimizer, and the two graphs that train and measure them all.

    The network gives the graph its form and holds what is frozen; its own trainable variables are not used. `trunk` keeps what the
    frozen part makes of rows; without one it runs in every step.
    """

    def __init__(
        self,
        problem: TrainingProblem,
        network: Network,
        form: GradientLayout,
        strategy: Strategy,
        size: int,
        trunk: FrozenTrunk | None = None,
    ) -> None:
        self._problem, self._network, self._form, self._strategy = problem, network, form, strategy
        self.size, self._trunk = size, trunk
        self.trainable = [
            Stacked(variable, strategy, size, by_rows=place in form.by_rows) for place, variable in enumerate(network.trainable)
        ]
        self.state = [Stacked(network.state[place], strategy, size, alike=place in form.alike) for place in form.changing]
        self._clip, self.optimizer = stacked_optimizer(problem.optimizer, stacks=strategy.stacks, by_rows=bool(form.by_rows))
        self._variables = [stacked.variable for stacked in self.trainable]
        self.optimizer.build(self._variables)
        self._optimizer_start = [variable.numpy() for variable in self.optimizer.variables]
        self._learned: dict[str, Learned] = {}
        self._counters = made_counters(problem, network, size)
        train, measure = sharded_layers(problem, network, form).during(network, self._train, self._measure)
        self.train = Graphs(train, heed=problem.opened.heed)
        self.measure = Graphs(measure, self._measure_signature(), problem.opened.heed)

    def begin(self, starts: Sequence[Arrays]) -> None:
        """Set all variables to where each setting begins: for each, the values of the network's variables, in their order."""
        trained = len(self.trainable)
        for place, stacked in enumerate(self.trainable):
            stacked.assign([start[place] for start in starts])
        for place, stacked in zip(self._form.changing, self.state, strict=True):
            stacked.assign([start[trained + place] for start in starts])
        for variable, value in zip(self._network.state, starts[0][trained:], strict=True):
            variable.assign(value)  # what is frozen: alike in all settings, but for seeds that draw nothing
        if self._trunk is not None:
            self._trunk.renew()
        for variable, value in zip(self.optimizer.variables, self._optimizer_start, strict=True):
            variable.assign(value)

    def begin_learning(self, starts: Mapping[str, Start]) -> None:
        """Set what weighting rules remember, by rule, each [K, n]: before `train` is first called with them."""
        for name, start in starts.items():
            self._learning(name, {state: value.shape[1] for state, value in start.items()}).begin(start)

    def learned(self, names: Sequence[str]) -> dict[str, dict[str, NDArray[Any]]]:
        """Return what the weighting rules `names` remember, by rule, each [K, n]."""
        there = [name for name in names if name in self._learned]
        return {name: {state: value.numpy() for state, value in self._learned[name].values().items()} for name in there}

    def least(self, name: str) -> NDArray[Any] | None:
        """Return the least value that each term has had under rule `name`, [K, terms]; None where it is defined for all values."""
        return self._learned[name].least()

    def _learning(self, name: str, widths: Mapping[str, int]) -> Learned:
        if name not in self._learned:
            self._learned[name] = Learned(self._problem, self._strategy, self.size, name, widths)
        return self._learned[name]

    def values(self, place: int) -> list[NDArray[Any]]:
        """Return the variables of the setting at `place`, in the order of the network's."""
        frozen = [variable.numpy() for variable in self._network.state]
        state = self._form.merged([stacked.at(place) for stacked in self.state], frozen)
        return [*(stacked.at(place) for stacked in self.trainable), *state]

    def take_over(self, other: Stack, places: Sequence[int]) -> None:
        """Go on where the settings at `places` of another stack are; free places repeat the last of them."""
        self.resume(other.kept(places))
        chosen = [*places, *[places[-1]] * (self.size - len(places))]
        for name, learned in other._learned.items():
            self._learning(name, learned.widths).take_over(learned, chosen)

    def kept(self, places: Sequence[int]) -> list[Arrays]:
        """Return what changes in training of the settings at `places`, but for what weighting rules learn."""
        values = [np.array(each.numpy()).reshape(self.size if stacked else 1, -1) for each, stacked in self._all()]
        return [[value[place if len(value) > 1 else 0].copy() for value in values] for place in places]  # no view of all places

    def resume(self, kept: Sequence[Arrays]) -> None:
        """Go on with settings that were `kept`, all after the same epoch; free places repeat the last of them."""
        chosen = [*kept, *[kept[-1]] * (self.size - len(kept))]
        for (variable, stacked), *each in zip(self._all(), *chosen, strict=True):
            variable.assign((np.stack(each) if stacked else each[0]).reshape(variable.shape))

    def _all(self) -> list[tuple[Any, bool]]:
        """Return what changes in training, each with whether it differs between settings; what an optimizer counts does not."""
        slots = [(variable, len(variable.shape) > 0) for variable in self.optimizer.variables]
        return [*((each.variable, not each.alike) for each in (*self.trainable, *self.state)), *slots]

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
        self,
        knobs: SettingInputs,
        order: Tensor,
        extra: Tensors,
        first: Tensor,
        stop: Tensor,
        sums: Tensor,
        rules: StepRules | None = None,
        features: Tensors = NOTHING,
    ) -> tuple[Tensor, Tensor]:
        """Train steps `first` to `stop`; return the terms' (total, weight) [K, terms, 2], and whose weights are all finite [K].

        `knobs` are all settings' ([K, ...]), `order` the order of the training rows, `sums` what was summed before. Settings of
        several seeds have an order each, [K, rows], and so have the point sets in `extra`: each setting then gets rows of its own.
        Where `rules` are given the weights move from step to step, in a graph for each combination of rules; else they stand.
        `features`: what the trunk keeps of the training rows.
        """
        rows = self._problem.rows("train")._replace(features=features)

        def body(step: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
            over = self._over(self._problem.slice(rows, order, step, extra), shared=order.shape.rank == 1)
            done = self._train_step(over, knobs) if rules is None else self._moving_step(over, knobs, rules, step)
            return step + 1, sums + tf.cast(done.sums, tf.float64)

        _, sums = tf.while_loop(lambda step, _: step < stop, body, (first, sums))
        return sums, tf.reduce_all(tf.stack([stacked.finite() for stacked in self.trainable]), axis=0)

    def _over(self, rows: DeviceRows, *, shared: bool) -> Over:
        """Return how to map over all settings beside a batch's rows: those that all share, or [K, batch, ...], each its own."""
        if shared:
            return lambda function, values: self._strategy.over(partial(function, rows), values, self.size)
        return lambda function, values: self._strategy.over(lambda own: function(*own), (rows, values), self.size)

    def _moving_step(self, over: Over, knobs: SettingInputs, rules: StepRules, step: Tensor) -> Differentiated:
        """Do step `step` of the epoch under the weights that the rules give, and let them learn from it.

        A rule learns nothing of a term that nothing in the batch counts for.
        """
        given, view = knobs.weights, rules.view(knobs.weights, step)
        shared = shared_places(self._problem, self._network) if rules.needs_shared_layer else ()
        asked = Asked(shared, "gradient_norms" in rules.needs, "gram_matrix" in rules.needs)
        if rules.weigh_this_step:
            done = self._train_step(over, knobs, asked._replace(weigh=rules.weigher(given, self._states(rules), view)))
        else:
            weights = rules.weights(given, self._states(rules), view)
            done = self._train_step(over, knobs._replace(weights=weights), asked)._replace(weights=weights)
        seen = view._replace(
            measured=view.counts & (done.sums[..., 1] > 0),
            terms=done.terms,
            norms=done.norms,
            gram=done.gram,
            after=self._terms(over, knobs) if "losses_after" in rules.needs else None,
            weights=done.weights,
        )
        for name, follows in zip(rules.names, rules.follows, strict=True):
            self._learned[name].step(follows, seen, self._optimizer_numbers(knobs))
        return done

    def _states(self, rules: StepRules) -> dict[str, dict[str, Tensor]]:
        return {name: self._learned[name].values() for name in rules.names}

    def _terms(self, over: Over, knobs: SettingInputs) -> Tensor:
        """Return the terms of a batch as the variables are now, [K, terms]; what the pass would change stays as it is."""

        def one(rows: DeviceRows, values: tuple[list[Tensor], list[Tensor], SettingInputs]) -> Tensor:
            return self._step(rows, *values).terms

        return over(one, (*self._values(), self._mapped(knobs)))

    def _train_step(self, over: Over, knobs: SettingInputs, asked: Asked = NOTHING_ASKED) -> Differentiated:
        """Do one step of all settings: forward, gradients, the optimizer. Returns what was differentiated, and what was `asked`."""
        differentiate = self._gradients_apart if self._form.apart and self._strategy.stacks else self._gradients_of_sum
        done = differentiate(over, self._mapped(knobs), asked)
        for place, value in zip(self._form.assigned, done.assigned, strict=True):
            self.trainable[place].update(value)
        set_hyperparameters(self.optimizer, self._optimizer_numbers(knobs))
        self.optimizer.apply(self._clip(done.gradients), self._variables)
        self._constrain()
        for stacked, value in zip(self.state, done.state, strict=True):
            stacked.update(value)
        return done

    def _optimizer_numbers(self, knobs: SettingInputs) -> Tensors:
        """Return the optimizer's searched numbers by argument, one a setting: [K]; empty where none is searched."""
        return self._problem.optimizer_arguments(self._mapped(knobs).arguments)

    def _gradients_of_sum(self, over: Over, knobs: SettingInputs, asked: Asked) -> Differentiated:
        """Return the gradients of the sum of all totals, which are each setting's own."""

        def one(
            rows: DeviceRows,
            values: tuple[list[Tensor], list[Tensor], SettingInputs],
        ) -> tuple[Tensor, Tensor, Tensor, list[Tensor], list[Tensor]]:
            step = self._step(rows, *values)
            total = step.own_total if asked.weigh else step.total
            return total, step.terms, step.sums, self._form.split(step.state), self._assigned(step)

        trainable, state = self._values()
        with tf.GradientTape(persistent=bool(asked.shared), watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            totals, terms, sums, after, assigned = over(one, (trainable, state, knobs))
            total = tf.reduce_sum(totals)
            each_term = tf.unstack(tf.reduce_sum(terms, axis=0)) if asked.shared else []
            of_rules = counted(terms, knobs.weights) if asked.weigh else None
        norms, gram = by_shared(tape, each_term, trainable, asked, self.size)
        weights = asked.weigh(terms, sums, norms, gram) if asked.weigh else None
        found = gradients(tape, total, of_rules, weights, trainable)
        if self._strategy.stacks:
            found = [None if each is None else tf.convert_to_tensor(each) for each in found]
        return Differentiated(found, terms, sums, after, assigned, norms, gram, weights)

    def _gradients_apart(self, over: Over, knobs: SettingInputs, asked: Asked) -> Differentiated:
        """Return each setting's gradients, taken one by one so that those by rows stay rows; else as `_gradients_of_sum`."""

        def one(rows: DeviceRows, values: tuple[Any, ...]) -> tuple[Any, ...]:
            trainable, state, knobs, *place = values
            with tf.GradientTape(persistent=bool(asked.shared), watch_accessed_variables=False) as tape:
                tape.watch(trainable)
                step = self._step(rows, trainable, state, knobs)
                total = step.own_total if asked.weigh else step.total
                each = tf.unstack(step.terms) if asked.shared else []
                of_rules = counted(step.terms, knobs.weights) if asked.weigh else None
            norms, gram = by_shared(tape, each, trainable, asked, 1)
            weights = None
            if asked.weigh is not None:
                weights = asked.weigh(step.terms[tf.newaxis], step.sums[tf.newaxis], norms, gram, *place)[0]
            found = gradients(tape, total, of_rules, weights, trainable)
            pairs = enumerate(zip(found, self.trainable, strict=True))
            parts = {str(i): gradient_parts(each, stacked) for i, (each, stacked) in pairs if each is not None}
            there = {name: each[0] for name, each in {"norms": norms, "gram": gram}.items() if each is not None}
            there |= {} if weights is None else {"weights": weights}
            return parts, step.terms, step.sums, self._form.split(step.state), self._assigned(step), there

        values = (*self._values(), knobs, *([tf.range(self.size)] if asked.weigh else []))
        parts, terms, sums, after, assigned, there = over(one, values)
        found = [stacked.gradient(parts.get(str(i))) for i, stacked in enumerate(self.trainable)]
        return Differentiated(found, terms, sums, after, assigned, **there)

    def _step(self, rows: DeviceRows, trainable: list[Tensor], changing: list[Tensor], knobs: SettingInputs) -> Step:
        return weighted_step(self._problem, self._network, rows, trainable, self._merged(changing), knobs)

    def _assigned(self, step: Step) -> list[Tensor]:
        return [step.trainable[place] for place in self._form.assigned]

    def _mapped(self, knobs: SettingInputs) -> SettingInputs:
        """Return the knobs as the strategy maps them."""
        return knobs if self._strategy.stacks else knobs.of(0)

    def _values(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return what a strategy maps over: the values of the trainable variables, and of the state that differs."""
        return [stacked.value() for stacked in self.trainable], [stacked.value() for stacked in self.state if not stacked.alike]

    def _merged(self, differing: Sequence[Tensor]) -> list[Tensor]:
        """Return a network's state: that of one setting, what all settings have in common, and what is frozen."""
        own = iter(differing)
        changing = [stacked.value() if stacked.alike else next(own) for stacked in self.state]
        return self._form.merged(changing, [tf.convert_to_tensor(variable.value) for variable in self._network.state])

    def _constrain(self) -> None:
        """Put every setting's weights back into what the layers allow (`kernel_constraint` and the like)."""
        for stacked, own in zip(self.trainable, self._network.trainable, strict=True):
            if own.constraint is not None:
                stacked.update(self._strategy.over(own.constraint, stacked.value(), self.size))

    # Measuring, in the graph

    def _measure(
        self,
        knobs: SettingInputs,
        rows: tuple[Tensors, ...],
        order: Tensor,
        extra: Tensors,
        first: Tensor,
        stop: Tensor,
        sums: Tensor,
    ) -> Tensor:
        """Measure batches `first` to `stop`.

        Returns the sums [K, terms + row metrics, 2] of each term's and metric's weighted values, and of their weights.
        """

        def body(step: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
            taken = self._problem.slice(DeviceRows(*rows), order, step, extra)
            return step + 1, sums + self._measured(taken, knobs)

        return tf.while_loop(lambda step, _: step < stop, body, (first, sums))[1]

    def _measured(self, rows: DeviceRows, knobs: SettingInputs) -> Tensor:
        """Measure one batch of all settings: terms and the workload's own metrics in the map, all other metrics on its outputs."""
        own = [metric for metric in self._problem.row_metrics if not metric.of_rows]

        def one(values: tuple[list[Tensor], list[Tensor], SettingInputs]) -> tuple[Tensor, list[Tensor], MappedOutputs]:
            batch, terms, of_own = measured_batch(
                self._problem, self._network, rows, values[0], self._merged(values[1]), values[2].arguments, own
            )
            return terms, [_sums(each, 1) for each in of_own], MappedOutputs.of(batch)

        terms, own_sums, outputs = self._strategy.over(one, (*self._values(), self._mapped(knobs)), self.size)
        self._count(rows, outputs)
        side_by_side = self._side_by_side(rows, outputs)
        of_own = iter(own_sums)
        sums = [
            _sums(metric.measure(side_by_side), self.size) if metric.of_rows else tf.reshape(next(of_own), [self.size, 2])
            for metric in self._problem.row_metrics
        ]
        return tf.concat([tf.cast(terms, tf.float64), *(each[:, tf.newaxis] for each in sums)], axis=1)

    def _count(self, rows: DeviceRows, outputs: MappedOutputs) -> None:
        for k, counters in enumerate(zip(*self._counters, strict=True)):
            batch = self._batch_of(rows, outputs.each(operator.itemgetter(k)))
            for metric, counter in zip(self._problem.counted_metrics, counters, strict=True):
                counter.update_state(*metric.arguments(batch))

    def _side_by_side(self, rows: DeviceRows, outputs: MappedOutputs) -> Batch:
        """Return one batch of all settings' rows, one setting after another: [K * batch, ...]."""
        inputs, targets, weights = (repeated(part, self.size) for part in rows[:3])
        return self._batch_of(DeviceRows(inputs, targets, weights, rows.extra), outputs.each(flattened))

    def _batch_of(self, rows: DeviceRows, outputs: MappedOutputs) -> Batch:
        return self._problem.batch(rows, Passed(outputs.bearing(), [], []), no_model)

    def _measure_signature(self) -> tuple[Any, ...]:
        def spec(tensor: Tensor) -> tf.TensorSpec:
            return tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)

        parts = self._problem.rows("train")[:-1]
        features = {} if self._trunk is None else self._trunk.signature
        rows = (*({name: spec(tensor) for name, tensor in part.items()} for part in parts), features)
        order, step = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
        sums = tf.TensorSpec((self.size, self.measured_width, 2), tf.float64)
        widths = len(self._problem.terms), len(self._problem.arguments)
        knobs = SettingInputs(*(tf.TensorSpec((self.size, width), keras.config.floatx()) for width in widths))
        return knobs, rows, order, dict.fromkeys(self._problem.extra_sizes, order), step, step, sums

    @property
    def measured_width(self) -> int:
        """How many terms and row metrics are summed."""
        return len(self._problem.terms) + len(self._problem.row_metrics)


def _sums(measured: Any, size: int) -> Tensor:
    """Return the sums of values * weights and of weights, of `size` settings' rows that stand one after another: [size, 2]."""
    values, weights = (tf.reshape(tf.cast(part, tf.float64), [size, -1]) for part in measured)
    return tf.stack([tf.reduce_sum(values * weights, axis=1), tf.reduce_sum(weights, axis=1)], axis=1)
