"""Check with the loaded model what a definition alone cannot show, before anything is trained.

Everything here raises PreflightError with the place in the definition, or the user's file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from search.catalog import find_loss
from search.definition.schema import Loss, StudyDefinition, Task
from search.definition.space import SearchSpace
from search.errors import PreflightError
from search.names import listed
from search.training.child.data_checks import cautions, refuse_unmeasurable
from search.training.child.label_checks import refuse_reading_missing, refuse_unreadable_labels
from search.training.child.model_checks import assigned_in_measuring, require_assignments_as_fit, require_new_model
from search.training.child.random_checks import require_repeatable, require_repeatable_model
from search.training.problem.batch import Batch, Tensor, shape_text
from search.training.problem.keras_private import layers_of
from search.training.problem.labels import has_class_ids
from search.training.problem.metrics import CountingMetric, RowMean
from search.training.problem.network import Network, Passed
from search.training.problem.optimizers import made_optimizer
from search.training.problem.problem import TrainingProblem
from search.training.problem.seeding import epoch_order
from search.training.problem.step import training_batch
from search.training.problem.terms import TermFunction, own_values
from search.training.problem.views import TaskView
from search.validation.workload_checks import UnfitShape, WorkloadShapes, side_faults, task_faults
from search.workloads.blame import one_line, place_of

OWN_STEPS = ("train_step", "test_step", "compute_loss")
OWN_LOOPS = ("fit", "make_train_function")


def preflight(problem: TrainingProblem, definition: StudyDefinition) -> list[str]:
    """Refuse what would fail, or would be trained otherwise than `fit` trains it. Returns warnings.

    Reads the names and shapes that tasks and selectors ask for, then runs the first batch of training through every term
    (finite? does its gradient reach the model?) and every metric (one number?).
    """
    require_trainable_as_fit(problem.opened.example.model)
    made_optimizer(problem.optimizer)
    _names(problem, definition)
    refuse_unreadable_labels(problem, definition)
    refuse_unmeasurable(problem, definition)
    first = _first_batch(problem, definition.search.seed)
    _repeatable_model(problem, fresh=definition.training.initial_weights == "fresh")
    for i, task in enumerate(definition.tasks):
        for j, loss in enumerate(task.losses):
            _loss_shapes(f"tasks.{i}.losses.{j}", task, loss, problem, first.batch)
    with _named_errors("tasks", "term_failed", "a term or metric of a task that lacks labels"):
        refuse_reading_missing(problem, definition)
    weights = {term.path: term.weight for term in SearchSpace(definition).terms}
    for term in problem.terms:
        _own_shape(term, first.batch, problem, definition.search.seed)
        _term(term, first, used=weights[term.path] != 0)
    _metrics(problem, first)
    return [*cautions(problem, definition, first.batch), *assigned_in_measuring(problem)]


def _repeatable_model(problem: TrainingProblem, *, fresh: bool) -> None:
    other = require_new_model(problem.opened) if fresh else None
    trained = require_assignments_as_fit(problem)
    with _named_errors("build_model", "workload_failed", "the model"):
        require_repeatable_model(problem, trained, other)


def require_trainable_as_fit(model: Any) -> None:
    """Refuse a model that trains in a way of its own, which the engine would not honour."""
    for step in (*OWN_STEPS, *OWN_LOOPS):
        if getattr(type(model), step) is not getattr(keras.Model, step) or step in vars(model):
            text = f"the model has its own {step}(): the service trains by the study's terms, so put it into a loss f(batch)"
            if step in OWN_LOOPS:
                text = f"the model has its own {step}(), which the service does not call: put it into load_data() or a layer"
            raise PreflightError("unsupported_model", text, "build_model")
    for layer in layers_of(model):
        if layer.compute_dtype != layer.variable_dtype:
            text = f"layer {layer.name!r} has the dtype policy {layer.dtype_policy.name!r}: mixed precision is not yet supported"
            way = f"give all layers one dtype, such as {keras.config.floatx()!r}"
            raise PreflightError("unsupported_model", f"{text}; {way}", "build_model")
    for tensor in tf.nest.flatten(getattr(model, "inputs", None) or []):
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            raise PreflightError(
                "unsupported_model", f"input {tensor.name!r} is sparse or ragged: only dense inputs are supported", "build_model"
            )
    if not model.trainable_variables:
        raise PreflightError("unsupported_model", "the model has no trainable weights", "build_model")


# Names


def _names(problem: TrainingProblem, definition: StudyDefinition) -> None:
    """Refuse the first name or column that the loaded model does not have, and sides of unequal shape, by the rules of a POST."""
    outputs, rows, workload = problem.opened.outputs, problem.opened.rows("train"), problem.opened.workload
    shapes = WorkloadShapes(_shapes(rows.inputs), _shapes(outputs), _shapes(rows.targets), workload.losses, workload.metrics)
    tasks, penalties = dict(enumerate(definition.tasks)), dict(enumerate(definition.penalties))
    for fault in (*task_faults(tasks, shapes), *side_faults(tasks, penalties, shapes)):
        raise PreflightError("bad_shape" if isinstance(fault, UnfitShape) else "unknown_name", fault.text, fault.path)
    known = {*outputs, *rows.targets, ""}
    for name in rows.sample_weight:
        if name not in known:
            text = f"sample_weight has the key {name!r}: expected an output or a target ({listed(known - {''})})"
            raise PreflightError("bad_data", text, "load_data: sample_weight")


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int | None, ...]]:
    return {name: (None, *tensor.shape[1:]) for name, tensor in tensors.items()}


# One batch


class _FirstBatch(NamedTuple):
    """The first batch of training, after a forward pass on `tape` through the weights `trainable`."""

    batch: Batch
    network: Network
    passed: Passed
    trainable: list[Tensor]
    tape: tf.GradientTape

    def value(self, of_batch: Callable[[Batch], Tensor]) -> Tensor:
        """Return what a term or metric gives, drawing what it draws at its first step."""
        with self.network.read(self.passed._replace(state=[*self.passed.state])):
            return of_batch(self.batch)


def _first_batch(problem: TrainingProblem, seed: int, rows_left_out: int = 0) -> _FirstBatch:
    """Return the first batch of training under `seed`.

    rows_left_out: how many of the batch's last rows are not taken.
    """
    count = min(problem.batch_size, problem.count("train")) - rows_left_out
    order = tf.constant(epoch_order(seed, 0, problem.count("train"), shuffle=problem.shuffle)[:count])
    extra = {name: tf.range(len(points.points)) for name, points in problem.opened.loaded.extra.items()}
    rows = problem.slice(problem.rows("train"), order, tf.constant(0), extra)
    network = problem.untouched_network(seed)
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
    tape = tf.GradientTape(persistent=True)
    with _named_errors("build_model", "workload_failed", "the model"), tape:
        tape.watch(trainable)
        batch, passed = training_batch(problem, network, rows, trainable, state)
    return _FirstBatch(batch, network, passed, trainable, tape)


def _loss_shapes(at: str, task: Task, loss: Loss, problem: TrainingProblem, batch: Batch) -> None:
    """Refuse a target that Keras would broadcast against the output, and class ids outside of the output's width."""
    entry = find_loss(loss.loss)
    if loss.loss in problem.opened.workload.losses or entry is None or entry.labels == "sequence":
        return
    view = TaskView(task)
    target, prediction = view.target(batch, loss.target), view.raw(batch)
    shapes_text = f"the target is {shape_text(target)}, the output {shape_text(prediction)}"
    if entry.labels == "integer":
        _class_ids(at, task, loss, problem, target, prediction)
        return
    fewer = len(target.shape) == len(prediction.shape) - 1 and prediction.shape[-1] == 1
    equal = len(target.shape) == len(prediction.shape) and target.shape[1:] == prediction.shape[1:]
    if not (equal or (fewer and target.shape[1:] == prediction.shape[1:-1])):
        meant = "sparse_" + entry.name if has_class_ids(target, prediction) and find_loss("sparse_" + entry.name) else None
        hint = f" (did you mean {meant!r}, for class ids?)" if meant else ""
        raise PreflightError("bad_shape", f"{loss.loss} wants target and output of equal shape; {shapes_text}{hint}", at)


