"""What is trained and measured: rows, terms and metrics as functions of a batch. Not how it is trained.

An engine asks a Problem for networks, slices of rows and batches, and never looks into a definition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from search.definition.schema import StudyDefinition
from search.definition.searched_arguments import OPTIMIZER
from search.definition.space import SearchSpace
from search.training.problem.batch import Batch, Tensor, Tensors
from search.training.problem.class_weights import class_weights, weights_by_class
from search.training.problem.keras_private import mask_of
from search.training.problem.metrics import CountingMetric, RowMean, metric_functions
from search.training.problem.network import Network, Passed
from search.training.problem.terms import term_functions
from search.training.problem.views import narrow_targets, widened, without_missing
from search.training.problem.workload import DeviceRows, LoadedWorkload
from search.workloads.data import EVERY_OUTPUT


class TrainingProblem:
    """A workload under a definition's terms, metrics, optimizer and batch size.

    It does not depend on weights, seeds, epochs or the objective, so that studies that differ in those share its traces. `usual`
    are the values that the searched arguments (by parameter path) have where a setting says nothing.
    """

    def __init__(self, definition: StudyDefinition, opened: LoadedWorkload) -> None:
        self.opened = opened
        self.batch_size = definition.training.batch_size
        self.optimizer = definition.training.optimizer
        self.shuffle = definition.training.shuffle
        self._starts_alike = definition.training.initial_weights == "fixed"
        self.terms = term_functions(definition.tasks, definition.penalties, opened.workload)
        metrics = metric_functions(definition.tasks, opened.workload, self.terms)
        self.row_metrics = tuple(metric for metric in metrics if isinstance(metric, RowMean))
        self.counted_metrics = tuple(metric for metric in metrics if isinstance(metric, CountingMetric))
        usual = SearchSpace(definition).usual_arguments()
        self.usual = {path: usual[path] for path in SearchSpace(definition).arguments}
        self._tasks = definition.tasks
        self._rows: dict[str, DeviceRows] = {}
        self._narrow = narrow_targets(definition.tasks, opened.outputs, opened.example_rows().targets)
        self.extra_sizes = {name: points.batch_size for name, points in opened.loaded.extra.items()}

    @property
    def paths(self) -> tuple[str, ...]:
        """The terms' paths, in the order of every tensor of terms or weights."""
        return tuple(term.path for term in self.terms)

    @property
    def measured_paths(self) -> tuple[str, ...]:
        """The paths of all that is measured on validation and test rows: terms and metrics."""
        return (*self.paths, *(row.path for row in self.row_metrics), *(counted.path for counted in self.counted_metrics))

    @property
    def arguments(self) -> tuple[str, ...]:
        """The searched arguments' parameter paths, in the order of every tensor of them: those of terms, then the optimizer's."""
        return tuple(self.usual)

    @property
    def searches_terms(self) -> bool:
        """Whether settings differ in arguments of terms, so that the same model has other values of them."""
        return any(_head(path) != OPTIMIZER for path in self.usual)

    def term_arguments(self, arguments: Tensor | None) -> Tensors:
        """Return the searched arguments of terms by parameter path, of one setting's [arguments], or the usual ones."""
        values = tf.constant([*self.usual.values()], keras.config.floatx()) if arguments is None else arguments
        return {path: values[i] for i, path in enumerate(self.usual) if _head(path) != OPTIMIZER}

    def optimizer_arguments(self, arguments: Tensor) -> Tensors:
        """Return the searched arguments of the optimizer by name, of settings' [..., arguments]."""
        names = {i: path.partition(".")[2] for i, path in enumerate(self.usual) if _head(path) == OPTIMIZER}
        return {name: arguments[..., i] for i, name in names.items()}

    def rows(self, split: str) -> DeviceRows:
        """Return a split's tensors, with the weight of each label's class, which is 1 in all but training rows."""
        if split not in self._rows:
            with tf.init_scope():  # these tensors outlive a graph that asks for them first
                self._rows[split] = self.opened.rows(split)._replace(class_weight=self._class_weight(split))
        return self._rows[split]

    def _class_weight(self, split: str) -> Tensors:
        weighing = [task for task in self._tasks if task.class_weight is not None]
        if not weighing:
            return {}
        train, floatx = self.labels("train"), keras.config.floatx()
        found = class_weights(weighing, train, {task.name: weights_by_class(task, train) for task in weighing})
        if split == "train":
            return {name: tf.cast(weight, floatx) for name, weight in found.items()}
        return {name: tf.ones((self.count(split), *weight.shape[1:]), floatx) for name, weight in found.items()}

    def labels(self, split: str) -> Batch:
        """Return all rows of a split as one batch, whose outputs are only as wide as the model's: for what reads labels alone."""
        rows = self.opened.rows(split)
        return self.batch(rows._replace(extra={}), Passed(self.opened.outputs, [], []), no_model)

    def masks(self, split: str) -> Tensors:
        """Return a split's masks [rows, steps], by the names of the outputs that have one: the model runs once over the rows."""
        masked = [name for name, output in self.opened.outputs.items() if mask_of(output) is not None]
        if not masked:
            return {}
        network, rows = self.opened.example, self.opened.rows(split).inputs
        values = [tf.convert_to_tensor(variable) for variable in network.variables]
        trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
        parts: dict[str, list[Tensor]] = {name: [] for name in masked}
        for first in range(0, self.count(split), self.batch_size):
            batch = {name: array[first : first + self.batch_size] for name, array in rows.items()}
            outputs = network(trainable, state, batch, training=False).outputs
            for name, found in parts.items():
                found.append(mask_of(outputs[name]))
        return {name: tf.concat(found, axis=0) for name, found in parts.items()}

    def count(self, split: str) -> int:
        return self.opened.loaded.splits[split].count

    def steps(self, split: str) -> int:
        """Return the number of batches, the short last one included."""
        return -(-self.count(split) // self.batch_size)

    def network(self, seed: int) -> Network:
        """Return a new model with the initial weights of `seed`; with those of seed 0 where all trainings start alike."""
        return self.opened.network(self.start_seed(seed))

    def untouched_network(self, seed: int) -> Network:
        """Return a model as `network` does, but one that others read as well: nothing may be assigned to its variables."""
        return self.opened.untouched(self.start_seed(seed))

    def start_seed(self, seed: int) -> int:
        """Return the seed of the weights that a training under `seed` begins from: 0 where all begin from the same."""
        return 0 if self._starts_alike else seed

    def example_rows(self, count: int = 2) -> DeviceRows:
        """Return the first `count` training rows, and a batch of each point set."""
        return self.chosen("train", np.arange(min(count, self.count("train")), dtype=np.int32))

    def slice(self, rows: DeviceRows, order: Tensor, step: Tensor, extra_orders: Tensors) -> DeviceRows:
        """Return the rows of batch `step` under `order` [rows]; the last may be shorter. Point sets go round in their orders.

        Under orders [K, rows], one a setting, all that is returned is [K, batch, ...].
        """
        start = step * self.batch_size
        chosen = order[..., start : tf.minimum(start + self.batch_size, tf.shape(order)[-1])]
        extra = {name: self._points(name, points, step, extra_orders[name]) for name, points in rows.extra.items()}
        return _chosen(rows, chosen)._replace(extra=extra)

    def chosen(self, split: str, places: Any) -> DeviceRows:
        """Return some rows of a split, and a batch of each point set."""
        extra = {name: points[: self.extra_sizes[name]] for name, points in self.rows(split).extra.items()}
        return _chosen(self.rows(split), tf.constant(places))._replace(extra=extra)

    def _points(self, name: str, points: Tensor, step: Tensor, order: Tensor) -> Tensor:
        size = self.extra_sizes[name]
        places = (step * size + tf.range(size)) % tf.shape(order)[-1]
        drawn = tf.gather(points, tf.gather(order, places, axis=-1))
        return tf.ensure_shape(drawn, [*order.shape[:-1], size, *points.shape[1:]])

    def batch(
        self,
        rows: DeviceRows,
        passed: Passed,
        forward: Callable[[Any, Tensor | None], Tensors],
        arguments: Tensor | None = None,
    ) -> Batch:
        """Return what terms and metrics see of `rows` after a forward pass; `forward(x, active)` runs the same model again.

        `arguments` are the setting's searched ones [arguments] (default: the usual ones).
        """
        weights = dict(rows.sample_weight)
        every = weights.pop(EVERY_OUTPUT, None)
        if every is not None:
            weights = dict.fromkeys(passed.outputs, every) | weights  # an output's own come first
        searched = self.term_arguments(arguments)
        targets, labelled = without_missing(self._tasks, widened(rows.targets, self._narrow))
        known: dict[str, Any] = {"labelled": labelled, "class_weight": rows.class_weight}
        return Batch(
            rows.inputs, targets, passed.outputs, weights, rows.extra, forward, searched=searched, row_weight=every, **known
        )


def no_model(x: Any, active: Tensor | None) -> Tensors:
    """Stand for the model in a batch of outputs or labels alone."""
    raise RuntimeError("a metric of rows does not call the model")


def _head(path: str) -> str:
    return path.partition(".")[0]


def _chosen(rows: DeviceRows, places: Tensor) -> DeviceRows:
    parts = (rows.inputs, rows.targets, rows.sample_weight, rows.class_weight, rows.features)
    inputs, targets, weights, classes, kept = ({name: tf.gather(tensor, places) for name, tensor in part.items()} for part in parts)
    return DeviceRows(inputs, targets, weights, rows.extra, classes, kept)
