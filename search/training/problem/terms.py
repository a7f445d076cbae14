"""The terms of a study as functions of a batch: component losses, built-in penalties, and the workload's own f(batch)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
from keras import ops

from search.catalog import PENALTY_NAMES, LossEntry, PenaltyEntry, find_loss, implementation, keras_arguments
from search.catalog.plugins import PENALTY_KIND
from search.definition.plugins import find_penalty_of
from search.definition.schema import Loss, Penalty, Task
from search.definition.searched_arguments import fixed, searched_in
from search.errors import PluginMissing, PreflightError
from search.names import listed
from search.training.problem.batch import Batch, Tensor, Tensors, as_column, shape_text
from search.training.problem.keras_private import mask_of, put_mask, with_arguments
from search.training.problem.keras_settings import kept
from search.training.problem.own_forms import own_keras_loss, require_batch
from search.training.problem.reduction import TermValue, both, of_batch, of_values, product, weights_like
from search.training.problem.views import TaskView, select, side_labelled, side_weight
from search.workloads.base import ResolvedWorkload

OWN_TOLERANCE = 0.1
"""Row value above which a row breaks a penalty of the workload's own, unless its config has `tolerance`."""


@dataclass(frozen=True)
class TermFunction:
    """An unweighted term. `at` is its place in the definition; `violations` the row value above which a row breaks a penalty.

    `built_in`: made of Keras's losses or our penalties; False for the workload's own. `own`: the workload's f(batch), where it is
    one. `task`, `target`: of a component loss, the task and its own target, if it has one.
    """

    path: str
    kind: Literal["loss", "penalty"]
    at: str
    measure: Callable[[Batch], TermValue]
    violations: float | None = None
    built_in: bool = True
    own: Callable[[Batch], Any] | None = None
    task: Task | None = None
    target: str | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """Return the term's mean over a batch, which is what a step of training sees of it: a scalar, 0 where nothing counts."""
        return self.measure(batch).mean


def term_functions(tasks: Sequence[Task], penalties: Sequence[Penalty], workload: ResolvedWorkload) -> tuple[TermFunction, ...]:
    """Return every term's function: losses in the order of the tasks, then penalties. Raises PreflightError for an unknown name."""
    views = {task.name: TaskView(task) for task in tasks}
    losses = [
        _loss(f"tasks.{i}.losses.{j}", views[task.name], loss, workload)
        for i, task in enumerate(tasks)
        for j, loss in enumerate(task.losses)
    ]
    return (*losses, *(_penalty(f"penalties.{i}", penalty, views, workload) for i, penalty in enumerate(penalties)))


def _loss(at: str, view: TaskView, loss: Loss, workload: ResolvedWorkload) -> TermFunction:
    path = f"{view.task.name}.{loss.name}"
    if loss.loss not in workload.losses:
        built_in = made_loss(at, loss, view.task.from_logits)
        measure = partial(_keras_loss, path, view, loss, find_loss(loss.loss), built_in)
        return TermFunction(path, "loss", at, measure, task=view.task, target=loss.target)
    given, config = workload.losses[loss.loss], fixed(loss.config)
    own = own_keras_loss(loss.loss, at, given, config, searched_in(loss.config))
    if own is not None:
        measure = partial(_keras_loss, path, view, loss, None, own)
        return TermFunction(path, "loss", at, measure, built_in=False, task=view.task, target=loss.target)
    function = _with_searched(path, loss.config, partial(given, **config))
    measure = partial(_own_loss, path, view, loss, function)
    return TermFunction(path, "loss", at, measure, built_in=False, own=function, task=view.task, target=loss.target)


def made_loss(at: str, loss: Loss, from_logits: bool) -> keras.losses.Loss:
    """Return the Keras loss that `loss` names, as the mean over labelled rows; searched arguments have Keras's defaults."""
    entry = find_loss(loss.loss)
    if entry is None:
        raise PreflightError("unknown_loss", f"{loss.loss!r} is no loss of keras.losses, nor one of the workload's", f"{at}.loss")
    arguments = keras_arguments(entry, fixed(loss.config))
    if entry.knows_logits:
        arguments["from_logits"] = from_logits
    return getattr(keras.losses, entry.keras_class or "")(reduction="mean_with_sample_weight", **arguments)


