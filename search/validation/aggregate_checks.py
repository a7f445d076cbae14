"""What an aggregate asks of the objective's metrics and config, and what is filled in where they say nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from search import catalog
from search.catalog.aggregates import REFERENCES
from search.definition.plugins import find_penalty_of
from search.definition.schema import MAX_TERMS, Config, Objective
from search.errors import Fault, shown
from search.names import listed, nearest
from search.validation.anchor_checks import ALONE, task_of, without_reference
from search.validation.context import ValidationContext, direction_of, matches, measured_paths, resolve

Range = tuple[float | None, float | None]
"""Least and greatest value that a number can have; None for no bound."""

SHARE: Range = (0.0, 1.0)
LARGEST = 1e300
MAX_COMPARED = 200


def faults(known: ValidationContext) -> Iterator[Fault]:
    """Yield what is wrong with the objective's config, and with its metrics for its aggregate."""
    objective = known.parts.objective
    if objective is None or (entry := _entry(objective)) is None:
        return
    yield from catalog.config_faults(entry, objective.config, "objective.config")
    if entry.positive:
        yield from _not_positive(objective, known)
    if entry.needs_references:
        yield from _reference_faults(objective, known, entry.name)
    if entry.is_front:
        yield from _front_faults(objective, known, entry.name)
    if entry.parameter("ideal") is not None:
        ideal = objective.config.get("ideal")
        if ideal is None or isinstance(ideal, dict):
            yield from _ideal_faults(objective, known)
        else:
            yield Fault("objective.config.ideal", "an object: the best value of each metric by its path", shown(ideal))


def filled(objective: Objective, known: ValidationContext) -> Config:
    """Return the objective's config with its ideal values and default numbers, as far as the aggregate reads them; metrics echoed.

    References are those that are given, metric by metric; the others are measured.
    """
    entry = _entry(objective)
    config = dict(objective.config)
    if entry is not None and entry.parameter("ideal") is not None:
        given = _given(objective, known, "ideal")
        ideals = {path: given.get(path, ideal_of(known, path, way)) for _, path, way in _optimized(objective, known)}
        config["ideal"] = {path: None if ideal is None else float(ideal) for path, ideal in ideals.items()}
    for parameter in entry.parameters if entry is not None else ():
        if parameter.kind == "number" and not isinstance(parameter.default, catalog.Marker):
            value = config.get(parameter.name, parameter.default)
            config[parameter.name] = float(value) if isinstance(value, int | float) else value
    if entry is not None and entry.needs_references:
        given = _given(objective, known, REFERENCES)
        known_already: dict[str, Any] = {path: float(given[path]) for _, path, _ in _optimized(objective, known) if path in given}
        config = {name: value for name, value in config.items() if name != REFERENCES}
        if known_already:
            config[REFERENCES] = known_already
    return config


def _entry(objective: Objective) -> catalog.AggregateEntry | None:
    return catalog.find_aggregate(objective.aggregate or "mean", objective.plugin)


def ideal_of(known: ValidationContext, path: str, direction: str | None) -> float | None:
    """Return the best value that the number at `path` can have, as far as the catalog knows a simple one: 1, or 0."""
    low, high = range_of(known, path) or (None, None)
    if direction == "maximize" and high == 1:
        return 1.0
    return 0.0 if direction == "minimize" and low == 0 else None


def range_of(known: ValidationContext, path: str) -> Range | None:
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


def _range_of_term(known: ValidationContext, part: Any) -> Range | None:
    kind = "loss" if hasattr(part, "loss") else "penalty"
    name = getattr(part, kind)
    if name in (known.own("losses" if kind == "loss" else "penalties") or ()):
        return None
    entry = catalog.find_loss(name) if kind == "loss" else find_penalty_of(part)
    if entry is None:
        return None
    return (None if entry.can_be_negative else 0.0, None)


def _optimized(objective: Objective, known: ValidationContext) -> Iterator[tuple[int, str, str | None]]:
    """Yield the optimised metrics, those behind a `*` one by one: index in the objective, path, direction."""
    declared = measured_paths(known)
    for i, entry in enumerate(objective.metrics):
        for path in matches(entry.metric, declared) if entry.strategy == "optimize" else ():
            yield i, path, entry.direction or direction_of(known, path)


