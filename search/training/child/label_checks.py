"""Check missing labels and class weights against the rows: what would count a label that is not there is refused by name.

`refuse_unreadable_labels` looks at labels alone, `refuse_reading_missing` at what terms and metrics make of them. Both raise
PreflightError. `label_counts` says how many labels there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from search.definition.labels import NAN
from search.definition.schema import StudyDefinition, Task
from search.errors import PreflightError
from search.names import listed
from search.training.problem.batch import Batch, Tensor
from search.training.problem.class_weights import classes_of, countable
from search.training.problem.labels import has_class_ids
from search.training.problem.measurable import counted_labels
from search.training.problem.metrics import CountingMetric, RowMean
from search.training.problem.problem import TrainingProblem
from search.training.problem.step import training_batch
from search.training.problem.terms import TermFunction
from search.training.problem.views import TaskView, common_mark

Array = NDArray[Any]
MeasuredPart = TermFunction | RowMean | CountingMetric

OTHER = 1.0
"""A label of any task in place of 0 where one is missing: what changes with it depends on labels that are missing."""

ROWS_OF_A_KIND = 4
TOLERANCE = 1e-5


# Labels by themselves


def refuse_unreadable_labels(problem: TrainingProblem, definition: StudyDefinition) -> None:
    """Refuse NaN that no task calls missing, and class weights of what has no classes."""
    for split in problem.opened.loaded.splits:
        as_given = replace(problem.labels(split), targets=problem.opened.rows(split).targets, labelled={})
        for i, task in enumerate(definition.tasks):
            _refuse_nan(f"tasks.{i}", task, as_given, split)
        _refuse_nan_that_no_task_reads(definition, problem, split)
    for i, task in enumerate(definition.tasks):
        if task.class_weight is not None:
            _refuse_classes(f"tasks.{i}.class_weight", task, problem.labels("train"))


def _refuse_nan(at: str, task: Task, labels: Batch, split: str) -> None:
    for name in sorted(task.read_targets & labels.targets.keys()):
        target = np.asarray(TaskView(task).target(labels, name))
        if task.missing != NAN and target.dtype.kind == "f" and (gone := np.isnan(target)).any():
            place = f"{split}.y[{name!r}]"
            way = f'set "missing": "nan" in task {task.name}, or give such rows sample_weight 0 and any number'
            raise PreflightError("nan_labels", f"{_nan_text(place, gone)}; {way}", f"{at}.missing")


def _refuse_nan_that_no_task_reads(definition: StudyDefinition, problem: TrainingProblem, split: str) -> None:
    read = set[str]().union(*(task.read_targets for task in definition.tasks))
    for name, target in problem.opened.loaded.splits[split].targets.items():
        if name not in read and target.dtype.kind == "f" and (gone := np.isnan(target)).any():
            place = f"{split}.y[{name!r}]"
            raise PreflightError("nan_labels", f"{_nan_text(place, gone)}; leave such rows out", f"load_data: {place}")


def _nan_text(place: str, gone: Array) -> str:
    rows = np.flatnonzero(gone.reshape(len(gone), -1).any(axis=1))
    return f"{place} has NaN in {len(rows)} of {len(gone)} rows, first in row {rows[0]}"


def _refuse_classes(at: str, task: Task, labels: Batch) -> None:
    """Refuse class weights where labelled rows or steps do not have one class each, and weights of classes that there are not."""
    view = TaskView(task)
    target, output = view.target(labels), view.raw(labels)
    count, name = classes_of(view, labels), f"train.y[{task.used_target!r}]"
    ids = output.shape[-1] == 1 or has_class_ids(target, output)
    values = np.asarray(target, np.float64)
    if not ids:
        text = f"{name} is not one-hot: each row should have one class, its numbers a sum of 1 and one of them the largest"
        tops = (values == values.max(axis=-1, keepdims=True)).sum(axis=-1) == 1
        fits = tops & np.isclose(values.sum(axis=-1), 1, atol=1e-3)
    else:
        text = f"{name} holds no classes: whole numbers from 0 to {count - 1} are needed"
        values = values.reshape(np.asarray(view.classes(labels)).shape)
        fits = (values == np.round(values)) & (values >= 0) & (values < count)
    there = view.labelled(labels)
    known = np.ones(fits.shape, bool) if there is None else np.asarray(there).reshape(*fits.shape, -1).all(axis=-1)
    if not fits[known].all():
        row = int(np.flatnonzero((known & ~fits).reshape(len(fits), -1).any(axis=1))[0])
        raise PreflightError("bad_class_weight", f"{text} for class_weight; row {row} has {np.asarray(target)[row].tolist()}", at)
    unknown = [key for key in (task.class_weight if isinstance(task.class_weight, Mapping) else ()) if int(key) >= count]
    if unknown:
        text = f"class_weight names the class {listed(unknown)}, and the output {task.used_output} has {count} classes, from 0"
        raise PreflightError("bad_class_weight", text, at)


def label_counts(problem: TrainingProblem, definition: StudyDefinition) -> Iterator[str]:
    """Yield how many rows of each split have a label of a task that may lack some; warn of a mark that marks nothing."""
    for i, task in enumerate(definition.tasks):
        if not task.may_lack_labels:
            continue
        counts, none = [], True
        for split in problem.opened.loaded.splits:
            there = counted_labels(task, problem.labels(split))
            rows = problem.count(split)
            labelled = rows if there is None else int(there.reshape(rows, -1).any(axis=1).sum())
            marked = TaskView(task).labelled(problem.labels(split))
            none &= marked is None or bool(ops.all(marked))
            counts.append(f"{labelled} of {rows} {split} rows")
        if none:
            yield f"tasks.{i}.missing: no label of {task.name} is {_mark(task)}, so none is missing"
        else:
            yield f"{task.name}: a label in {', '.join(counts)}"


def raw_marks(problem: TrainingProblem, definition: StudyDefinition) -> Iterator[str]:
    """Warn of marks of missing labels that functions of the workload's own see, since not all losses agree on them."""
    every: Sequence[MeasuredPart] = (*problem.terms, *problem.row_metrics, *problem.counted_metrics)
    own = [measured.path for measured in every if getattr(measured, "own", None)]
    labels = problem.labels("train")
    for i, task in enumerate(definition.tasks):
        name = task.used_target
        there = TaskView(task).labelled(labels)
        agreed = task.missing == NAN or common_mark(definition.tasks, name) is not None
        if own and there is not None and not agreed and not bool(ops.all(there)):
            text = f"tasks.{i}.missing: not all losses that read y[{name!r}] agree that {_mark(task)} marks a missing label"
            yield f"{text}, so the functions of {listed(own)} see it as it is in batch.targets[{name!r}]: leave it out there"


