"""What a change of weights does metric by metric, in the units that people read. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from search.catalog import resolve_metric
from search.definition.schema import Objective, StudyDefinition

SHORT = {
    "mean_absolute_error": "MAE",
    "mean_squared_error": "MSE",
    "root_mean_squared_error": "RMSE",
    "mean_absolute_percentage_error": "MAPE",
    "mae": "MAE",
    "mse": "MSE",
    "auc": "AUC",
    "f1": "F1",
    "r2": "R2",
    "iou": "IoU",
}
"""Names of metrics as they are written."""

FORMS = ("sparse_", "categorical_", "binary_")
"""What a metric's name says of the labels' form: of several forms of accuracy a task has one."""

MOST = 6

OBJECTIVE = " in the objective"
"""Of a metric to minimise too: the objective is what is less the higher that is."""

UNITS = {
    "mean": " in the mean of the metrics",
    "worst": " in the worst metric",
    "geometric_mean": " in the geometric mean of the metrics",
    "delta_m": " percentage points of the mean change",
}
"""What a difference of an objective's values is in, by its aggregate."""


def in_percent(definition: StudyDefinition, own_metrics: Collection[str]) -> list[str]:
    """Return the paths of the metrics that the catalog says are read in percent; one of the workload's own is read as it is.

    A name alone does not say: a workload's own `accuracy` may be in percent already.
    """
    found = {
        f"{task.name}.{metric.name}": resolve_metric(metric.metric, [loss.loss for loss in task.losses], metric.config)
        for task in definition.tasks
        for metric in task.metrics
        if metric.metric not in own_metrics
    }
    return [path for path, resolved in found.items() if resolved is not None and resolved[0].in_percent]


def story(
    metrics: Sequence[str], before: Mapping[str, float], after: Mapping[str, float], percent: Collection[str] = frozenset()
) -> str:
    """Return "price MAE 69.0 -> 64.3, sold accuracy 82.4 -> 86.0 %" for metrics by path, as far as both have a number.

    `percent` are the paths that are read in percent.
    """
    changes = [change(path, before[path], after[path], path in percent) for path in metrics if path in before and path in after]
    more = f" and {len(changes) - MOST} more" if len(changes) > MOST else ""
    return ", ".join(changes[:MOST]) + more


def change(path: str, before: float, after: float, percent: bool) -> str:
    """Return what one metric was and is; a share that is read in percent comes as such."""
    name = readable(path)
    if percent:
        return f"{name} {100 * before:.1f} -> {100 * after:.1f} %"
    return f"{name} {rounded(before)} -> {rounded(after)}"


def unit_of(objective: Objective) -> str:
    """Return what a difference of the objective's values is in, as it follows the number in a sentence."""
    optimized = [entry for entry in objective.metrics if entry.strategy == "optimize"]
    utilities = {entry.utility for entry in optimized}
    if objective.aggregate == "worst" and utilities != {1.0}:
        return OBJECTIVE  # its value is the metric's times its utility
    if len(optimized) == 1 and objective.aggregate in (None, "mean", "worst"):
        return f" in {readable(optimized[0].metric)}" if optimized[0].direction == "maximize" else OBJECTIVE
    if objective.aggregate == "mean" and len(utilities) > 1:
        return " in the weighted mean of the metrics"
    return UNITS.get(objective.aggregate or "", OBJECTIVE)


def readable(path: str) -> str:
    """Return a metric's path as it is read: its task, and what it is."""
    task, _, name = path.partition(".")
    for form in FORMS:
        name = name.removeprefix(form)
    return f"{task} {SHORT.get(name, name.replace('_', ' '))}".strip()


def rounded(value: float) -> str:
    """Return a number with three significant digits, zeros at its end included; large and small ones as powers of ten."""
    text = f"{value:#.3g}"
    return text.removesuffix(".")
