"""What an aggregate asks of the objective's metrics and config, and what is filled in where they say nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from search import catalog
from search.catalog.strategies import SMOOTHING
from search.definition import MAX_TERMS, Config, Objective
from search.errors import Fault, shown
from search.known import Known, direction_of, matches, measured_paths, resolve
from search.names import listed, nearest

Range = tuple[float | None, float | None]
"""Least and greatest value that a number can have; None for no bound."""

SHARE: Range = (0.0, 1.0)
LARGEST = 1e300
MAX_COMPARED = 200


def faults(known: Known) -> Iterator[Fault]:
    """Yield what is wrong with the objective's config, and with its metrics for its aggregate."""
    objective = known.parts.objective
    entry = catalog.find_aggregate((objective.aggregate if objective else None) or "mean")
    if objective is None or entry is None or not entry.available:
        return
    yield from catalog.config_faults(entry, objective.config, "objective.config")
    if entry.name == "geometric_mean":
        yield from _not_positive(objective, known)
    if entry.parameter("ideal") is not None:
        ideal = objective.config.get("ideal")
        if ideal is None or isinstance(ideal, dict):
            yield from _ideal_faults(objective, known)
        else:
            yield Fault("objective.config.ideal", "an object: the best value of each metric by its path", shown(ideal))


def filled(objective: Objective, known: Known) -> Config:
    """Return the objective's config with its ideal values and its `mu`, where the aggregate reads them. Its metrics are echoed."""
    entry = catalog.find_aggregate(objective.aggregate or "mean")
    config = dict(objective.config)
    if entry is not None and entry.parameter("ideal") is not None:
        given = _given(objective, known)
        ideals = {path: given.get(path, ideal_of(known, path, way)) for _, path, way in _optimized(objective, known)}
        config["ideal"] = {path: None if ideal is None else float(ideal) for path, ideal in ideals.items()}
    if entry is not None and entry.parameter("mu") is not None:
        mu = config.get("mu", SMOOTHING)
        config["mu"] = float(mu) if isinstance(mu, int | float) else mu
    return config


def ideal_of(known: Known, path: str, direction: str | None) -> float | None:
    """Return the best value that the number at `path` can have, as far as the catalog knows a simple one: 1, or 0."""
    low, high = range_of(known, path) or (None, None)
    if direction == "maximize" and high == 1:
        return 1.0
    return 0.0 if direction == "minimize" and low == 0 else None


def range_of(known: Known, path: str) -> Range | None:
    """Return the range of the number at `path`; None for the workload's own, which nobody knows."""
    head, _, inner = path.partition(".")
    for task in known.parts.tasks.values():
        for metric in task.metrics if task.name == head else ():
            if metric.name == inner:
                resolved = resolve(known, task, metric)
                return None if resolved is None else resolved[0].range
    terms = {term: part for _, term, part, _ in known.parts.terms()}
    if path not in terms:
        return SHARE if inner == "violations" else None
    return _range_of_term(known, terms[path])


def _range_of_term(known: Known, part: Any) -> Range | None:
    kind = "loss" if hasattr(part, "loss") else "penalty"
    name = getattr(part, kind)
    if name in (known.own("losses" if kind == "loss" else "penalties") or ()):
        return None
    entry = catalog.find_loss(name) if kind == "loss" else catalog.find_penalty(name)
    if entry is None:
        return None
    return (None if entry.can_be_negative else 0.0, None)


def _optimized(objective: Objective, known: Known) -> Iterator[tuple[int, str, str | None]]:
    """Yield the optimised metrics, those behind a `*` one by one: index in the objective, path, direction."""
    declared = measured_paths(known)
    for i, entry in enumerate(objective.metrics):
        for path in matches(entry.metric, declared) if entry.strategy == "optimize" else ():
            yield i, path, entry.direction or direction_of(known, path)


def _not_positive(objective: Objective, known: Known) -> Iterator[Fault]:
    told: set[int] = set()
    for i, path, direction in _optimized(objective, known):
        span = range_of(known, path)
        wrong = "is minimised" if direction == "minimize" else "can be negative" if span is not None and span[0] != 0 else None
        if wrong is not None and i not in told:
            told.add(i)
            expected = "a metric to maximise that is never negative: that alone has a geometric mean in which more is better"
            yield Fault(f"objective.metrics.{i}.metric", expected, f"{path}, which {wrong}")


def _ideal_faults(objective: Objective, known: Known) -> Iterator[Fault]:
    optimized = {path: direction for _, path, direction in _optimized(objective, known)}
    declared = measured_paths(known)
    if len(_ideals(objective)) > MAX_TERMS:
        yield Fault("objective.config.ideal", f"at most {MAX_TERMS} values", str(len(_ideals(objective))))
        return
    for path, value in _ideals(objective).items():
        at = f"objective.config.ideal.{path}"
        if known.parts.named and not any(named in optimized for named in matches(path, declared)):
            meant = nearest(path[:MAX_COMPARED], optimized)
            yield Fault(at, f"a metric that the objective optimises ({listed(optimized)})", shown(path), meant)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            yield Fault(at, "a number: the metric's best value", shown(value))
    given = _given(objective, known)
    for path, direction in optimized.items():
        if path not in given and ideal_of(known, path, direction) is None:
            expected = f"a number, the best value that {path} can have: the catalog knows none"
            yield Fault(f"objective.config.ideal.{path}", expected, "nothing")


def _ideals(objective: Objective) -> Mapping[str, Any]:
    ideals = objective.config.get("ideal")
    return ideals if isinstance(ideals, dict) else {}


def _given(objective: Objective, known: Known) -> Mapping[str, Any]:
    """Return the ideal values that the definition gives, those of a `*` for each metric; a path's own one goes first."""
    declared, ideals = measured_paths(known), _ideals(objective)
    starred = {path: value for name, value in ideals.items() if name not in declared for path in matches(name, declared)}
    return {**starred, **ideals}
