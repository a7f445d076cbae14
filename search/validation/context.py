"""What the checks of a definition may look up: its parts, the catalog, and what a worker published of the workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search import catalog
from search.definition.plugins import find_penalty_of
from search.definition.schema import Metric, Task
from search.validation.partial import Parts
from search.validation.published import PublishedPlugins
from search.workloads import registry

Shape = tuple[int | None, ...]
"""The batch's axis first; None is an axis of any size."""

Description = Mapping[str, Any]
"""A workload as its worker describes it: inputs, outputs and targets with shapes, own terms, the options' schema."""


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """What the checks may look up: the parts, the workload's description (None where no worker has published it yet), plug-ins."""

    parts: Parts
    workloads: Mapping[str, Description | None]
    plugins: PublishedPlugins = field(default_factory=PublishedPlugins)
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why workers cannot describe workloads as they are now, by name."""

    @property
    def description(self) -> Description | None:
        return None if self.parts.workload in self.failures else self.workloads.get(self.parts.workload or "")

    def own(self, kind: str) -> frozenset[str] | None:
        """Return the names of the workload's own losses, metrics or penalties, or None where they are not known yet."""
        if self.description is not None:
            return frozenset(self.description.get(kind, ()))
        return frozenset() if self.parts.workload in registry.BUILT_IN else None

    def shape(self, kind: str, name: str) -> Shape | None:
        """Return the shape of one of the workload's inputs, outputs or targets, or None where it is not known."""
        shape = ((self.keys(kind) or {}).get(name) or {}).get("shape")
        return tuple(shape) if shape else None

    def keys(self, kind: str) -> Mapping[str, Any] | None:
        """Return the workload's inputs, outputs or targets by name, or None where they are not known.

        What a worker published is the workload under its default options: under others, its model may be another.
        """
        return (self.description or {}).get(kind) if self._default_options() else None

    def _default_options(self) -> bool:
        declared = ((self.description or {}).get("options") or {}).get("properties") or {}
        return all(name in declared and declared[name].get("default") == value for name, value in self.parts.options.items())


def resolve(known: ValidationContext, task: Task, metric: Metric) -> tuple[catalog.MetricEntry, dict[str, Any]] | None:
    """Return the catalog's entry for a task's metric and its full config, or None for one of the workload's own: those go first."""
    if metric.metric in (known.own("metrics") or ()):
        return None
    return catalog.resolve_metric(metric.metric, [loss.loss for loss in task.losses], metric.config)


def is_weighted(path: str, parts: Parts) -> bool:
    """Return whether `path` names a number that depends on the weights: `loss`, `val_loss`, `total_loss`, Keras's `digit_loss`."""
    bare = path.rpartition(".")[2].removeprefix("val_")
    if bare in ("loss", "total", "objective"):  # reserved: no metric or term can bear these names
        return True
    return bare.endswith("_loss") and "." not in path and path not in {penalty.name for penalty in parts.penalties.values()}


def measured_paths(known: ValidationContext) -> list[str]:
    """List every path that an objective may name: metrics, raw terms, and violations."""
    paths = [f"{task.name}.{metric.name}" for task in known.parts.tasks.values() for metric in task.metrics]
    paths += [path for _, path, _, _ in known.parts.terms()]
    own = known.own("penalties")
    for penalty in known.parts.penalties.values():
        entry = find_penalty_of(penalty) if penalty.penalty not in (own or ()) else None
        if (entry is not None and entry.has_rows) or (entry is None and (own is None or penalty.penalty in own)):
            paths.append(f"{penalty.name}.violations")
    return paths


def matches(path: str, declared: Sequence[str]) -> list[str]:
    """Return the declared paths that `path` names: itself, or for `*.auc` that metric of every task."""
    if path.startswith("*."):
        return [other for other in declared if other.partition(".")[2] == path[2:] and other.count(".") == 1]
    return [path] if path in declared else []


def direction_of(known: ValidationContext, path: str) -> str | None:
    """Return which way the number at `path` is better: its own word, else the catalog's; terms and violations are minimised."""
    name, _, inner = path.partition(".")
    for task in known.parts.tasks.values():
        for metric in task.metrics if task.name == name else ():
            if metric.name == inner:
                resolved = resolve(known, task, metric)
                return metric.direction or (resolved[0].direction if resolved is not None else None)
    return "minimize"
