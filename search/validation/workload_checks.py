"""What can be checked of outputs, inputs, targets and shapes once a worker has described the workload; else the preflight does."""

from __future__ import annotations

from collections.abc import Iterator

from search.definition.plugins import find_penalty_of
from search.definition.schema import Penalty, Selector, Task
from search.errors import Fault
from search.names import listed, nearest
from search.validation.context import Shape, ValidationContext


def selectors(known: ValidationContext) -> Iterator[Fault]:
    """Check what penalties read: tasks and keys that there are, and two sides of one shape."""
    tasks = {task.name for task in known.parts.tasks.values()}
    for i, penalty in known.parts.penalties.items():
        for j, side in enumerate(penalty.between or ()):
            path = f"penalties.{i}.between.{j}"
            if side.task is not None and side.task not in tasks and known.parts.named:
                yield Fault(f"{path}.task", f"a task ({listed(tasks)})", repr(side.task), nearest(side.task, tasks))
            yield from _described_side(known, path, side)
        if penalty.between is not None:
            yield from _two_sides(known, f"penalties.{i}.between", penalty, *penalty.between)


def _two_sides(known: ValidationContext, path: str, penalty: Penalty, left: Selector, right: Selector) -> Iterator[Fault]:
    if left == right:
        yield Fault(path, "two different sides", "the same side twice")
        return
    a, b = _shape(known, left), _shape(known, right)
    entry = find_penalty_of(penalty)
    if a is not None and entry is not None and entry.reduces_first:
        a = (a[0], a[-1])
    if a is not None and b is not None and not _equal_shapes(a, b):
        yield Fault(path, "two sides of equal shape: Keras would broadcast them", f"{_shape_text(a)} against {_shape_text(b)}")


def _equal_shapes(a: Shape, b: Shape) -> bool:
    """Compare shapes but for the batch; None is an axis of any size."""
    return len(a) == len(b) and all(None in (one, other) or one == other for one, other in zip(a[1:], b[1:], strict=True))


def _shape_text(shape: Shape) -> str:
    return f"[{', '.join(['batch', *('any' if size is None else str(size) for size in shape[1:])])}]"


def _described_side(known: ValidationContext, path: str, side: Selector) -> Iterator[Fault]:
    for kind in ("output", "input", "target"):
        name = getattr(side, kind)
        if name is not None:
            yield from _described(known, f"{path}.{kind}", f"{kind}s", name)
    width = _width(_source_shape(known, side))
    kind = "index" if side.index is not None else "classes"
    for column in (side.index, *(side.classes or ())):
        if column is not None and width is not None and column >= width:
            yield Fault(f"{path}.{kind}", f"columns below the width {width}", str(column))


def outputs(known: ValidationContext) -> Iterator[Fault]:
    """Check the outputs, columns and targets that tasks and losses name."""
    for i, task in known.parts.tasks.items():
        yield from _described(known, f"tasks.{i}.{'output' if task.output else 'name'}", "outputs", task.used_output)
        yield from _loss_targets(known, i, task)
        if _reads_target(known, task):
            yield from _described(known, f"tasks.{i}.{'target' if task.target else 'name'}", "targets", task.used_target)
        width = _width(known.shape("outputs", task.used_output))
        if task.column is not None and width is not None and task.column >= width:
            yield Fault(f"tasks.{i}.column", f"a column below the output's width {width}", str(task.column))


def _reads_target(known: ValidationContext, task: Task) -> bool:
    """Tell whether anything compares the task's output with the task's own target; own terms find theirs themselves."""
    losses, metrics = known.own("losses") or (), known.own("metrics") or ()
    return any(loss.target is None and loss.loss not in losses for loss in task.losses) or any(
        metric.metric not in metrics for metric in task.metrics
    )


def _loss_targets(known: ValidationContext, i: int, task: Task) -> Iterator[Fault]:
    for j, loss in enumerate(task.losses):
        if loss.target is not None:
            yield from _described(known, f"tasks.{i}.losses.{j}.target", "targets", loss.target)


def _described(known: ValidationContext, path: str, kind: str, name: str) -> Iterator[Fault]:
    """Check a name against the workload's published inputs, outputs or targets."""
    names = known.keys(kind)
    if names is not None and name not in names:
        yield Fault(path, f"one of the workload's {kind} ({listed(names)})", repr(name), nearest(name, names))


def _source_shape(known: ValidationContext, side: Selector) -> Shape | None:
    """Return the shape of what a selector reads, before it takes columns and reduces; None where it is not known."""
    task = next((task for task in known.parts.tasks.values() if task.name == side.task), None)
    if task is not None:
        shape = known.shape("outputs", task.used_output)
        return shape if shape is None or task.column is None else (*shape[:-1], 1)
    kind = next((kind for kind in ("output", "input", "target") if getattr(side, kind) is not None), "task")
    return known.shape(f"{kind}s", getattr(side, kind))


def _shape(known: ValidationContext, side: Selector) -> Shape | None:
    """Return the shape of one side of a penalty."""
    shape = _source_shape(known, side)
    if shape is None or len(shape) < 2:
        return shape
    width = shape[-1] if side.classes is None and side.index is None else 1
    return (shape[0], width) if side.reduce is not None else (*shape[:-1], width)


def _width(shape: Shape | None) -> int | None:
    return shape[-1] if shape is not None and len(shape) > 1 else None
