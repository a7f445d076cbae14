"""The terms of a study as functions of a batch: component losses, built-in penalties, and the workload's own f(batch)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
from keras import ops

from search.catalog import find_loss, find_penalty, keras_arguments
from search.definition.schema import Loss, Penalty, Task
from search.definition.searched_arguments import fixed, searched_in
from search.errors import Refused
from search.names import listed
from search.training.problem.batch import Batch, Tensor, Tensors, row_means
from search.training.problem.keras_private import with_arguments
from search.training.problem.penalties import BATCH_PENALTIES, ROW_PENALTIES, shape_text
from search.training.problem.views import TaskView, select
from search.workloads.base import Bound

OWN_TOLERANCE = 0.1
"""Row value above which a row breaks a penalty of the workload's own, unless its config has `tolerance`."""


@dataclass(frozen=True)
class Measured:
    """One term's values in a batch: the scalar, and one value a row [batch] where there are rows."""

    value: Tensor
    rows: Tensor | None


@dataclass(frozen=True)
class TermFunction:
    """An unweighted term. `at` is its place in the definition; `violations` the row value above which a row breaks a penalty.

    `built_in`: made of Keras's losses or our penalties; False for the workload's own f(batch).
    """

    path: str
    kind: Literal["loss", "penalty"]
    at: str
    measure: Callable[[Batch], Measured]
    violations: float | None = None
    built_in: bool = True

    def __call__(self, batch: Batch) -> Tensor:
        """Return the term's value in a batch: a scalar."""
        return self.measure(batch).value


def term_functions(tasks: Sequence[Task], penalties: Sequence[Penalty], workload: Bound) -> tuple[TermFunction, ...]:
    """Return every term's function: losses in the order of the tasks, then penalties. Raises Refused for a name nobody knows."""
    views = {task.name: TaskView(task) for task in tasks}
    losses = [
        _loss(f"tasks.{i}.losses.{j}", views[task.name], loss, workload)
        for i, task in enumerate(tasks)
        for j, loss in enumerate(task.losses)
    ]
    return (*losses, *(_penalty(f"penalties.{i}", penalty, views, workload) for i, penalty in enumerate(penalties)))


def _loss(at: str, view: TaskView, loss: Loss, workload: Bound) -> TermFunction:
    path = f"{view.task.name}.{loss.name}"
    if loss.loss in workload.losses:
        own = _with_searched(path, loss.config, partial(workload.losses[loss.loss], **fixed(loss.config)))
        measure = partial(_own, path, own, partial(view.sample_weight, name=loss.target))
        return TermFunction(path, "loss", at, measure, built_in=False)
    return TermFunction(path, "loss", at, partial(_keras_loss, view, loss, made_loss(at, loss, view.task.from_logits)))


def made_loss(at: str, loss: Loss, from_logits: bool) -> keras.losses.Loss:
    """Return the Keras loss that `loss` names, as the mean over labelled rows; searched arguments have Keras's defaults."""
    entry = find_loss(loss.loss)
    if entry is None:
        raise Refused("unknown_loss", f"{loss.loss!r} is no loss of keras.losses, nor one of the workload's", f"{at}.loss")
    arguments = keras_arguments(entry, fixed(loss.config))
    if entry.knows_logits:
        arguments["from_logits"] = from_logits
    return getattr(keras.losses, entry.keras_class or "")(reduction="mean_with_sample_weight", **arguments)


def _keras_loss(view: TaskView, loss: Loss, function: keras.losses.Loss, batch: Batch) -> Measured:
    entry = find_loss(loss.loss)
    as_it_comes = entry is not None and (entry.knows_logits or entry.takes_raw_output)
    prediction = view.raw(batch) if as_it_comes else view.probabilities(batch)
    weight = view.sample_weight(batch, loss.target)
    if weight is not None and entry is not None and not entry.batch_statistic and entry.labels != "sequence":
        weight = spread(weight, prediction)
    function = _searching(function, _searched(f"{view.task.name}.{loss.name}", loss.config, batch))
    return Measured(function(view.target(batch, loss.target), prediction, sample_weight=weight), None)


def _searching(function: keras.losses.Loss, arguments: Tensors) -> keras.losses.Loss:
    """Return a Keras loss with tensors in place of some of its arguments."""
    if not arguments:
        return function
    return with_arguments(function, arguments)