def _class_ids(at: str, task: Task, loss: Loss, problem: TrainingProblem, target: Tensor, prediction: Tensor) -> None:
    if not has_class_ids(target, prediction):
        text = f"{loss.loss} wants class ids, one axis less than the output; the target is {shape_text(target)}"
        raise PreflightError("bad_shape", f"{text}, the output {shape_text(prediction)}", at)
    width, ignored = int(prediction.shape[-1]), loss.config.get("ignore_class")
    if loss.loss == "circle":  # rows of an embedding, not of class scores
        return
    for split in problem.opened.loaded.splits:
        labels, view = problem.labels(split), TaskView(task)
        ids, there = np.asarray(view.target(labels, loss.target)), view.labelled(labels, loss.target)
        outside = (ids != ignored) & ((ids < 0) | (ids >= width)) & (True if there is None else np.asarray(there))
        if outside.any():
            worst = ids[outside].ravel()[0]
            raise PreflightError("bad_labels", f"{loss.loss}: {split} has the class id {worst}, the output has {width} classes", at)


def _own_shape(term: TermFunction, batch: Batch, problem: TrainingProblem, seed: int) -> None:
    """Refuse values of the user's function whose first axis is not the rows, or with another that grows with them.

    [batch] against [batch, 1] broadcasts to [batch, batch], in silence.
    """
    if term.own is None:
        return
    with _named_errors(term.at, "term_failed", term.path, batch):
        value = own_values(term.own(batch))
    rows = len(next(iter(batch.outputs.values())))
    if len(value.shape) == 0:
        return
    if value.shape[0] != rows:
        text = f"{term.path} should return a scalar or values [batch, ...], and returns {list(value.shape)} for {rows} rows"
        raise PreflightError("bad_shape", f"{text}{_of_points(value, batch)}", term.at)
    if rows in value.shape[1:] and rows > 1:
        with _named_errors(term.at, "term_failed", term.path):
            fewer = own_values(term.own(_first_batch(problem, seed, rows_left_out=1).batch))
        if tuple(fewer.shape[1:]) != tuple(value.shape[1:]):
            text = f"{term.path} returns [batch, batch]: it compares [batch] with [batch, 1] somewhere, which broadcasts"
            raise PreflightError("bad_shape", f"{text}; bring both to one shape", term.at)


