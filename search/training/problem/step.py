"""One batch through the model and all terms, as a pure function of the model's variables: what every engine trains by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from search.training.problem.batch import Batch, Tensor, Tensors, chosen
from search.training.problem.metrics import RowMean
from search.training.problem.network import Network, Passed
from search.training.problem.problem import TrainingProblem
from search.training.problem.reduction import RowValues, TermValue
from search.training.problem.setting_inputs import SettingInputs
from search.training.problem.workload import DeviceRows


class Step(NamedTuple):
    """A training step before the optimizer.

    total: the batch's total loss, a scalar. own: the model's own losses, which are part of it. terms: the unweighted terms of the
    batch [terms], 0 where nothing in it counts. sums: what they are the quotients of, (total, weight) [terms, 2]; see
    `reduction.TermValue`. state, trainable: the model's variables after the pass; see `Passed`.
    """

    total: Tensor
    own: Sequence[Tensor]
    terms: Tensor
    sums: Tensor
    state: list[Tensor]
    trainable: Sequence[Tensor]

    @property
    def own_total(self) -> Tensor:
        """Return the sum of the model's own losses, a scalar."""
        total = tf.zeros((), self.terms.dtype)
        for loss in self.own:
            total += tf.cast(tf.reduce_sum(loss), self.terms.dtype)
        return total


def weighted_step(
    problem: TrainingProblem,
    network: Network,
    rows: DeviceRows,
    trainable: Sequence[Tensor],
    state: Sequence[Tensor],
    knobs: SettingInputs,
) -> Step:
    """Run a training step's forward half: total = sum of weight * term over terms of weight != 0, plus the model's own losses.

    `knobs` are one setting's: weights [terms], arguments [arguments]. A term of weight 0 is measured but left out of the total and
    of its gradient.
    """
    weights = knobs.weights
    batch, passed = training_batch(problem, network, rows, trainable, state, knobs.arguments)
    total = tf.zeros((), weights.dtype)
    values, sums = [], []
    for i, term in enumerate(problem.terms):
        active = tf.not_equal(weights[i], 0)
        with network.read(passed):
            measured = term.measure(batch.gated(active))
        value = tf.cast(measured.mean, weights.dtype)
        total += chosen(active, weights[i] * value, tf.zeros_like(value))
        values.append(value)
        sums.append(_sums(measured, weights.dtype))
    for loss in passed.losses:
        total += tf.cast(tf.reduce_sum(loss), weights.dtype)
    return Step(total, passed.losses, tf.stack(values), tf.stack(sums), passed.state, passed.trainable)


def training_batch(
    problem: TrainingProblem,
    network: Network,
    rows: DeviceRows,
    trainable: Sequence[Tensor],
    state: Sequence[Tensor],
    arguments: Tensor | None = None,
) -> tuple[Batch, Passed]:
    """Run the model on a batch in training mode; return what the terms see of it, and all that came of the pass.

    `arguments` are the setting's searched ones [arguments] (default: the usual ones).
    """
    return _run(problem, network, rows, trainable, state, arguments, training=True)


def measured_batch(
    problem: TrainingProblem,
    network: Network,
    rows: DeviceRows,
    trainable: Sequence[Tensor],
    state: Sequence[Tensor],
    arguments: Tensor | None = None,
    metrics: Sequence[RowMean] = (),
) -> tuple[Batch, Tensor, list[RowValues]]:
    """Run the model on a batch without training.

    Returns what the terms see of it, their (total, weight) [terms, 2], and what `metrics` of the batch give. `arguments` are as for
    `training_batch`.
    """
    batch, passed = _run(problem, network, rows, trainable, state, arguments, training=False)
    with network.read(passed):
        terms = [_sums(term.measure(batch), keras.config.floatx()) for term in problem.terms]
        return batch, tf.stack(terms), [metric.measure(batch) for metric in metrics]


def _sums(measured: TermValue, dtype: Any) -> Tensor:
    return tf.stack([tf.cast(measured.total, dtype), tf.cast(measured.weight, dtype)])


def _run(
    problem: TrainingProblem,
    network: Network,
    rows: DeviceRows,
    trainable: Sequence[Tensor],
    state: Sequence[Tensor],
    arguments: Tensor | None,
    *,
    training: bool,
) -> tuple[Batch, Passed]:
    passed = network(trainable, state, rows.inputs, training, rows.features)

    def again(x: Any, active: Tensor | None) -> Tensors:
        return network.outputs(passed.trainable, passed.state, x, training, active)

    return problem.batch(rows, passed, again, arguments), passed