def _searched(path: str, config: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
    """Return the searched arguments of the term at `path` by name, as the batch's setting has them."""
    return {name: batch.searched[f"{path}.{name}"] for name in searched_in(config)}


def _with_searched(path: str, config: Mapping[str, Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function(batch)` of a workload's own, with its searched arguments as the batch's setting has them."""
    return lambda batch: function(batch, **_searched(path, config, batch))


def spread(weight: Tensor, prediction: Tensor) -> Tensor:
    """Return rows' weights [batch] for every value of a loss over [batch, ..., classes]: [batch, ...].

    Keras multiplies [batch, height, width] by [batch] as if the last axis were the rows.
    """
    missing = len(prediction.shape) - 1 - len(weight.shape)
    if missing <= 0:
        return weight
    for _ in range(missing):
        weight = ops.expand_dims(weight, -1)
    return ops.broadcast_to(weight, ops.shape(prediction)[:-1])


def _penalty(at: str, penalty: Penalty, views: Mapping[str, TaskView], workload: Bound) -> TermFunction:
    if penalty.penalty in workload.penalties:
        if penalty.between is not None:
            raise Refused("bad_penalty", f"{penalty.penalty!r} is the workload's own and reads the batch itself", f"{at}.between")
        return _own_penalty(at, penalty, workload.penalties[penalty.penalty])
    entry = find_penalty(penalty.penalty)
    if entry is None or penalty.between is None:
        known = listed([*ROW_PENALTIES, *BATCH_PENALTIES, *workload.penalties])
        what = "needs two sides in `between`" if entry else f"is unknown; there are {known}"
        raise Refused("unknown_penalty", f"penalty {penalty.penalty!r} {what}", f"{at}.penalty")
    defaults = {parameter.name: parameter.default for parameter in entry.parameters}
    arguments = {**defaults, **keras_arguments(entry, fixed(penalty.config))}
    tolerance = arguments.pop("tolerance", None)
    measure = partial(_between, penalty, views, partial(_built_in(entry.name), **arguments))
    return TermFunction(penalty.name, "penalty", at, measure, tolerance if entry.has_rows else None)


def _own_penalty(at: str, penalty: Penalty, function: Callable[..., Any]) -> TermFunction:
    """Return a penalty of the workload's own; `tolerance` in its config is for the violations, unless f takes it."""
    config = fixed(penalty.config)
    tolerance = config.get("tolerance", OWN_TOLERANCE)
    if "tolerance" not in inspect.signature(function).parameters:
        config.pop("tolerance", None)
    own = partial(_own, penalty.name, _with_searched(penalty.name, penalty.config, partial(function, **config)), None)
    used = tolerance if isinstance(tolerance, int | float) else OWN_TOLERANCE
    return TermFunction(penalty.name, "penalty", at, own, used, built_in=False)


def _built_in(name: str) -> Callable[..., Tensor]:
    return {**ROW_PENALTIES, **BATCH_PENALTIES}[name]


def _between(penalty: Penalty, views: Mapping[str, TaskView], function: Callable[..., Tensor], batch: Batch) -> Measured:
    sides = (select(side, batch, views) for side in penalty.between or ())
    return _as_measured(function(*sides, **_searched(penalty.name, penalty.config, batch)), None)


def _own(path: str, function: Callable[..., Any], weights: Callable[[Batch], Tensor | None] | None, batch: Batch) -> Measured:
    """Measure a workload's own f(batch): a scalar is the term; of one value a row, the (weighted) mean is."""
    value = ops.convert_to_tensor(function(batch))
    if "float" not in str(value.dtype):
        value = ops.cast(value, keras.config.floatx())
    if len(value.shape) > 2 or (len(value.shape) == 2 and value.shape[-1] != 1):
        raise ValueError(f"{path} should return a scalar or one value a row, got {shape_text(value)}")
    return _as_measured(value, weights(batch) if weights is not None else None)


def _as_measured(value: Tensor, weight: Tensor | None) -> Measured:
    if len(value.shape) == 0:
        return Measured(value, None)
    rows = row_means(value)
    if weight is None:
        return Measured(ops.mean(rows), rows)
    weight = row_means(ops.cast(weight, rows.dtype))
    return Measured(ops.divide_no_nan(ops.sum(rows * weight), ops.sum(weight)), rows)