def balanced_padding(definition: StudyDefinition, batch: Batch) -> Iterator[str]:
    """Warn of classes that are balanced by labels of padding. `batch`: some training rows."""
    for i, task in enumerate(definition.tasks):
        mask = TaskView(task).mask(batch)
        if not task.balances_classes or mask is None:
            continue
        ids, steps = np.asarray(TaskView(task).classes(batch)), np.asarray(mask)
        if ids.shape == steps.shape and (countable(task, ids, classes_of(TaskView(task), batch)) & ~steps).any():
            text = f"tasks.{i}.class_weight: output {task.used_output} has a mask, and the labels that it leaves out are counted"
            yield f"{text} in the balance: mark those with `missing`"


def _mark(task: Task) -> str:
    return "NaN" if task.missing == NAN else f"{task.missing:g}"


# What terms and metrics make of them


def refuse_reading_missing(problem: TrainingProblem, definition: StudyDefinition) -> None:
    """Refuse a term or metric whose value depends on a label that is missing, or that leaves labels out which are there.

    Tried on a few rows of each split, labelled, unlabelled and partly labelled ones, with two labels in place of each missing one.
    """
    if not any(task.may_lack_labels for task in definition.tasks):
        return
    for split in problem.opened.loaded.splits:
        places = _telling_rows(problem, definition, split)
        if not len(places):
            continue
        network = problem.untouched_network(definition.search.seed)
        values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
        trained = len(network.trainable)
        batch, _ = training_batch(problem, network, problem.chosen(split, places), values[:trained], values[trained:])
        every: Sequence[MeasuredPart] = (*problem.terms, *problem.row_metrics, *problem.counted_metrics)
        for measured in every:
            _refuse_reading(measured, batch, split)


