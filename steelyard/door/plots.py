"""Draw a study's documents as plotly figures, where plotly is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.objective.pareto import front
from steelyard.errors import SteelyardError

Trials = Sequence[Mapping[str, Any]]


def _plotly() -> Any:
    try:
        from plotly import graph_objects
    except ImportError:
        raise SteelyardError("figures need plotly, which is not installed") from None
    return graph_objects


def _searched(trials: Trials) -> list[Mapping[str, Any]]:
    """Return the search trials that have a value. Raises SteelyardError where none has, as under a Pareto objective."""
    found = [each for each in trials if each["role"] == "search" and each["objective"]["value"] is not None]
    if not found:
        raise SteelyardError("no search trial has one value (yet); trials of a Pareto objective are in plot_pareto_front()")
    return found


def comparison_figure(comparison: Sequence[Mapping[str, Any]]) -> Any:
    """Return a bar a setting: the objective's mean over fresh seeds, with its standard deviation."""
    go = _plotly()
    rows = [row for row in comparison if row["metric"] == "value"]
    names, means = [row["setting"] for row in rows], [row["mean"] for row in rows]
    return go.Figure(go.Bar(x=names, y=means, error_y={"array": [row["std"] or 0 for row in rows]}))


def slice_figure(trials: Trials) -> Any:
    """Return the objective's value by each weight that differs between trials, on a log axis."""
    go = _plotly()
    found = _searched(trials)
    paths = [path for path in found[0]["weights"] if len({each["weights"][path] for each in found}) > 1]
    figure = go.Figure()
    for path in paths:
        x, y = [each["weights"][path] for each in found], [each["objective"]["value"] for each in found]
        figure.add_trace(go.Scatter(x=x, y=y, mode="markers", name=path))
    figure.update_xaxes(type="log", title="weight")
    return figure.update_yaxes(title="objective")


def history_figure(trials: Trials) -> Any:
    """Return the objective's value of each search trial, and the best so far."""
    go = _plotly()
    found = _searched(trials)
    values = [each["objective"]["value"] for each in found]
    best = [max(values[: i + 1]) for i in range(len(values))]
    numbers = [each["number"] for each in found]
    figure = go.Figure(go.Scatter(x=numbers, y=values, mode="markers", name="trials"))
    figure.add_trace(go.Scatter(x=numbers, y=best, mode="lines", name="best so far"))
    return figure.update_xaxes(title="trial").update_yaxes(title="objective")


def front_figure(trials: Trials, objective: Mapping[str, Any]) -> Any:
    """Return the first two optimised metrics, a point a trial, and which trials no other beats in these two.

    objective: the definition's, with the metrics' directions. Trials that break a constraint are among the points alone.
    """
    go = _plotly()
    ways = {each["metric"]: each["direction"] for each in objective["metrics"] if each.get("strategy", "optimize") == "optimize"}
    if len(ways) < 2:
        raise SteelyardError("a front needs an objective of two metrics or more")
    paths = list(ways)[:2]
    points = {
        each["number"]: (tuple(each["objective"]["values"].get(path) for path in paths), each["objective"].get("feasible", True))
        for each in trials
        if each["role"] == "search"
    }
    points = {number: each for number, each in points.items() if None not in each[0]}
    feasible = [number for number, (_, kept) in points.items() if kept]
    best = [feasible[i] for i in front([points[number][0] for number in feasible], [ways[path] for path in paths])]
    figure = go.Figure()
    for name, numbers, mode in (
        ("trials", list(points), "markers"),
        ("front", sorted(best, key=points.__getitem__), "lines+markers"),
    ):
        x, y = ([points[number][0][axis] for number in numbers] for axis in range(2))
        figure.add_trace(go.Scatter(x=x, y=y, mode=mode, name=name, text=[f"trial {number}" for number in numbers]))
    return figure.update_xaxes(title=paths[0]).update_yaxes(title=paths[1])


def curves_figure(trials: Trials, paths: Sequence[str]) -> Any:
    """Return the objective's metrics on validation rows by epoch."""
    go = _plotly()
    figure = go.Figure()
    for trial in trials:
        epochs = trial["intermediate_values"]
        for path in paths:
            x, y = [each["epoch"] for each in epochs], [each["validation"].get(path) for each in epochs]
            figure.add_trace(go.Scatter(x=x, y=y, mode="lines", name=f"trial {trial['number']} {path}"))
    return figure.update_xaxes(title="epoch")
