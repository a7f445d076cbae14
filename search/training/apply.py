"""Train a model with the weights that a study found: `apply(model, best)`.

Where `compile` can say all that was tuned, the model is compiled; else a model over the same layers trains the same terms as the
study did, penalties and own targets included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from search.catalog import find_loss, find_penalty
from search.definition import Optimizer, Penalty, Task
from search.names import listed, nearest
from search.training.batch import Batch, Tensor, Tensors
from search.training.metrics import RowMean, metric_functions
from search.training.network import named_outputs
from search.training.optimizers import made_optimizer
from search.training.terms import TermFunction, made_loss, term_functions
from search.workloads.base import TERM_KINDS, Bound, own_terms
from search.workloads.data import INPUT, TARGET


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
    are means over rows; areas, F-scores and other counts over all rows are left to Keras's own `metrics`.
    Raises ValueError for a model without an output that the study trained, and for terms of a workload that is not given.
    """
    tasks = [Task.model_validate(task) for task in best["terms"]["tasks"]]
    penalties = [Penalty.model_validate(penalty) for penalty in best["terms"]["penalties"]]
    own = _own(tasks, penalties, workload)
    _require_outputs(model, tasks)
    used = keras.optimizers.get(optimizer) if optimizer is not None else _studied_optimizer(best)
    if best.get("reproduced_by") == "compile" and all(_compile_knows(task) for task in tasks):
        return _compiled(model, tasks, best["loss_weights"], own, used)
    terms = term_functions(tasks, penalties, own)
    tuned = _around(model)
    means = [metric for metric in metric_functions(tasks, own, terms) if isinstance(metric, RowMean) and not metric.root]
    tuned.tune(terms, means, best["weights"])
    tuned.compile(optimizer=used)
    return tuned


def _studied_optimizer(best: Mapping[str, Any]) -> keras.optimizers.Optimizer:
    return made_optimizer(Optimizer.model_validate(best.get("training", {}).get("optimizer", {})))


def _own(tasks: Sequence[Task], penalties: Sequence[Penalty], workload: Any) -> Bound:
    """Return the workload's own terms. Raises ValueError for names that neither the catalog nor the workload has."""
    terms = {kind: own_terms("the workload", workload, kind) for kind in TERM_KINDS}
    wanted = {f"{task.name}.{loss.name}": loss.loss for task in tasks for loss in task.losses if find_loss(loss.loss) is None}
    wanted |= {penalty.name: penalty.penalty for penalty in penalties if find_penalty(penalty.penalty) is None}
    missing = [path for path, name in wanted.items() if name not in terms["losses"] and name not in terms["penalties"]]
    if missing:
        text = f"{listed(missing)}: terms of the workload's own. Give it: apply(model, best, workload=YourWorkload)"
        raise ValueError(text)
    return Bound("the workload", lambda: None, lambda: None, **terms)


def _require_outputs(model: keras.Model, tasks: Sequence[Task]) -> None:
    structure = getattr(model, "_outputs_struct", None)
    if structure is not None:  # a subclassed model shows its outputs when it is called
        _require_named(named_outputs(model, structure), tasks)


def _require_named(outputs: Mapping[str, Any], tasks: Sequence[Task]) -> None:
    for task in tasks:
        if task.used_output not in outputs:
            meant = nearest(task.used_output, outputs)
            hint = f" (did you mean {meant!r}?)" if meant else ""
            raise ValueError(f"the study trained the output {task.used_output!r}, the model has {listed(outputs)}{hint}")


# Where compile is enough


def _compile_knows(task: Task) -> bool:
    """Tell whether Keras's losses need nothing between the output and them."""
    entries = [find_loss(loss.loss) for loss in task.losses]
    return not task.from_logits or all(entry is not None and (entry.knows_logits or entry.takes_raw_output) for entry in entries)