def _keras_loss(
    path: str, view: TaskView, loss: Loss, entry: LossEntry | None, function: keras.losses.Loss, batch: Batch
) -> TermValue:
    """Measure a loss object as Keras's reduction `mean_with_sample_weight` does, under row weights and masks.

    entry: None for one of the workload's own, which gets the output as it comes, as `compile` gives it.
    """
    prediction = view.probabilities(batch) if _needs_probabilities(entry) else view.raw(batch)
    function = _searching(function, _searched(path, loss.config, batch))
    target, given = (ops.convert_to_tensor(each, dtype=function.dtype) for each in (view.target(batch, loss.target), prediction))
    if view.reads_columns(entry, target, given, loss.config):
        target, given = ops.expand_dims(target, -1), as_column(given)  # one value a column, not their mean
    with kept() if entry is None else nullcontext():  # a class of the user's may set what it will
        values = function.call(target, given)
    if entry is None:
        _require_rows(path, values, given)
    if len(values.shape) == 0 or one_a_batch(entry, loss.config):
        return of_batch(values, prediction)
    weight = view.loss_weight(batch, len(values.shape), loss.target)
    measured = of_values(path, values, weight, both(mask_of(prediction), mask_of(values)))
    coupled = entry is not None and entry.batch_statistic and entry.parameter("axis") is None
    return of_batch(measured.mean, prediction) if coupled else measured


def _require_rows(path: str, values: Tensor, prediction: Tensor) -> None:
    """Raise ValueError where a loss in Keras's form has a value a column: they would weigh as if they were rows."""
    rows = prediction.shape[0]
    if len(values.shape) and None not in (rows, values.shape[0]) and values.shape[0] != rows:
        text = f"{path} should return a scalar or values [batch, ...], and returns {list(values.shape)} for {rows} rows"
        raise ValueError(f"{text}: reduce its last axis (axis=-1), not the rows")


def one_a_batch(entry: LossEntry | None, config: Mapping[str, Any]) -> bool:
    """Return whether a loss of Keras has one value for a batch, or one a class: `dice` and `tversky`, unless `axis` keeps the rows.

    `circle` couples the rows of a batch too, but has a value for each, and a mask of those that have a partner.
    """
    if entry is None or not entry.batch_statistic or entry.parameter("axis") is None:
        return False
    axis = config.get("axis")
    return axis is None or 0 in (axis if isinstance(axis, list | tuple) else [axis])


def _needs_probabilities(entry: LossEntry | None) -> bool:
    return entry is not None and not (entry.knows_logits or entry.takes_raw_output)


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


def _penalty(at: str, penalty: Penalty, views: Mapping[str, TaskView], workload: ResolvedWorkload) -> TermFunction:
    if penalty.penalty in workload.penalties:
        if penalty.between is not None:
            raise PreflightError(
                "bad_penalty", f"{penalty.penalty!r} is the workload's own and reads the batch itself", f"{at}.between"
            )
        return _own_penalty(at, penalty, workload.penalties[penalty.penalty])
    entry = find_penalty_of(penalty)
    if entry is None or penalty.between is None:
        known = listed([*PENALTY_NAMES, *workload.penalties])
        what = "needs two sides in `between`" if entry else f"is unknown; there are {known}"
        raise PreflightError("unknown_penalty", f"penalty {penalty.penalty!r} {what}", f"{at}.penalty")
    arguments = entry.arguments(keras_arguments(entry, fixed(penalty.config)))
    tolerance = arguments.pop("tolerance", None)
    measure = partial(_between, penalty, views, entry.batch_statistic, partial(_implementation(at, entry), **arguments))
    return TermFunction(penalty.name, "penalty", at, measure, tolerance if entry.has_rows else None)


def _own_penalty(at: str, penalty: Penalty, function: Callable[..., Any]) -> TermFunction:
    """Return a penalty of the workload's own; `tolerance` in its config is for the violations, unless f takes it."""
    require_batch("penalty", penalty.penalty, function, [*penalty.config])
    config = fixed(penalty.config)
    tolerance = config.get("tolerance", OWN_TOLERANCE)
    if "tolerance" not in inspect.signature(function).parameters:
        config.pop("tolerance", None)
    own = _with_searched(penalty.name, penalty.config, partial(function, **config))
    used = tolerance if isinstance(tolerance, int | float) else OWN_TOLERANCE
    return TermFunction(penalty.name, "penalty", at, partial(_own, penalty.name, own), used, built_in=False, own=own)


