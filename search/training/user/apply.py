"""Train a model with the weights that a study found: `apply(model, best)`.

Where `compile` can say all that was tuned, the model is compiled; else a model over the same layers trains the same terms as the
study did, penalties and own targets included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from search.catalog import find_loss
from search.definition.plugins import find_penalty_of
from search.definition.schedules import AppliedSchedule, moving_of
from search.definition.schema import Optimizer, Penalty, Task
from search.names import listed, nearest
from search.training.problem.batch import Batch, Tensor
from search.training.problem.keras_private import outputs_structure
from search.training.problem.metrics import RowMean, metric_functions
from search.training.problem.network import named_outputs
from search.training.problem.optimizers import made_optimizer
from search.training.problem.terms import made_loss, term_functions
from search.training.user.tuned_model import MovingWeights, around
from search.workloads.base import TERM_KINDS, ResolvedWorkload, own_terms

COMPILED = ("compile", "compile_with_losses")


def apply(
    model: keras.Model,
    best: Mapping[str, Any],
    optimizer: keras.optimizers.Optimizer | str | None = None,
    *,
    workload: Any = None,
) -> keras.Model:
    """Return a compiled model that trains `model` as the study's best trial was trained.

    best: a best-weights document, as `GET /v1/studies/{name}/best` gives it.
    optimizer: default is the study's.
    workload: class, instance or module with the losses, penalties and metrics of its own that the document names.

    The returned model has the layers and weights of `model`: it is `model` itself, compiled, or a model around them whose loss and
    metrics are the study's terms, each under its path (`digit.crossentropy`, `agreement`). Of the study's metrics it has those that
    are means over rows; areas, F-scores and other counts over all rows: see `measure`.

    A weight with a schedule moves as it did in the study: it is set when an epoch of `fit` begins, counted from the first one that
    the returned model is trained for, out of the document's `training.epochs`. So `fit(epochs=E)` and E times `fit(epochs=1)` train
    the same; `initial_epoch` counts too. A term that reads point sets (`batch.extra`) cannot be trained here.
    Raises ValueError for a model without an output that the study trained, and for terms of a workload that is not given.
    """
    tasks, penalties, own = terms_of(best, workload)
    _require_outputs(model, tasks)
    used = keras.optimizers.get(optimizer) if optimizer is not None else _studied_optimizer(best)
    if best.get("reproduced_by") in COMPILED and all(_compile_knows(task, best["weights"]) for task in tasks):
        return _compiled(model, tasks, best["loss_weights"], own, used)
    terms = term_functions(tasks, penalties, own)
    tuned = around(model)
    means = [metric for metric in metric_functions(tasks, own, terms) if isinstance(metric, RowMean) and not metric.root]
    tuned.tune(tasks, terms, means, best["weights"], _moving(best))
    tuned.compile(optimizer=used)
    return tuned


def terms_of(best: Mapping[str, Any], workload: Any) -> tuple[list[Task], list[Penalty], ResolvedWorkload]:
    """Return the document's tasks and penalties, and the workload's own terms. Raises ValueError for those that nobody has."""
    tasks = [Task.model_validate(task) for task in best["terms"]["tasks"]]
    penalties = [Penalty.model_validate(penalty) for penalty in best["terms"]["penalties"]]
    return tasks, penalties, _own(tasks, penalties, workload)


def _moving(best: Mapping[str, Any]) -> MovingWeights | None:
    """Return the weights that move in training, None where all are fixed."""
    schedules = {path: AppliedSchedule(**schedule) for path, schedule in best.get("schedules", {}).items()}
    epochs = int(best["training"]["epochs"]) if schedules else 0
    moving = moving_of(schedules, best["weights"], epochs)
    return MovingWeights(moving, best["weights"], epochs) if moving else None


def _studied_optimizer(best: Mapping[str, Any]) -> keras.optimizers.Optimizer:
    return made_optimizer(Optimizer.model_validate(best.get("training", {}).get("optimizer", {})))


def _own(tasks: Sequence[Task], penalties: Sequence[Penalty], workload: Any) -> ResolvedWorkload:
    """Return the workload's own terms. Raises ValueError for names that neither the catalog nor the workload has."""
    terms = {kind: own_terms("the workload", workload, kind) for kind in TERM_KINDS}
    wanted = {f"{task.name}.{loss.name}": loss.loss for task in tasks for loss in task.losses if find_loss(loss.loss) is None}
    wanted |= {penalty.name: penalty.penalty for penalty in penalties if find_penalty_of(penalty) is None}
    missing = [path for path, name in wanted.items() if name not in terms["losses"] and name not in terms["penalties"]]
    if missing:
        text = f"{listed(missing)}: terms of the workload's own. Give it: apply(model, best, workload=YourWorkload)"
        raise ValueError(text)
    return ResolvedWorkload("the workload", lambda: None, lambda: None, **terms)