def _not_positive(objective: Objective, known: ValidationContext) -> Iterator[Fault]:
    reported: set[int] = set()
    for i, path, direction in _optimized(objective, known):
        span = range_of(known, path)
        wrong = "is minimised" if direction == "minimize" else "can be negative" if span is not None and span[0] != 0 else None
        if wrong is not None and i not in reported:
            reported.add(i)
            expected = "a metric to maximise that is never negative: that alone has a geometric mean in which more is better"
            yield Fault(f"objective.metrics.{i}.metric", expected, f"{path}, which {wrong}")


def _ideal_faults(objective: Objective, known: ValidationContext) -> Iterator[Fault]:
    yield from _number_faults(objective, known, "ideal", "the metric's best value")
    given = _given(objective, known, "ideal")
    for _, path, direction in _optimized(objective, known) if len(_numbers(objective, "ideal")) <= MAX_TERMS else ():
        if path not in given and ideal_of(known, path, direction) is None:
            expected = f"a number, the best value that {path} can have: the catalog knows none"
            yield Fault(f"objective.config.ideal.{path}", expected, "nothing")


def _number_faults(objective: Objective, known: ValidationContext, name: str, meaning: str) -> Iterator[Fault]:
    """Yield what is wrong with an argument that has one number for each optimised metric, by its path."""
    optimized = [path for _, path, _ in _optimized(objective, known)]
    declared, numbers = measured_paths(known), _numbers(objective, name)
    if len(numbers) > MAX_TERMS:
        yield Fault(f"objective.config.{name}", f"at most {MAX_TERMS} values", str(len(numbers)))
        return
    for path, value in numbers.items():
        at = f"objective.config.{name}.{path}"
        if known.parts.named and not any(named in optimized for named in matches(path, declared)):
            meant = nearest(path[:MAX_COMPARED], optimized)
            yield Fault(at, f"a metric that the objective optimises ({listed(optimized)})", shown(path), meant)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            yield Fault(at, f"a number: {meaning}", shown(value))


def _reference_faults(objective: Objective, known: ValidationContext, name: str) -> Iterator[Fault]:
    """Yield references that are none, and metrics that cannot have one."""
    at, meaning = f"objective.config.{REFERENCES}", "what the metric is where its task is trained alone"
    references = objective.config.get(REFERENCES)
    if references is not None and not isinstance(references, dict):
        yield Fault(at, "an object: what each metric is where its task is trained alone, by its path", shown(references))
    yield from _number_faults(objective, known, REFERENCES, meaning)
    for path, value in _numbers(objective, REFERENCES).items():
        if value == 0 and not isinstance(value, bool):
            yield Fault(f"{at}.{path}", "a number other than 0: a change is relative to it", shown(value))
    yield from _unrelatable(objective, known, name)


def _unrelatable(objective: Objective, known: ValidationContext, name: str) -> Iterator[Fault]:
    """Yield the metrics that no task trained alone can be a reference of; one that is given needs no training."""
    given, reported = _given(objective, known, REFERENCES), set[int]()
    for i, path, _ in _optimized(objective, known):
        obstacle = without_reference(known, path)
        if obstacle and i not in reported and not (path in given and task_of(known, path)):
            reported.add(i)
            yield Fault(f"objective.metrics.{i}.metric", f"{ALONE} ({name})", obstacle)


def _front_faults(objective: Objective, known: ValidationContext, name: str) -> Iterator[Fault]:
    """Yield what a front cannot be made of: a single metric, or epochs that no value ranks."""
    paths = [path for _, path, _ in _optimized(objective, known)]
    if known.parts.named and len(paths) == 1:
        yield Fault("objective.metrics", f"at least two optimised metrics with {name}: one has no trade-offs", f"{paths[0]} alone")
    if objective.epoch == "best":
        yield Fault("objective.epoch", f"last with {name}: no one value says which epoch is the best", "'best'")


def _numbers(objective: Objective, name: str) -> Mapping[str, Any]:
    numbers = objective.config.get(name)
    return numbers if isinstance(numbers, dict) else {}


def _given(objective: Objective, known: ValidationContext, name: str) -> Mapping[str, Any]:
    """Return the numbers that the definition gives, those of a `*` for each metric; a path's own one goes first."""
    declared, numbers = measured_paths(known), _numbers(objective, name)
    starred = {path: value for key, value in numbers.items() if key not in declared for path in matches(key, declared)}
    return {**starred, **numbers}