def _refuse_reading(measured: MeasuredPart, batch: Batch, split: str) -> None:
    lost: list[bool] = []
    value = _value(measured, replace(batch, watch=lambda there, whole: lost.append(_loses(there, whole))))
    if any(lost):
        raise _partly(measured, split)
    if not _same(value, _value(measured, _with_other_labels(batch))) and _same(value, _value(measured, batch)):
        outside = getattr(measured, "own", None) and not np.isfinite(value).all()
        raise _no_number(measured, split) if outside else _dependent(measured, split)


def _telling_rows(problem: TrainingProblem, definition: StudyDefinition, split: str) -> Array:
    """Return a few rows of a split: of each task some without a label, with a part of it, and with all; none where all have all."""
    labels, found = problem.labels(split), set[int]()
    for task in definition.tasks:
        for name in sorted(task.read_targets):
            there = TaskView(task).labelled(labels, name)
            if there is None or bool(ops.all(there)):
                continue
            flat = np.asarray(there).reshape(problem.count(split), -1)
            none, whole = ~flat.any(axis=1), flat.all(axis=1)
            for kind in (none, whole, ~none & ~whole):
                found |= {int(row) for row in np.flatnonzero(kind)[:ROWS_OF_A_KIND]}
    return np.array(sorted(found), np.int32)


def _with_other_labels(batch: Batch) -> Batch:
    filled = {name: ops.where(there, batch.targets[name], ops.full_like(batch.targets[name], OTHER))
              for name, there in batch.labelled.items()}  # fmt: skip
    return replace(batch, targets={**batch.targets, **filled}, placeholder=OTHER)


def _value(measured: MeasuredPart, batch: Batch) -> Array:
    if isinstance(measured, TermFunction):
        value = measured.measure(batch)
        return np.array([value.total, value.weight], np.float64)
    if isinstance(measured, RowMean):
        values, weights = (np.asarray(part, np.float64) for part in measured.measure(batch))
        return np.array([(values * weights).sum(), weights.sum()])
    counter = measured.make(batch)
    counter.update_state(*measured.arguments(batch))
    return np.asarray(counter.result(), np.float64)


def _same(one: Array, other: Array) -> bool:
    return np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * 1e-3, equal_nan=True)


def _loses(there: Tensor, whole: Tensor) -> bool:
    """Return whether some labels of a position are there, and it is left out since others are not."""
    some = there
    while len(some.shape) > len(whole.shape):
        some = ops.any(some, axis=-1)
    return bool(ops.any(ops.logical_and(some, ops.logical_not(whole))))


def _partly(measured: MeasuredPart, split: str) -> PreflightError:
    text = f"{measured.path} reads several labels of a row as one, and some rows of {split} lack a part of theirs"
    way = (
        "return one value a label, [batch, columns], each of which then counts where it has its label"
        if getattr(measured, "own", None)
        else "give each label a task of its own (`column`), or choose a loss or metric that is a mean over columns"
    )
    return PreflightError("partial_labels", f"{text}: {way}", measured.at)


def _no_number(measured: MeasuredPart, split: str) -> PreflightError:
    text = f"{measured.path} is no finite number on rows of {split}, of which some lack their label: there the target is 0"
    way = "put a number that the function is made for in its place: ops.where(batch.labelled[name], batch.targets[name], number)"
    return PreflightError("reads_missing_labels", f"{text}; {way}", measured.at)


def _dependent(measured: MeasuredPart, split: str) -> PreflightError:
    text = f"{measured.path} depends on labels of {split} that are missing: it does not leave them out"
    way = (
        "return one value a row, or weigh by batch.labelled"
        if getattr(measured, "own", None)
        else "choose another, or leave such rows out"
    )
    return PreflightError("reads_missing_labels", f"{text}; {way}", measured.at)
