"""Find the catalog's entries by name or alias, and say which name was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from search.catalog.entries import (
    AggregateEntry,
    Entry,
    Json,
    LossEntry,
    MetricEntry,
    OptimizerEntry,
    PenaltyEntry,
    PluginEntry,
    PrunerEntry,
    SamplerEntry,
)
from search.catalog.losses import LOSS_ALIASES, LOSSES
from search.catalog.metrics import METRIC_ALIASES, METRICS
from search.catalog.optimizers import OPTIMIZER_ALIASES, OPTIMIZERS
from search.catalog.plugins import AGGREGATE_KIND, KINDS, PENALTY_KIND, PRUNER_KIND, SAMPLER_KIND, Traits, entry_of
from search.errors import Fault, shown
from search.names import listed, nearest

E = TypeVar("E", bound=Entry)

MAX_COMPARED = 100
"""Longer names are compared with nothing: no name is that long, and comparing takes quadratic time."""


def _index(entries: Sequence[E], aliases: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, E]:
    named = {entry.name: entry for entry in entries}
    return MappingProxyType(named | {alias: named[name] for alias, name in aliases.items()})


def _classes(entries: Sequence[E]) -> Mapping[str, E]:
    return MappingProxyType({entry.keras_class: entry for entry in entries if entry.keras_class})


_LOSSES, _LOSS_CLASSES = _index(LOSSES, LOSS_ALIASES), _classes(LOSSES)
_METRICS, _METRIC_CLASSES = _index(METRICS, METRIC_ALIASES), _classes(METRICS)
_OPTIMIZERS = _index(OPTIMIZERS, OPTIMIZER_ALIASES)

RESOLVED_METRICS = ("accuracy", "acc", "iou", "pr_auc")
"""Names that are no metric by themselves: `resolve_metric` makes one of them."""

LOSS_NAMES = tuple(_LOSSES)
METRIC_NAMES = (*_METRICS, *RESOLVED_METRICS)
OPTIMIZER_NAMES = tuple(_OPTIMIZERS)
PENALTY_NAMES = tuple(KINDS[PENALTY_KIND].built_in)


def find_loss(name: str) -> LossEntry | None:
    """Return the loss that `name` names: snake_case, an alias (`mse`, `MSE`), or Keras's class name."""
    return _LOSSES.get(name) or _LOSS_CLASSES.get(name) or _LOSSES.get(LOSS_ALIASES.get(name.lower(), ""))


def find_metric(name: str) -> MetricEntry | None:
    """Return the metric that `name` names by itself; None for `accuracy`, `iou` and `pr_auc`: see `resolve_metric`."""
    return _METRICS.get(name) or _METRIC_CLASSES.get(name) or _METRICS.get(METRIC_ALIASES.get(name.lower(), ""))


def find_optimizer(name: str) -> OptimizerEntry | None:
    """Return the optimizer that `name` names, in any case, as `keras.optimizers.get` takes it."""
    return _OPTIMIZERS.get(name.lower())


def find_penalty(name: str, traits: Traits | None = None) -> PenaltyEntry | None:
    """Return the built-in penalty of that name, else the one from outside with these `traits`."""
    return _find(PENALTY_KIND, PenaltyEntry, name, traits)


def find_sampler(name: str, traits: Traits | None = None) -> SamplerEntry | None:
    """Return the built-in sampler of that name, else the one from outside with these `traits`."""
    return _find(SAMPLER_KIND, SamplerEntry, name, traits)


def find_aggregate(name: str, traits: Traits | None = None) -> AggregateEntry | None:
    """Return the built-in aggregate of that name, else the one from outside with these `traits`."""
    return _find(AGGREGATE_KIND, AggregateEntry, name, traits)


def find_pruner(name: str, traits: Traits | None = None) -> PrunerEntry | None:
    """Return the built-in pruner of that name, else the one from outside with these `traits`."""
    return _find(PRUNER_KIND, PrunerEntry, name, traits)


P = TypeVar("P", bound=PluginEntry)


def _find(kind: str, form: type[P], name: str, traits: Traits | None) -> P | None:
    found = KINDS[kind].built_in.get(name)
    if found is None and traits is not None:
        found = entry_of(kind, traits)
    assert found is None or isinstance(found, form)
    return found


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` was probably meant to be, or None."""
    return nearest(name.lower(), names) if len(name) <= MAX_COMPARED else None


def resolve_metric(
    name: str, loss_names: Sequence[str], config: Mapping[str, Json] = MappingProxyType({})
) -> tuple[MetricEntry, dict[str, Json]] | None:
    """Return the metric that `name` means on a task with these losses, and its config: what the name implies, then `config`.

    `accuracy` becomes the accuracy of the task's first loss that decides it; `iou` the overlap of a binary task's foreground (of
    the classes in `target_class_ids`, where given), else the mean over classes; `pr_auc` the area under the precision-recall curve.
    F-scores get `average` "macro", and on a binary task the threshold 0.5: Keras's own null is one number a class, and always calls
    the only column positive. Returns None where the name is unknown or no loss of the task decides it: `unresolved` says which.
    """
    accuracy = _accuracy_of(loss_names)
    binary = accuracy == "binary_accuracy" or (accuracy is None and _masks(loss_names))
    lowered = name.lower()
    if lowered in ("accuracy", "acc"):
        return None if accuracy is None else (_METRICS[accuracy], dict(config))
    if lowered == "iou":
        return _overlap(binary, accuracy is not None, config)
    if lowered == "pr_auc":
        return _METRICS["auc"], {"curve": "PR", **config}
    entry = find_metric(name)
    return None if entry is None else (entry, {**_implied(entry, binary), **config})


def unresolved(name: str, path: str) -> Fault:
    """Return the fault for a metric's name that `resolve_metric` could make nothing of."""
    if name.lower() in ("accuracy", "acc", "iou"):
        wanted = "binary_accuracy, categorical_accuracy or sparse_categorical_accuracy"
        wanted = "binary_iou or mean_iou" if name.lower() == "iou" else wanted
        why = f"the task has no loss that decides which one {name!r} is (a loss of weight 0.0 decides it too)"
        return Fault(path, f"{wanted}: {why}", shown(name))
    expected = f"a metric of keras.metrics ({listed(METRIC_NAMES)}), or one of the workload's"
    return Fault(path, expected, shown(name), did_you_mean(name, METRIC_NAMES))


def _accuracy_of(loss_names: Sequence[str]) -> str | None:
    found = (find_loss(name) for name in loss_names)
    return next((loss.accuracy for loss in found if loss and loss.accuracy), None)


def _masks(loss_names: Sequence[str]) -> bool:
    """Return whether a loss compares 0/1 masks (dice, tversky): that decides an overlap, though not which accuracy."""
    found = (find_loss(name) for name in loss_names)
    return any(loss.labels == "binary" for loss in found if loss)


def _overlap(binary: bool, classes: bool, config: Mapping[str, Json]) -> tuple[MetricEntry, dict[str, Json]] | None:
    if binary:
        return _METRICS["binary_io_u"], {"target_class_ids": [1], **config}
    if not classes:
        return None
    return _METRICS["io_u" if "target_class_ids" in config else "mean_io_u"], dict(config)


def _implied(entry: MetricEntry, binary: bool) -> dict[str, Json]:
    if entry.name not in ("f1_score", "f_beta_score"):
        return {}
    return {"average": "macro", "threshold": 0.5} if binary else {"average": "macro"}
