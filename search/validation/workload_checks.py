"""Check the names, columns and sides that a definition reads against a workload's inputs, outputs and targets.

The same rules in the same words hold of what a worker published of a workload, before anything runs, and of the loaded model, in
the preflight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from search.definition.plugins import find_penalty_of
from search.definition.schema import Penalty, Task
from search.definition.selectors import Selector
from search.errors import Fault
from search.names import listed, nearest
from search.validation.context import Shape, ValidationContext

Shapes = Mapping[str, Shape | None]


class UnfitShape(Fault):
    """A fault of a shape, where the names are right."""


@dataclass(frozen=True, slots=True)
class WorkloadShapes:
    """A workload's inputs, outputs and targets by name, each None where it is not known, and its own losses and metrics."""

    inputs: Shapes | None
    outputs: Shapes | None
    targets: Shapes | None
    losses: Collection[str] = ()
    metrics: Collection[str] = ()

    def names(self, kind: str) -> Shapes | None:
        """Return the shapes of one kind, `input`, `output` or `target`, by name."""
        return {"input": self.inputs, "output": self.outputs, "target": self.targets}[kind]

    def shape(self, kind: str, name: str) -> Shape | None:
        """Return the shape of an input, output or target; None where it is not known."""
        return (self.names(kind) or {}).get(name)


def selectors(known: ValidationContext) -> Iterator[Fault]:
    """Check what penalties read against what a worker published: tasks and keys that there are, and two sides of one shape."""
    tasks = {task.name for task in known.parts.tasks.values()}
    for i, penalty in known.parts.penalties.items():
        for j, side in enumerate(penalty.between or ()):
            if side.task is not None and side.task not in tasks and known.parts.named:
                path = f"penalties.{i}.between.{j}.task"
                yield Fault(path, f"a task ({listed(tasks)})", repr(side.task), nearest(side.task, tasks))
    yield from side_faults(known.parts.tasks, known.parts.penalties, _published(known))


def outputs(known: ValidationContext) -> Iterator[Fault]:
    """Check the outputs, columns and targets that tasks and losses name against what a worker published."""
    yield from task_faults(known.parts.tasks, _published(known))


def _published(known: ValidationContext) -> WorkloadShapes:
    found: dict[str, Shapes | None] = {}
    for kind in ("inputs", "outputs", "targets"):
        names = known.keys(kind)
        found[kind] = None if names is None else {name: known.shape(kind, name) for name in names}
    return WorkloadShapes(**found, losses=known.own("losses") or (), metrics=known.own("metrics") or ())


def task_faults(tasks: Mapping[int, Task], shapes: WorkloadShapes) -> Iterator[Fault]:
    """Yield what is wrong with the outputs, columns and targets that tasks and losses name."""
    for i, task in tasks.items():
        yield from _unknown(f"tasks.{i}.{'output' if task.output else 'name'}", "output", task.used_output, shapes)
        for j, loss in enumerate(task.losses):
            if loss.target is not None:
                yield from _unknown(f"tasks.{i}.losses.{j}.target", "target", loss.target, shapes)
        if _reads_target(task, shapes):
            yield from _unknown(f"tasks.{i}.{'target' if task.target else 'name'}", "target", task.used_target, shapes)
        yield from _beyond(f"tasks.{i}.column", task.column, shapes.shape("output", task.used_output))


def _reads_target(task: Task, shapes: WorkloadShapes) -> bool:
    """Return whether anything compares the task's output with the task's own target; own terms find theirs themselves."""
    return any(loss.target is None and loss.loss not in shapes.losses for loss in task.losses) or any(
        metric.metric not in shapes.metrics for metric in task.metrics
    )


def side_faults(tasks: Mapping[int, Task], penalties: Mapping[int, Penalty], shapes: WorkloadShapes) -> Iterator[Fault]:
    """Yield what is wrong with the keys and columns that penalties read, and with two sides of unequal shape."""
    by_name = {task.name: task for task in tasks.values()}
    shapes = replace(shapes, targets=_as_compared(tasks, shapes))
    for i, penalty in penalties.items():
        for j, side in enumerate(penalty.between or ()):
            yield from _side(f"penalties.{i}.between.{j}", side, by_name, shapes)
        if penalty.between is not None:
            yield from _two_sides(f"penalties.{i}.between", penalty, by_name, shapes)


def _as_compared(tasks: Mapping[int, Task], shapes: WorkloadShapes) -> Shapes | None:
    """Return the targets' shapes as terms see them: narrow ones with a last axis of width 1."""
    if shapes.targets is None:
        return None
    narrow = narrow_targets([*tasks.values()], shapes.outputs or {}, shapes.targets)
    return {name: (*shape, 1) if shape is not None and name in narrow else shape for name, shape in shapes.targets.items()}


