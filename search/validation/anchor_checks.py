"""What must hold where an objective is relative to a measurement: of a task trained alone, of equal weights, of the user's own."""

from __future__ import annotations

from collections.abc import Iterator

from search.definition.rules import CURRENT
from search.definition.schema import RelativeBound, Task
from search.errors import Fault
from search.objective.anchors import REFERENCE
from search.validation.context import ValidationContext, matches, measured_paths

ALONE = "a metric or loss of one task, which can be trained alone"


def task_of(known: ValidationContext, path: str) -> Task | None:
    """Return the task that the number at `path` belongs to; None for a penalty's term or violations."""
    owner, _, inner = path.partition(".")
    return next((task for task in known.parts.tasks.values() if inner and task.name == owner), None)


def without_reference(known: ValidationContext, path: str) -> str | None:
    """Return why nothing can be trained alone for the number at `path`; None where something can."""
    task = task_of(known, path)
    if task is None:
        return f"{path}, which belongs to a penalty"
    return None if task.losses else f"{path}, whose task has no losses"


def bound_faults(known: ValidationContext) -> Iterator[Fault]:
    """Yield the relative bounds that nothing can be measured for."""
    for i, entry in enumerate(known.parts.objective.metrics if known.parts.objective else ()):
        for name in ("at_least", "at_most"):
            bound = getattr(entry, name)
            if isinstance(bound, RelativeBound):
                yield from _bound_faults(known, bound, entry.metric, f"objective.metrics.{i}.{name}.of")


def _bound_faults(known: ValidationContext, bound: RelativeBound, metric: str, at: str) -> Iterator[Fault]:
    if bound.of == REFERENCE:
        for path in matches(metric, measured_paths(known)):
            if obstacle := without_reference(known, path):
                yield Fault(at, f"equal or current; reference only for {ALONE}", f"reference for {obstacle}")
                return
    named = any(weight.current is not None for weight in known.parts.searched().values())
    if bound.of == CURRENT and known.parts.whole and not named:
        yield Fault(at, "reference or equal; current only where a searched weight has its `current`", "current, and none has")
