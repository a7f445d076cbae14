"""What of a study plain Keras can say: losses, metrics and the optimizer as calls of Keras's classes. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.catalog import Entry, LossEntry, MetricEntry, find_loss, find_optimizer, keras_arguments, resolve_metric
from search.catalog.entries import FROM_OUTPUT
from search.definition.schema import Loss, Metric, Optimizer, Task
from search.export.python_literals import Call, Code, literal

IDS = "integer"
"""Targets that are class indices; those of all other kinds that are plain have as many numbers as the output."""

MEAN = "mean_with_sample_weight"
"""The reduction that divides by the sum of the row weights; Keras's default divides by the number of rows."""

PLAIN_LABELS = frozenset({IDS, "one_hot", "binary", "continuous"})


def keras_optimizer(optimizer: Optimizer) -> Call:
    """Return the call that makes the optimizer."""
    entry = find_optimizer(optimizer.name)
    assert entry is not None  # nothing is trained by an optimizer that is unknown
    return _call("keras.optimizers", entry, optimizer.config)


def keras_losses(
    tasks: Sequence[Task], weights: Mapping[str, float], outputs: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return `loss` and `loss_weights` of compile by output, or None where Keras's losses do not take the outputs as they come.

    Nor can it leave out a loss of weight 0: Keras multiplies by 0, and 0 * inf is NaN.
    """
    found: dict[str, list[tuple[Call, float]]] = {output: [] for output in outputs}
    for task in tasks:
        for loss in task.losses:
            entry, weight = find_loss(loss.loss), weights[f"{task.name}.{loss.name}"]
            if entry is None or weight == 0 or (task.from_logits and not _takes_logits(entry)):
                return None
            found[task.used_output].append((_loss(entry, task, loss), weight))
    losses = {output: _one_or_all([loss for loss, _ in each]) for output, each in found.items()}
    return losses, {output: _one_or_all([weight for _, weight in each]) for output, each in found.items()}


def _one_or_all(parts: list[Any]) -> Any:
    """Return what an output has of losses or weights: none, one, or a list."""
    return parts if len(parts) > 1 else parts[0] if parts else None


def keras_metrics(tasks: Sequence[Task], paths: Sequence[str]) -> dict[str, Call] | None:
    """Return a call of the script's `scored` by path, or None where one of them is not plain.

    Plain are Keras's metrics and losses over rows that take the targets as they are. Targets have the form that the task's loss
    wants, so a metric that wants another is not; nor is what couples the rows of a batch, or counts classes.
    """
    found = {path: _scored(task, path) for path in paths for task in tasks if path.startswith(f"{task.name}.")}
    calls = {path: call for path, call in found.items() if call is not None}
    return calls if len(calls) == len(paths) else None


def _scored(task: Task, path: str) -> Call | None:
    name = path.partition(".")[2]
    loss = next((each for each in task.losses if each.name == name), None)
    metric = next((each for each in task.metrics if each.name == name), None)
    made, raw = _plain_loss(task, loss) if loss is not None else _metric(task, metric) if metric is not None else (None, False)
    if made is None:
        return None
    prediction = Code(f"predicted[{literal(task.used_output)}]")
    shown = Call("probabilities", [prediction]) if task.from_logits and not raw else prediction
    mark = [task.missing] if task.may_lack_labels else []
    return Call("scored", [made, Code(f"y[{literal(task.used_target)}]"), shown, *mark])


def _plain_loss(task: Task, loss: Loss) -> tuple[Call | None, bool]:
    """Return as `_metric` does, for a loss that the study is judged by."""
    entry = find_loss(loss.loss)
    if entry is None or entry.batch_statistic or entry.labels not in PLAIN_LABELS:
        return None, False
    return _loss(entry, task, loss), _takes_logits(entry)


def _metric(task: Task, metric: Metric) -> tuple[Call | None, bool]:
    """Return the call that makes a metric, None where it is not plain, and whether it takes the output as it comes."""
    resolved = resolve_metric(metric.metric, [loss.loss for loss in task.losses], metric.config)
    if resolved is None:
        return None, False
    entry, config = resolved
    kinds = {found.labels == IDS for loss in task.losses if (found := find_loss(loss.loss)) is not None}
    counts_classes = any(each.default is FROM_OUTPUT and each.name not in config for each in entry.parameters)
    if entry.labels not in PLAIN_LABELS or kinds != {entry.labels == IDS} or counts_classes or "io_u" in entry.name:
        return None, False
    return _call("keras.metrics", entry, config), entry.takes_raw_output


def _takes_logits(entry: LossEntry) -> bool:
    return entry.knows_logits or entry.takes_raw_output


def _loss(entry: LossEntry, task: Task, loss: Loss) -> Call:
    """Return the call that makes a loss, as the mean over rows that a study trains: under row weights, where labels make some."""
    logits = {"from_logits": True} if entry.knows_logits and task.from_logits else {}
    weighted = {"reduction": MEAN} if task.weighs_labels else {}
    return _call("keras.losses", entry, loss.config, **logits, **weighted)


def _call(module: str, entry: Entry | MetricEntry, config: Mapping[str, Any], **more: Any) -> Call:
    return Call(f"{module}.{entry.keras_class}", named={**keras_arguments(entry, config), **more})