def narrow_targets(tasks: Sequence[Task], outputs: Shapes, targets: Shapes) -> frozenset[str]:
    """Return the targets that lack the last axis of every output of width 1 that they are compared with.

    [batch] against [batch, 1] would broadcast to [batch, batch]. Class ids, which lack an axis of more classes, are not among them.
    """
    compared: dict[str, list[bool]] = {}
    for task in tasks:
        output = outputs.get(task.used_output) or ()
        width = 1 if task.column is not None else output[-1] if output else None
        for name in {task.used_target, *(loss.target for loss in task.losses if loss.target is not None)}:
            target = targets.get(name)
            if target is not None:
                compared.setdefault(name, []).append(width == 1 and len(target) == len(output) - 1)
    return frozenset(name for name, narrow in compared.items() if all(narrow))


def _side(path: str, side: Selector, tasks: Mapping[str, Task], shapes: WorkloadShapes) -> Iterator[Fault]:
    for kind in ("output", "input", "target"):
        name = getattr(side, kind)
        if name is not None:
            yield from _unknown(f"{path}.{kind}", kind, name, shapes)
    shape = _source_shape(side, tasks, shapes)
    for place, column in side.read_columns():
        yield from _beyond(f"{path}.{place}", column, shape)


def _unknown(path: str, kind: str, name: str, shapes: WorkloadShapes) -> Iterator[Fault]:
    """Refuse a name that the workload does not have."""
    names = shapes.names(kind)
    if names is not None and name not in names:
        yield Fault(path, f"one of the workload's {kind}s ({listed(names)})", repr(name), nearest(name, names))


def _beyond(path: str, column: int | None, shape: Shape | None) -> Iterator[Fault]:
    """Refuse a column that a shape does not have."""
    if column is None or shape is None:
        return
    if len(shape) < 2:
        yield UnfitShape(path, "no column: what is read has no axis of columns", f"{column} of {_shape_text(shape)}")
    elif shape[-1] is not None and column >= shape[-1]:
        yield UnfitShape(path, f"a column below the width {shape[-1]}", str(column))


def _two_sides(path: str, penalty: Penalty, tasks: Mapping[str, Task], shapes: WorkloadShapes) -> Iterator[Fault]:
    left, right = penalty.between or (None, None)
    if left is None or right is None:
        return
    if left == right:
        yield Fault(path, "two different sides", "the same side twice")
        return
    a, b = _shape(left, tasks, shapes), _shape(right, tasks, shapes)
    unequal = [*_group_count(f"{path}.0", left, b), *_group_count(f"{path}.1", right, a)]
    if unequal:
        yield from unequal
        return
    entry = find_penalty_of(penalty)
    if a is not None and entry is not None and entry.reduces_first:
        a = (a[0], a[-1])
    if a is not None and b is not None and not _equal_shapes(a, b):
        expected = "two sides of equal shape: Keras would broadcast them"
        yield UnfitShape(path, expected, f"{_shape_text(a)} against {_shape_text(b)}")


def _group_count(path: str, side: Selector, other: Shape | None) -> Iterator[Fault]:
    """Refuse another number of groups than the other side has classes."""
    if side.groups is None or not other or other[-1] is None or len(other) < 2:
        return
    if other[-1] != len(side.groups):
        yield UnfitShape(f"{path}.groups", f"{other[-1]} groups, one for each class of the other side", str(len(side.groups)))


def _equal_shapes(a: Shape, b: Shape) -> bool:
    """Compare shapes but for the batch; None is an axis of any size."""
    return len(a) == len(b) and all(None in (one, other) or one == other for one, other in zip(a[1:], b[1:], strict=True))


def _shape_text(shape: Shape) -> str:
    return f"[{', '.join(['batch', *('any' if size is None else str(size) for size in shape[1:])])}]"


def _source_shape(side: Selector, tasks: Mapping[str, Task], shapes: WorkloadShapes) -> Shape | None:
    """Return the shape of what a selector reads, before it takes columns and reduces; None where it is not known."""
    if side.task is not None:
        task = tasks.get(side.task)
        shape = None if task is None else shapes.shape("output", task.used_output)
        return shape if shape is None or task is None or task.column is None else (*shape[:-1], 1)
    kind = next(kind for kind in ("output", "input", "target") if getattr(side, kind) is not None)
    return shapes.shape(kind, getattr(side, kind))


def _shape(side: Selector, tasks: Mapping[str, Task], shapes: WorkloadShapes) -> Shape | None:
    """Return the shape of one side of a penalty; None where it is not known, or lacks the axis whose columns are read."""
    shape, whole = _source_shape(side, tasks, shapes), not side.columns
    if shape is None or len(shape) < 2:
        return shape if whole else None
    width = shape[-1] if whole else len(side.groups) if side.groups is not None else 1
    return (shape[0], width) if side.reduce is not None else (*shape[:-1], width)
