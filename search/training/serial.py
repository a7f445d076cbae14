"""The serial engine: settings one after another, on one trace.

Weights are inputs of the graph, so that no setting needs a trace of its own; variables are reset between settings.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search.definition import Training
from search.training.batch import Tensor, Tensors
from search.training.cohort import Ended, EpochReport, Observer, Setting, is_report_epoch
from search.training.network import Network
from search.training.opened import DeviceRows
from search.training.optimizers import made_optimizer
from search.training.pace import Pace
from search.training.problem import Problem
from search.training.seeding import epoch_order
from search.training.step import measured_batch, weighted_step
from storage.records import Reason, TrialState

MAX_SEEDS = 32
"""Seeds whose initial weights and numbers are kept."""

Values = dict[str, float]


@dataclass(frozen=True)
class Start:
    """Where the settings of one seed begin: the model's variables, and epoch 0's numbers (measured when first asked for)."""

    variables: list[NDArray[Any]]
    train: Values
    validation: Values


class Cancelled(Exception):
    """The setting shall end now."""


class Diverged(Exception):
    """A used term, or a weight of the model, is NaN or infinite."""


class SerialEngine:
    """Trains one setting at a time, with one model and one optimizer for all of them."""

    name = "serial"

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._network: Network = problem.network(0)
        self._optimizer = made_optimizer(problem.optimizer)
        self._optimizer.build(self._network.trainable)
        self._optimizer_start = [variable.numpy() for variable in self._optimizer.variables]
        example, _ = measured_batch(problem, self._network, problem.opened.example_rows(), *self._values())
        self._counters = [metric.make(example) for metric in problem.counted_metrics]
        self._train_call = tf.function(self._train_steps, autograph=False)
        self._measure_call = tf.function(self._measure_steps, autograph=False, input_signature=self._measure_signature())
        self._paces = {"train": Pace(), "measure": Pace()}
        self._starts: dict[int, Start] = {}
        self._steps_done = 0

    def trace(self) -> None:
        """Trace the graphs and do one step, whose outcome nobody sees: every setting begins with a reset."""
        problem = self._problem
        first, stop, width = tf.constant(0), tf.constant(1), len(problem.terms)
        extra = self._extra_orders(lambda _, size: np.arange(size, dtype=np.int32))
        order = tf.range(problem.count("train"))
        weights = tf.ones(width, keras.config.floatx())
        self._train_call(weights, order, extra, first, stop, tf.zeros(width, tf.float64))
        sums = tf.zeros(width + 2 * len(problem.row_metrics), tf.float64)
        self._measure_call(tuple(problem.rows("train")), order, extra, first, stop, sums)

    def train(self, settings: Sequence[Setting], training: Training, observer: Observer) -> None:
        """Train the settings in turn; see `search.training.cohort.Engine`."""
        self._steps_done = 0
        for setting in settings:
            observer.ended(self._train_one(setting, training, observer))

    def _train_one(self, setting: Setting, training: Training, observer: Observer) -> Ended:
        done = 0
        try:
            self._begin(setting, observer)
            since = time.perf_counter()
            for epoch in range(1, training.epochs + 1):
                train = self._train_epoch(setting, epoch, observer)
                done = epoch
                if is_report_epoch(epoch, training):
                    validation = self._measure("validation", setting, observer)
                    seconds, since = time.perf_counter() - since, time.perf_counter()
                    observer.epoch(_report(setting, epoch, seconds, train, validation))
                    self._require_finite(setting, epoch, validation, "validation ")
        except Cancelled:
            return Ended(setting.number, TrialState.CANCELLED, done, Reason("cancelled", "cancelled while it was trained"))
        except Diverged as error:
            return Ended(setting.number, TrialState.DIVERGED, done, Reason("diverged", str(error)))
        return Ended(setting.number, TrialState.COMPLETE, done)

    def traces(self) -> int:
        """Return how often a graph was traced so far; each trace keeps some memory for good."""
        return sum(call.experimental_get_tracing_count() for call in (self._train_call, self._measure_call))

    def variables(self) -> list[NDArray[Any]]:
        """Return the model's variables as the last setting left them: what is trained, then all else."""
        return [variable.numpy() for variable in self._network.variables]

    # Where a setting begins

    def _begin(self, setting: Setting, observer: Observer) -> None:
        """Reset model and optimizer to the seed's start, and report epoch 0."""
        began = time.perf_counter()
        start = self._starts.get(setting.seed) or self._measured_start(setting, observer)
        self._assign(start.variables)
        _assign_all(self._optimizer.variables, self._optimizer_start)
        observer.epoch(_report(setting, 0, time.perf_counter() - began, start.train, start.validation))

    def _measured_start(self, setting: Setting, observer: Observer) -> Start:
        """Return the seed's initial weights and epoch 0's numbers, which all settings of the seed share."""
        variables = [variable.numpy() for variable in self._problem.network(setting.seed).variables]
        self._assign(variables)
        terms = set(self._problem.paths)
        train = {path: value for path, value in self._measure("train", setting, observer).items() if path in terms}
        start = Start(variables, train, self._measure("validation", setting, observer))
        while len(self._starts) >= MAX_SEEDS:
            self._starts.pop(next(iter(self._starts)))
        self._starts[setting.seed] = start
        return start

    def _assign(self, values: Sequence[NDArray[Any]]) -> None:
        _assign_all(self._network.variables, values)

    # An epoch of training

    def _train_epoch(self, setting: Setting, epoch: int, observer: Observer) -> Values:
        """Train one epoch (from 1); return the row-weighted means of the terms. Raises Diverged and Cancelled."""
        problem = self._problem
        count = problem.count("train")
        weights = tf.constant([setting.weights[path] for path in problem.paths], keras.config.floatx())
        order = tf.constant(epoch_order(setting.seed, epoch - 1, count))
        extra = self._extra_orders(lambda i, size: epoch_order(setting.seed, epoch - 1, size, stream=i + 1))
        sums = tf.zeros(len(problem.terms), tf.float64)
        finite = tf.constant(True)

        def call(first: Tensor, stop: Tensor) -> None:
            nonlocal sums, finite
            sums, finite = self._train_call(weights, order, extra, first, stop, sums)
            means = dict(zip(problem.paths, (sums.numpy() / count).tolist(), strict=True))
            self._require_finite(setting, epoch, means)
            if not bool(finite):
                raise Diverged(f"epoch {epoch}: the model's weights are not finite")

        self._in_calls("train", problem.steps("train"), setting, observer, call)
        return dict(zip(problem.paths, (sums.numpy() / count).tolist(), strict=True))

    def _train_steps(
        self, weights: Tensor, order: Tensor, extra: Tensors, first: Tensor, stop: Tensor, sums: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Train steps `first` to `stop` in the graph; return the sums of term * rows, and whether all weights are finite."""
        rows = self._problem.rows("train")

        def body(step: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
            taken = self._problem.slice(rows, order, step, extra)
            terms = self._train_step(taken, weights)
            return step + 1, sums + tf.cast(terms, tf.float64) * _row_count(taken)

        _, sums = tf.while_loop(lambda step, _: step < stop, body, (first, sums))
        finite = [tf.reduce_all(tf.math.is_finite(variable)) for variable in self._network.trainable]
        return sums, tf.reduce_all(tf.stack(finite))

    def _train_step(self, rows: DeviceRows, weights: Tensor) -> Tensor:
        """Do one step: forward, one gradient of the total, the optimizer. Returns the unweighted terms."""
        network = self._network
        with tf.GradientTape() as tape:
            trainable, state = self._values()
            step = weighted_step(self._problem, network, rows, trainable, state, weights)
        gradients = tape.gradient(step.total, [variable.value for variable in network.trainable])
        self._optimizer.apply(gradients, network.trainable)
        for variable, before, after in zip(network.state, state, step.state, strict=True):
            if after is not before:
                variable.assign(after)
        return step.terms

    def _values(self) -> tuple[list[Tensor], list[Tensor]]:
        network = self._network
        trainable = [tf.convert_to_tensor(variable.value) for variable in network.trainable]
        return trainable, [tf.convert_to_tensor(variable.value) for variable in network.state]

    # Measuring a split

    def _measure(self, split: str, setting: Setting, observer: Observer) -> Values:
        """Return terms and metrics over a split, in order, without training."""
        problem = self._problem
        rows, order = problem.rows(split), tf.range(problem.count(split))
        extra = self._extra_orders(lambda _, size: np.arange(size, dtype=np.int32))
        sums = tf.zeros(len(problem.terms) + 2 * len(problem.row_metrics), tf.float64)
        for counter in self._counters:
            counter.reset_state()

        def call(first: Tensor, stop: Tensor) -> None:
            nonlocal sums
            sums = self._measure_call(tuple(rows), order, extra, first, stop, sums)

        self._in_calls("measure", problem.steps(split), setting, observer, call)
        return self._read(sums.numpy(), problem.count(split))

    def _measure_steps(
        self, rows: tuple[Tensors, ...], order: Tensor, extra: Tensors, first: Tensor, stop: Tensor, sums: Tensor
    ) -> Tensor:
        """Measure batches `first` to `stop` in the graph: sums of term * rows, then of each row metric's values and weights."""

        def body(step: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
            taken = self._problem.slice(DeviceRows(*rows), order, step, extra)
            return step + 1, sums + self._measured(taken)

        return tf.while_loop(lambda step, _: step < stop, body, (first, sums))[1]

    def _measured(self, rows: DeviceRows) -> Tensor:
        batch, terms = measured_batch(self._problem, self._network, rows, *self._values())
        for metric, counter in zip(self._problem.counted_metrics, self._counters, strict=True):
            counter.update_state(*metric.arguments(batch))
        sums = [tf.cast(terms, tf.float64) * _row_count(rows)]
        for row_metric in self._problem.row_metrics:
            values, weights = (tf.cast(part, tf.float64) for part in row_metric.measure(batch))
            sums.append(tf.stack([tf.reduce_sum(values * weights), tf.reduce_sum(weights)]))
        return tf.concat(sums, axis=0)

    def _read(self, sums: NDArray[np.float64], count: int) -> Values:
        problem = self._problem
        values = {path: float(sums[i]) / count for i, path in enumerate(problem.paths)}
        pairs = sums[len(problem.terms) :].reshape(-1, 2)
        for metric, (total, weight) in zip(problem.row_metrics, pairs.tolist(), strict=True):
            if weight:
                mean = total / weight
                values[metric.path] = math.sqrt(mean) if metric.root and mean >= 0 else mean
        for counted, counter in zip(problem.counted_metrics, self._counters, strict=True):
            values[counted.path] = float(np.asarray(counter.result()).reshape(()))
        return values

    def _measure_signature(self) -> tuple[Any, ...]:
        def spec(tensor: Tensor) -> tf.TensorSpec:
            return tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)

        rows = tuple({name: spec(tensor) for name, tensor in part.items()} for part in self._problem.rows("train"))
        order, step = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
        width = len(self._problem.terms) + 2 * len(self._problem.row_metrics)
        return rows, order, dict.fromkeys(self._problem.extra_sizes, order), step, step, tf.TensorSpec((width,), tf.float64)

    # Both

    def _in_calls(
        self, kind: str, steps: int, setting: Setting, observer: Observer, call: Callable[[Tensor, Tensor], None]
    ) -> None:
        """Do `steps` steps in graph calls of a bounded time; between them progress is told and cancelling heard."""
        pace, first = self._paces[kind], 0
        while first < steps:
            if observer.cancelled(setting.number):
                raise Cancelled
            stop = first + pace.steps(steps - first)
            began = time.perf_counter()
            call(tf.constant(first), tf.constant(stop))
            pace.took(stop - first, time.perf_counter() - began)
            self._steps_done += stop - first
            first = stop
            observer.progress(self._steps_done)

    def _extra_orders(self, order: Callable[[int, int], NDArray[np.int32]]) -> dict[str, Tensor]:
        points = self._problem.opened.loaded.extra
        return {name: tf.constant(order(i, len(points[name].points))) for i, name in enumerate(sorted(points))}

    def _require_finite(self, setting: Setting, epoch: int, values: Mapping[str, float], split: str = "") -> None:
        for path in self._problem.paths:
            if setting.weights[path] != 0 and not math.isfinite(values[path]):
                raise Diverged(f"epoch {epoch}: the {split}term {path} is {_named(values[path])}")


def _named(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite"


def _row_count(rows: DeviceRows) -> Tensor:
    return tf.cast(tf.shape(next(iter(rows.inputs.values())))[0], tf.float64)


def _assign_all(variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _report(setting: Setting, epoch: int, seconds: float, train: Values, validation: Values) -> EpochReport:
    def lists(values: Values) -> dict[str, list[float]]:
        return {path: [value] for path, value in values.items()}

    return EpochReport(epoch, [setting.number], seconds, lists(train), lists(validation))
