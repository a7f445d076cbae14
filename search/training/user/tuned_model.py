"""A Keras model around another that trains what was tuned where `compile` cannot say it: any terms, and weights that move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from search.definition.schedules import AppliedSchedule
from search.definition.schema import Task
from search.training.problem.batch import Batch, Tensor, Tensors, as_columns, gate
from search.training.problem.class_weights import ClassTables, class_weights
from search.training.problem.keras_private import inputs_structure, outputs_structure, takes_training
from search.training.problem.metrics import RowMean
from search.training.problem.network import named_outputs
from search.training.problem.reduction import TermValue
from search.training.problem.terms import TermFunction
from search.training.problem.views import narrow_targets, widened, without_missing
from search.workloads.data import INPUT, TARGET

_AFTER_CALLBACKS = ("validation_split", "validation_data", "shuffle", "class_weight", "sample_weight")
"""What `fit` may be given by position after its callbacks."""


class MovingWeights:
    """The weights that follow a schedule, by term path: non-trainable variables, set anew when an epoch of `fit` begins.

    They are no part of the model's own weights, so that what is saved is the model alone.
    """

    def __init__(self, schedules: Mapping[str, AppliedSchedule], weights: Mapping[str, float], epochs: int) -> None:
        self._schedules, self._weights, self._epochs = schedules, weights, epochs
        self._begun = 0
        self.values = {
            path: keras.Variable(weights[path] * schedule.factor(0, epochs), trainable=False, dtype=keras.config.floatx())
            for path, schedule in schedules.items()
        }

    def begin_epoch(self, epoch: int) -> None:
        """Set the weights of the next epoch, from 0: as many as have begun here, or `epoch` where Keras has counted further.

        So `fit(epochs=E)`, E times `fit(epochs=1)` and `fit(initial_epoch=e)` after a restart all mean the same. Beyond the study's
        number of epochs the final weights stay.
        """
        epoch = max(self._begun, epoch)
        self._begun = epoch + 1
        for path, value in self.values.items():
            value.assign(self._weights[path] * self._schedules[path].factor(epoch, self._epochs))


class _EpochBegins(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, moving: MovingWeights) -> None:
        super().__init__()
        self._moving = moving

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._moving.begin_epoch(epoch)


class Tuned:
    """Mixed into a model: its loss is the study's weighted terms and the model's own losses. Each raw term is a metric."""

    losses: list[Tensor]

    def tune(
        self,
        tasks: Sequence[Task],
        terms: Sequence[TermFunction],
        metrics: Sequence[RowMean],
        weights: Mapping[str, float],
        moving: MovingWeights | None,
    ) -> None:
        """Set what is trained and measured. `weights` are final ones; those of `moving` come to theirs in training."""
        self._tuned_tasks = tuple(tasks)
        self._tuned_terms = tuple(terms)
        self._tuned_metrics = tuple(metrics)
        self._tuned_weights = dict(weights)
        self._tuned_moving = moving
        self._tuned_classes = ClassTables(tasks)
        self._tuned_means = {term.path: keras.metrics.Mean(name=term.path) for term in terms}
        self._tuned_means |= {metric.path: keras.metrics.Mean(name=metric.path) for metric in metrics}

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: Any = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *more: Any,
        **named: Any,
    ) -> Any:
        """Train as every Keras model does; weights that follow a schedule are set when an epoch begins.

        Classes are balanced over the rows that are given here, without those of `validation_split`. Raises ValueError for rows that
        are no arrays then.
        """
        if self._tuned_classes.balance:
            given = dict(zip(_AFTER_CALLBACKS, more, strict=False)) | named
            share = 0.0 if given.get("validation_data") is not None else given.get("validation_split") or 0.0
            self._tuned_classes.count(labels_of(self, x, y, given.get("sample_weight"), self._tuned_tasks, share))
        if self._tuned_moving is not None:
            callbacks = _with(callbacks, _EpochBegins(self._tuned_moving))
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, *more, **named)  # type: ignore[misc]  # a model's

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Return the total loss of a batch: the sum of weight * term over terms of weight != 0, and the model's own losses."""
        total = sum((ops.sum(loss) for loss in self.losses), ops.zeros(()))  # before a term calls the model again
        batch = batch_of(self, x, y, y_pred, sample_weight, training, self._tuned_tasks)
        if training:
            batch = replace(batch, class_weight=class_weights(self._tuned_tasks, batch, self._tuned_classes.tables()))
        for term in self._tuned_terms:
            weighted, measured = self._weighted(term, batch)
            total = total + ops.cast(weighted, total.dtype)
            self._tuned_means[term.path].update_state(measured.mean, sample_weight=measured.weight)
        for metric in self._tuned_metrics:
            self._tuned_means[metric.path].update_state(*metric.measure(batch))
        return total

    def _weighted(self, term: TermFunction, batch: Batch) -> tuple[Tensor, TermValue]:
        """Return weight * term of the batch, and the raw term.

        Where the weight is 0, for good or in this epoch, the term is left out as in a study: neither its value nor its gradient
        gets through, and what it alone would train has a gradient of 0.
        """
        moving = self._tuned_moving.values if self._tuned_moving is not None else {}
        fixed = self._tuned_weights[term.path]
        if term.path not in moving and fixed != 0:
            measured = term.measure(batch)
            return fixed * measured.mean, measured
        weight = ops.convert_to_tensor(moving.get(term.path, fixed), dtype=keras.config.floatx())
        active = ops.not_equal(weight, 0)
        measured = term.measure(batch.gated(active))
        value = measured.mean
        return ops.where(active, ops.cast(weight, value.dtype) * value, ops.zeros_like(value)), measured