def _sizes(batch: Batch) -> str:
    """Return how many points and rows a batch has, where it has points: they are not the same ones."""
    points = [f"batch.extra[{name!r}] has {len(each)} points" for name, each in batch.extra.items()]
    rows = len(next(iter(batch.outputs.values())))
    return f" ({', '.join(points)}, and the batch {rows} rows: they have nothing to do with each other)" if points else ""


def _to_read(batch: Batch) -> str:
    """Return what a function of the user's may read by name."""
    parts = {"outputs": batch.outputs, "targets": batch.targets, "inputs": batch.inputs, "extra": batch.extra}
    return f" ({'; '.join(f'{part}: {listed(tensors)}' for part, tensors in parts.items() if tensors)})"


def _of_points(value: Tensor, batch: Batch) -> str:
    """Return the way out where values have one entry a point of a point set, which are no rows."""
    sets = [name for name, points in batch.extra.items() if points.shape[0] == value.shape[0]]
    if not sets:
        return ""
    return f": one value a point of batch.extra[{sets[0]!r}]; points are no rows, so return their mean, keras.ops.mean(...)"


def _term(term: TermFunction, first: _FirstBatch, used: bool) -> None:
    with _named_errors(term.at, "term_failed", term.path):
        with first.tape:
            value = first.value(term)
        gradients = [part for part in first.tape.gradient(value, first.trainable) if part is not None]
        require_repeatable(term.path, term.at, lambda: first.value(term), first.network)
    if not used:
        return
    if not np.isfinite(float(value)):
        raise PreflightError("not_finite", f"{term.path} is {float(value)} on the first batch, before any training", term.at)
    if not gradients:
        raise PreflightError("no_gradient", f"no gradient of {term.path} reaches the model's trainable weights", term.at)
    if not all(bool(tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(part)))) for part in gradients):
        raise PreflightError(
            "not_finite", f"the gradient of {term.path} is not finite on the first batch, before any training", term.at
        )


def _metrics(problem: TrainingProblem, first: _FirstBatch) -> None:
    for row_metric in problem.row_metrics:
        with _named_errors(row_metric.at, "metric_failed", row_metric.path, first.batch):
            values = np.asarray(_row_values(row_metric, first))
        if np.isnan(values).all():
            text = f"{row_metric.path} is not a number for any row of the first batch (a correlation within rows of width 1?)"
            raise PreflightError("bad_metric", text, row_metric.at)
        if row_metric.values is None:
            require_repeatable(row_metric.path, row_metric.at, partial(_row_values, row_metric, first), first.network)
    for counted in problem.counted_metrics:
        with _named_errors(counted.at, "metric_failed", counted.path, first.batch):
            result = np.asarray(counted.make(first.batch).result())
        if result.size != 1:
            raise PreflightError(
                "bad_metric", f"{counted.path} gives {result.size} numbers, and a metric is one number", counted.at
            )
        if counted.entry is None:
            require_repeatable(counted.path, counted.at, partial(_counted, counted, first.batch), first.network, assigns=False)


def _row_values(metric: RowMean, first: _FirstBatch) -> Tensor:
    """Return a metric's values of the first batch; what sees the whole batch is measured beside the terms, and draws as they do."""
    if metric.of_rows:
        return metric.measure(first.batch).values
    return first.value(lambda batch: metric.measure(batch).values)


def _counted(metric: CountingMetric, batch: Batch) -> Tensor:
    counter = metric.make(batch)
    counter.update_state(*metric.arguments(batch))
    return counter.result()


@contextmanager
def _named_errors(at: str, code: str, name: str, batch: Batch | None = None) -> Iterator[None]:
    """Turn what is raised inside into PreflightError: the user's file and line, else the place in the definition.

    batch: what the user's function read, described where its sizes or names are what may be wrong.
    """
    try:
        yield
    except PreflightError:
        raise
    except Exception as error:
        text = one_line(error)
        more = "" if batch is None else _sizes(batch) if "shape" in text.lower() else _to_read(batch) * isinstance(error, KeyError)
        raise PreflightError(code, f"{name}: {text}{more}", place_of(error) or at) from error
