"""Check a study against its rows: which labels, row weights and masks a term or metric can see.

`refuse_unmeasurable` raises PreflightError; `cautions` yields warnings. Both name the place in the definition and the way out.
"""

from __future__ import annotations

from collections.abc import Iterator

from search.catalog import find_loss
from search.definition.schema import StudyDefinition, Task
from search.definition.space import SearchSpace
from search.errors import PreflightError
from search.names import listed
from search.training.child.label_checks import balanced_padding, label_counts, raw_marks
from search.training.problem.batch import Batch, shape_text
from search.training.problem.measurable import UNLABELLED, undefined
from search.training.problem.metrics import RowMean
from search.training.problem.problem import TrainingProblem
from search.training.problem.terms import TermFunction, one_a_batch, own_values
from search.training.problem.views import TaskView

WAYS_OUT = {UNLABELLED: "give it labelled rows, or leave the task out"}


def refuse_unmeasurable(problem: TrainingProblem, definition: StudyDefinition) -> None:
    """Refuse a task that no training row is labelled for, and an objective that a split it is judged on cannot measure."""
    untrained = undefined(problem, "train")
    weights = {term.path: term.weight for term in SearchSpace(definition).terms}
    for term in problem.terms:
        if untrained.get(term.path) == UNLABELLED and weights[term.path] != 0:
            raise PreflightError(
                "no_labels", f"{term.path} cannot be trained: in train {UNLABELLED}; {WAYS_OUT[UNLABELLED]}", term.at
            )
    for split in _judged_on(problem, definition):
        lost = undefined(problem, split)
        for i, entry in enumerate(definition.objective.metrics):
            if entry.metric in lost and entry.strategy != "store":
                text = f"the objective needs {entry.metric}, which is undefined on {split}: {lost[entry.metric]}"
                way = WAYS_OUT.get(lost[entry.metric], f"give {split} rows with other labels, or choose another metric")
                raise PreflightError("undefined_metric", f"{text}; {way}", f"objective.metrics.{i}")


def _judged_on(problem: TrainingProblem, definition: StudyDefinition) -> Iterator[str]:
    yield "validation"
    if definition.search.confirmation is not None and "test" in problem.opened.loaded.splits:
        yield "test"


def cautions(problem: TrainingProblem, definition: StudyDefinition, batch: Batch) -> Iterator[str]:
    """Yield what is trained or measured as it was asked for, but probably not as it was meant. `batch`: some training rows."""
    yield from label_counts(problem, definition)
    yield from raw_marks(problem, definition)
    yield from balanced_padding(definition, batch)
    yield from _undefined(problem)
    for term in problem.terms:
        yield from _beside_weights(term, problem, batch)
    for metric in problem.row_metrics:
        yield from _beside_weights(metric, problem, batch)
    for i, task in enumerate(definition.tasks):
        yield from _ignored_classes(f"tasks.{i}", task, problem)


def _undefined(problem: TrainingProblem) -> Iterator[str]:
    """Warn of what a split cannot measure, once for all that one reason holds for."""
    for split in problem.opened.loaded.splits:
        reasons: dict[str, list[str]] = {}
        for path, reason in undefined(problem, split).items():
            reasons.setdefault(reason, []).append(path)
        for reason, paths in reasons.items():
            yield f"{listed(paths)}: undefined on {split}, since {reason}"


def _beside_weights(measured: TermFunction | RowMean, problem: TrainingProblem, batch: Batch) -> Iterator[str]:
    """Warn where row weights or a mask do not reach what the user's function, or a batch statistic, returns."""
    task = measured.task
    if task is None:
        return
    rank = _returned_rank(measured, task, batch)
    if rank is None:
        return
    weighted = TaskView(task).loss_weight(batch, 1, measured.target) is not None
    mask = batch.masks.get(task.used_output)
    alone = "unless the function reads batch.sample_weight itself" if measured.own else "a batch statistic has no rows"
    if rank == 0 and weighted:
        yield f"{measured.path} is one number a batch: row weights do not reach it ({alone}); return one value a row, [batch]"
    if mask is not None and rank < len(mask.shape) and measured.own is not None:
        yield (
            f"{measured.path}: output {task.used_output} has a mask {shape_text(mask)}, and the workload's own function returns "
            f"{'a scalar' if rank == 0 else 'one value a row'}: padding counts in it unless the function reads batch.masks; return "
            f"{shape_text(mask)}, which is reduced under the mask"
        )


def _returned_rank(measured: TermFunction | RowMean, task: Task, batch: Batch) -> int | None:
    """Return how many axes the own function's values have, 0 for a batch statistic of Keras; None where rows are sure."""
    if measured.own is not None:
        return len(own_values(measured.own(batch)).shape)
    loss = next((loss for loss in task.losses if f"{task.name}.{loss.name}" == measured.path), None)
    entry = find_loss(loss.loss) if loss is not None and isinstance(measured, TermFunction) and measured.built_in else None
    return 0 if loss is not None and one_a_batch(entry, loss.config) else None


def _ignored_classes(at: str, task: Task, problem: TrainingProblem) -> Iterator[str]:
    """Warn of metrics that count the rows of a class that a loss of the task ignores."""
    targets = [rows.targets.get(task.used_target) for rows in problem.opened.loaded.splits.values()]
    for loss in task.losses:
        ignored = loss.config.get("ignore_class")
        counting = [f"{task.name}.{metric.name}" for metric in task.metrics if metric.config.get("ignore_class") != ignored]
        if ignored is None or not counting or not any((target == ignored).any() for target in targets if target is not None):
            continue
        text = f"{at}: {listed(counting)} count what is labelled {ignored}, which the loss {loss.name} ignores (ignore_class)"
        yield f"{text}: give those labels sample_weight 0, or use mean_io_u with ignore_class"
