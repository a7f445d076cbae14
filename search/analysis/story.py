"""What a change of weights does metric by metric, in the units that people read. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PERCENT = ("accuracy", "precision", "recall")
"""Ends of the names of metrics that are read in percent."""

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


def story(metrics: Sequence[str], before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Return "price MAE 69.0 -> 64.3, sold accuracy 82.4 -> 86.0 %" for metrics by path, as far as both have a number."""
    changes = [change(path, before[path], after[path]) for path in metrics if path in before and path in after]
    more = f" and {len(changes) - MOST} more" if len(changes) > MOST else ""
    return ", ".join(changes[:MOST]) + more


def change(path: str, before: float, after: float) -> str:
    """Return what one metric was and is; shares that are read in percent come as such."""
    name = readable(path)
    if name.endswith(PERCENT) and all(0 <= value <= 1 for value in (before, after)):
        return f"{name} {100 * before:.1f} -> {100 * after:.1f} %"
    return f"{name} {rounded(before)} -> {rounded(after)}"


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
