"""What is trained and measured: rows, terms and metrics as functions of a batch. Not how it is trained.

An engine asks a Problem for networks, slices of rows and batches, and never looks into a definition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from search.definition.schema import StudyDefinition
from search.definition.searched_arguments import OPTIMIZER
from search.definition.space import SearchSpace
from search.training.problem.batch import Batch, Tensor, Tensors
from search.training.problem.metrics import CountingMetric, RowMean, metric_functions
from search.training.problem.network import Network, Passed
from search.training.problem.terms import term_functions
from search.training.problem.views import narrow_targets, widened
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
        self._starts_alike = definition.training.initial_weights == "fixed"
        self.terms = term_functions(definition.tasks, definition.penalties, opened.workload)
        metrics = metric_functions(definition.tasks, opened.workload, self.terms)
        self.row_metrics = tuple(metric for metric in metrics if isinstance(metric, RowMean))
        self.counted_metrics = tuple(metric for metric in metrics if isinstance(metric, CountingMetric))
        usual = SearchSpace(definition).usual_arguments()
        self.usual = {path: usual[path] for path in SearchSpace(definition).arguments}
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
        return self.opened.rows(split)

    def count(self, split: str) -> int:
        return self.opened.loaded.splits[split].count

    def steps(self, split: str) -> int:
        """Return the number of batches, the short last one included."""
        return -(-self.count(split) // self.batch_size)

    def network(self, seed: int) -> Network:
        """Return a model with the initial weights of `seed`; with those of seed 0 where all trainings start alike."""
        return self.opened.network(0 if self._starts_alike else seed)

    def example_rows(self, count: int = 2) -> DeviceRows:
        """Return the first `count` training rows, and a batch of each point set."""
        rows = self.opened.example_rows(count)
        return rows._replace(extra={name: points[: self.extra_sizes[name]] for name, points in rows.extra.items()})

    def slice(self, rows: DeviceRows, order: Tensor, step: Tensor, extra_orders: Tensors) -> DeviceRows:
        """Return the rows of batch `step` under `order` [rows]; the last may be shorter. Point sets go round in their orders."""
        start = step * self.batch_size
        chosen = order[start : tf.minimum(start + self.batch_size, tf.shape(order)[0])]
        extra = {name: self._points(name, points, step, extra_orders[name]) for name, points in rows.extra.items()}
        parts = (rows.inputs, rows.targets, rows.sample_weight, rows.features)
        inputs, targets, weights, features = (_gathered(part, chosen) for part in parts)
        return DeviceRows(inputs, targets, weights, extra, features)

    def _points(self, name: str, points: Tensor, step: Tensor, order: Tensor) -> Tensor:
        size = self.extra_sizes[name]
        places = (step * size + tf.range(size)) % tf.shape(order)[0]
        return tf.ensure_shape(tf.gather(points, tf.gather(order, places)), [size, *points.shape[1:]])

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
        targets = widened(rows.targets, self._narrow)
        return Batch(rows.inputs, targets, passed.outputs, weights, rows.extra, forward, searched=searched, row_weight=every)


def _head(path: str) -> str:
    return path.partition(".")[0]


def _gathered(tensors: Tensors, places: Tensor) -> dict[str, Tensor]:
    return {name: tf.gather(tensor, places) for name, tensor in tensors.items()}