def _compiled(
    model: keras.Model, tasks: Sequence[Task], loss_weights: Mapping[str, Any], own: Bound, optimizer: keras.optimizers.Optimizer
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
        if not isinstance(getattr(model, "_outputs_struct", None), Mapping):
            model.compile(
                optimizer=optimizer, loss=losses[output], loss_weights=[weights[output]], weighted_metrics=metrics[output]
            )
            return model
    model.compile(optimizer=optimizer, loss=losses, loss_weights=weights, weighted_metrics=metrics)
    return model


def _wrapped_metrics(task: Task, own: Bound) -> list[keras.metrics.Metric]:
    """Return the task's metrics that are means over rows, in the form that `compile` takes."""
    found = metric_functions([task], own, ()) if task.used_target == task.used_output else ()
    return [
        keras.metrics.MeanMetricWrapper(_RowFunction(metric, task), name=metric.path.partition(".")[2])
        for metric in found
        if isinstance(metric, RowMean) and not metric.root and metric.path.partition(".")[2] not in own.metrics
    ]


class _RowFunction:
    """A row metric as Keras's fn(y_true, y_pred)."""

    def __init__(self, metric: RowMean, task: Task) -> None:
        self._metric, self._task = metric, task

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        batch = Batch({}, {self._task.used_target: y_true}, {self._task.used_output: y_pred}, {}, {}, lambda x, active: {})
        return self._metric.measure(batch).values


# Where it is not


class _Tuned:
    """Mixed into a model: its loss is the study's weighted terms and the model's own losses. Each raw term is a metric."""

    losses: list[Tensor]

    def tune(self, terms: Sequence[TermFunction], metrics: Sequence[RowMean], weights: Mapping[str, float]) -> None:
        """Set what is trained and measured."""
        self._tuned_terms = tuple(terms)
        self._tuned_metrics = tuple(metrics)
        self._tuned_weights = dict(weights)
        self._tuned_means = {term.path: keras.metrics.Mean(name=term.path) for term in terms}
        self._tuned_means |= {metric.path: keras.metrics.Mean(name=metric.path) for metric in metrics}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Return the total loss of a batch: the sum of weight * term over terms of weight != 0, and the model's own losses."""
        total = sum((ops.sum(loss) for loss in self.losses), ops.zeros(()))  # before a term calls the model again
        batch = self._batch(x, y, y_pred, sample_weight, training)
        rows = ops.shape(next(iter(batch.outputs.values())))[0]
        for term in self._tuned_terms:
            value, weight = term(batch), self._tuned_weights[term.path]
            if weight != 0:
                total = total + weight * ops.cast(value, total.dtype)
            self._tuned_means[term.path].update_state(value, sample_weight=ops.cast(rows, value.dtype))
        for metric in self._tuned_metrics:
            self._tuned_means[metric.path].update_state(*metric.measure(batch))
        return total

    def _batch(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Batch:
        outputs = named_outputs(self, y_pred)
        single = next(iter(outputs)) if len(outputs) == 1 else TARGET
        targets = y if isinstance(y, Mapping) else {single: y}
        weights = sample_weight if isinstance(sample_weight, Mapping) else dict.fromkeys(outputs, sample_weight)
        given = {name: weight for name, weight in weights.items() if weight is not None}
        inputs = x if isinstance(x, Mapping) else {INPUT: x}
        return Batch(inputs, targets, outputs, given, {}, lambda other, active: self._again(other, training))

    def _again(self, x: Any, training: bool) -> Tensors:
        return named_outputs(self, self(x, training=training))  # type: ignore[operator]  # the model it is mixed into


class _Graph(_Tuned, keras.Model):  # type: ignore[misc]
    """A tuned model over the graph of layers of another."""


class _Around(_Tuned, keras.Model):  # type: ignore[misc]
    """A tuned model around one that is no graph of layers."""

    def __init__(self, inner: keras.Model) -> None:
        super().__init__(name=inner.name)
        self.inner = inner

    def call(self, x: Any, training: bool | None = None) -> Any:
        arguments = {"training": training} if self.inner._call_has_training_arg else {}
        return named_outputs(self.inner, self.inner(x, **arguments))


def _around(model: keras.Model) -> Any:
    structure = getattr(model, "_outputs_struct", None)
    if structure is None:
        return _Around(model)
    return _Graph(model._inputs_struct, named_outputs(model, structure), name=model.name)