def _require_outputs(model: keras.Model, tasks: Sequence[Task]) -> None:
    structure = outputs_structure(model)
    if structure is not None:  # a subclassed model shows its outputs when it is called
        _require_named(named_outputs(model, structure), tasks)


def _require_named(outputs: Mapping[str, Any], tasks: Sequence[Task]) -> None:
    for task in tasks:
        if task.used_output not in outputs:
            meant = nearest(task.used_output, outputs)
            hint = f" (did you mean {meant!r}?)" if meant else ""
            raise ValueError(f"the study trained the output {task.used_output!r}, the model has {listed(outputs)}{hint}")


# Where compile is enough


def _compile_knows(task: Task, weights: Mapping[str, float]) -> bool:
    """Return whether Keras's losses need nothing between the output and them, and none is left out for a weight of 0."""
    if task.weighs_labels:
        return False  # its labels become row weights on the way
    if any(weights[f"{task.name}.{loss.name}"] == 0 for loss in task.losses):
        return False  # Keras multiplies by 0, and 0 * inf is NaN
    entries = [find_loss(loss.loss) for loss in task.losses]
    return not task.from_logits or all(entry is not None and (entry.knows_logits or entry.takes_raw_output) for entry in entries)


def _compiled(
    model: keras.Model,
    tasks: Sequence[Task],
    loss_weights: Mapping[str, Any],
    own: ResolvedWorkload,
    optimizer: keras.optimizers.Optimizer,
) -> keras.Model:
    losses: dict[str, Any] = {}
    for task in tasks:
        made = [made_loss("", loss, task.from_logits) for loss in task.losses]
        losses[task.used_output] = None if not made else made[0] if len(made) == 1 else made
    losses |= {output: None for output in loss_weights if output not in losses}
    weights = {output: loss_weights.get(output) for output in losses}
    metrics = {task.used_output: _wrapped_metrics(task, own) for task in tasks}
    if len(losses) == 1:  # a single output: Keras compares the target itself, not a dict of one
        output = next(iter(losses))
        if not isinstance(outputs_structure(model), Mapping):
            model.compile(
                optimizer=optimizer, loss=losses[output], loss_weights=[weights[output]], weighted_metrics=metrics[output]
            )
            return model
    model.compile(optimizer=optimizer, loss=losses, loss_weights=weights, weighted_metrics=metrics)
    return model


def _wrapped_metrics(task: Task, own: ResolvedWorkload) -> list[keras.metrics.Metric]:
    """Return the task's metrics that are means over rows, in the form that `compile` takes."""
    found = metric_functions([task], own, ()) if task.used_target == task.used_output else ()
    return [
        keras.metrics.MeanMetricWrapper(_RowFunction(metric.values, task), name=metric.path.partition(".")[2])
        for metric in found
        if isinstance(metric, RowMean) and not metric.root and metric.values is not None
    ]


class _RowFunction:
    """The values of a row metric as Keras's fn(y_true, y_pred), which are Keras's to weigh, and to mask step by step."""

    def __init__(self, values: Callable[[Batch], Tensor], task: Task) -> None:
        self._values, self._task = values, task

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        batch = Batch({}, {self._task.used_target: y_true}, {self._task.used_output: y_pred}, {}, {}, lambda x, active: {})
        return self._values(batch)