def _with(callbacks: Any, added: keras.callbacks.Callback) -> Any:
    """Return the callbacks that `fit` was given, in whatever form, and one more."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        if not any(isinstance(each, type(added)) for each in callbacks.callbacks):  # the list may serve several fits
            callbacks.callbacks.append(added)
        return callbacks
    return [added, *keras.tree.flatten(callbacks)] if callbacks else [added]


def batch_of(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool, tasks: Sequence[Task]) -> Batch:
    """Return what the terms and metrics of `tasks` see of a batch, from what Keras hands to `compute_loss`."""
    outputs = as_columns(named_outputs(model, y_pred))
    single = next(iter(outputs)) if len(outputs) == 1 else TARGET
    targets = y if isinstance(y, Mapping) else {single: y}
    weights = sample_weight if isinstance(sample_weight, Mapping) else dict.fromkeys(outputs, sample_weight)
    given = {name: weight for name, weight in weights.items() if weight is not None}
    inputs = x if isinstance(x, Mapping) else {INPUT: x}
    every = None if isinstance(sample_weight, Mapping) else sample_weight
    targets, labelled = without_missing(tasks, widened(targets, narrow_targets(tasks, outputs, targets)))

    def again(other: Any, active: Tensor | None) -> Tensors:
        return as_columns(_again(model, other, active, training))

    return Batch(inputs, targets, outputs, given, {}, again, row_weight=every, labelled=labelled)


def labels_of(model: Any, x: Any, y: Any, sample_weight: Any, tasks: Sequence[Task], validation_split: float = 0) -> Batch:
    """Return all rows that `fit` trains on as one batch with the outputs of a single row: for what reads labels alone.

    validation_split: the share of rows, the last ones, that it holds out.
    """
    if y is None or not all(isinstance(part, np.ndarray) for part in keras.tree.flatten(y)):
        text = 'class_weight "balanced" counts the labels that fit() is given: pass x and y as NumPy arrays, or dicts of them'
        raise ValueError(f"{text}; or put a weight by class in its place")
    few = keras.tree.map_structure(lambda part: ops.convert_to_tensor(part[:1]), x)
    count = int(len(keras.tree.flatten(y)[0]) * (1.0 - validation_split))
    rows = keras.tree.map_structure(lambda part: ops.convert_to_tensor(part[:count]), (y, sample_weight), none_is_leaf=False)
    return batch_of(model, few, rows[0], called(model, few, False), rows[1], False, tasks)


def _again(model: Any, x: Any, active: Tensor | None, training: bool) -> Tensors:
    """Run the model on other inputs; with `active`, no gradient reaches its variables unless it is true."""
    if active is None:
        return called(model, x, training)
    gated = [(variable, gate(ops.convert_to_tensor(variable), active)) for variable in model.trainable_variables]
    with keras.StatelessScope(state_mapping=gated):
        return called(model, x, training)


def called(model: Any, x: Any, training: bool | None) -> dict[str, Tensor]:
    """Return the model's outputs by name."""
    arguments = {"training": training} if takes_training(model) else {}
    return named_outputs(model, model(x, **arguments))


class _Graph(Tuned, keras.Model):  # type: ignore[misc]
    """A tuned model over the graph of layers of another."""


class _Around(Tuned, keras.Model):  # type: ignore[misc]
    """A tuned model around one that is no graph of layers."""

    def __init__(self, inner: keras.Model) -> None:
        super().__init__(name=inner.name)
        self.inner = inner

    def call(self, x: Any, training: bool | None = None) -> Any:
        return called(self.inner, x, training)


def around(model: keras.Model) -> Any:
    """Return a model with the layers and weights of `model` that can be tuned."""
    structure = outputs_structure(model)
    if structure is None:
        return _Around(model)
    return _Graph(inputs_structure(model), named_outputs(model, structure), name=model.name)