def _implementation(at: str, entry: PenaltyEntry) -> Callable[..., Tensor]:
    """Return a penalty's function of its two sides. Raises PreflightError for one from outside that is not installed here."""
    try:
        return implementation(PENALTY_KIND, entry)
    except PluginMissing as missing:
        raise PreflightError("plugin_missing", str(missing), f"{at}.penalty") from missing


def _between(
    penalty: Penalty, views: Mapping[str, TaskView], batch_statistic: bool, function: Callable[..., Tensor], batch: Batch
) -> TermValue:
    """Measure a penalty over two sides.

    A row counts as much as the lesser of its sides' row weights, a masked step or one without a label that is read not at all.
    """
    selectors = penalty.between or ()
    sides = [select(side, batch, views) for side in selectors]
    lesser = _lesser([side_weight(side, batch, views) for side in selectors])
    mask = both(*(mask_of(side) for side in sides))
    arguments = _searched(penalty.name, penalty.config, batch)

    def weight_of(axes: int) -> Tensor | None:
        return product(lesser, *(side_labelled(side, batch, views, axes) for side in selectors))

    if batch_statistic:
        weight = weight_of(len(sides[0].shape) - 1)
        weights = weights_like(penalty.name, sides[0], weight, mask)
        return of_batch(function(*sides, weights=weights, **arguments), sides[0], weight)
    values = function(*sides, **arguments)
    weight = weight_of(len(values.shape))
    return of_values(penalty.name, values, weight, both(mask_of(values), _fitting(mask, values)), by_row=True)


def _lesser(weights: Sequence[Tensor | None]) -> Tensor | None:
    given = [weight for weight in weights if weight is not None]
    if len(given) < 2 or given[0] is given[1]:
        return given[0] if given else None
    if len(given[0].shape) != len(given[1].shape):
        raise ValueError(f"the row weights of the two sides are {shape_text(given[0])} and {shape_text(given[1])}")
    return ops.minimum(*given)


def _fitting(mask: Tensor | None, values: Tensor) -> Tensor | None:
    """Return the mask, None where its steps have been reduced away."""
    return mask if mask is not None and len(mask.shape) <= len(values.shape) else None


def _own_loss(path: str, view: TaskView, loss: Loss, function: Callable[..., Any], batch: Batch) -> TermValue:
    """Measure a workload's own f(batch) that belongs to a task: its row weights and its output's mask count."""
    value = own_values(function(batch))
    if len(value.shape) == 0:
        return of_batch(value, view.raw(batch))
    weight = view.loss_weight(batch, len(value.shape), loss.target)
    return of_values(path, value, weight, both(view.mask(batch), mask_of(value)))


def _own(path: str, function: Callable[..., Any], batch: Batch) -> TermValue:
    """Measure a workload's own f(batch) that belongs to no task: row weights of every output count, and masks that fit."""
    value = own_values(function(batch))
    if len(value.shape) == 0:
        return of_batch(value, next(iter(batch.outputs.values())))
    mask = mask_of(value)
    for other in batch.masks.values():
        if len(other.shape) > 1 and tuple(other.shape[1:]) == tuple(value.shape[1 : len(other.shape)]):
            mask = both(mask, other)
    return of_values(path, value, batch.row_weight, mask, by_row=True)


def own_values(returned: Any) -> Tensor:
    """Return what the user's function returned as a float tensor: a scalar, or one value a row or step [batch, ...].

    A last axis of width 1 behind the rows or steps goes: [batch, 1] is [batch].
    """
    value = ops.convert_to_tensor(returned)
    mask = mask_of(returned)
    if "float" not in str(value.dtype):
        value = ops.cast(value, keras.config.floatx())
    if len(value.shape) > 1 and value.shape[-1] == 1:
        value = ops.squeeze(value, -1)
    return put_mask(value, mask)
