"""What must hold of a range in place of a number: which arguments may be searched, between which bounds, and by what judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from search import catalog
from search.definition.schema import Loss, Penalty
from search.definition.searched_arguments import OPTIMIZER, RANGE, fixed, searched_in
from search.definition.weights import SharedWeight, WeightRange
from search.errors import Fault, shown
from search.names import listed
from search.validation.context import ValidationContext, matches, measured_paths
from search.validation.schema_errors import form_faults

DEPENDS = (
    "an unweighted number that does not depend on what is searched: {term} has another value under another {arguments} for the "
    "same model, so judging by it would only find the {arguments} that makes it small"
)
VIOLATIONS = ".violations"
TOLERANCE = "tolerance"
MAX_ARGUMENT = 30
"""Longest name of a searched argument of the workload's own: beside the longest term's path it can still be kept."""


class _Held(BaseModel):
    """A range where a definition has a weight, so that pydantic's errors have the places that `form_faults` knows."""

    weight: SharedWeight


def config_faults(entry: catalog.Entry, config: Mapping[str, Any], path: str) -> Iterator[Fault]:
    """Yield what is wrong with the config at `path`: numbers against the catalog, ranges by themselves and against its bounds."""
    searched = searched_in(config)
    lacking = {f"{path}.{name}" for name in searched}
    yield from (fault for fault in catalog.config_faults(entry, fixed(config), path) if fault.path not in lacking)
    for name in searched:
        parameter = entry.parameter(name)
        if parameter is None or name in entry.owned:
            yield from catalog.argument_faults(entry, name, config[name], path)
        elif not parameter.searchable:
            may = f"may be {listed(entry.searchable)}" if entry.searchable else "may be nothing"
            yield Fault(f"{path}.{name}", f"a fixed value: what is searched of {entry.name} {may}", shown(config[name]))
        else:
            yield from _range_faults(config[name], f"{path}.{name}")
            yield from _bound_faults(entry, name, config[name], path)


def own_faults(part: Loss | Penalty, path: str) -> Iterator[Fault]:
    """Yield what is wrong with the ranges in the config, at `path`, of a workload's own term; any number there may be searched."""
    for name in searched_in(part.config):
        at = f"{path}.{name}"
        if isinstance(part, Penalty) and name == TOLERANCE:
            expected = f"a fixed number: what is above {TOLERANCE} counts as a violation, so trials would be counted differently"
            yield Fault(at, expected, shown(part.config[name]))
        elif not name.isidentifier():
            yield Fault(at, "the name of an argument of a Python function", repr(name))
        elif len(name) > MAX_ARGUMENT:
            yield Fault(at, f"a name of at most {MAX_ARGUMENT} characters, where its value is searched", repr(name))
        else:
            yield from _range_faults(part.config[name], at)


def _range_faults(value: Any, path: str) -> Iterator[Fault]:
    """Yield what is wrong with a range by itself."""
    try:
        _Held(weight=value)
    except ValidationError as error:
        for fault in form_faults(error, {"weight": value}):
            expected = fault.expected.replace("a fixed weight", "a fixed value")
            yield replace(fault, path=path + fault.path.removeprefix("weight"), expected=expected)
    if value.get("schedule") is not None:
        yield Fault(f"{path}.schedule", "nothing: only weights have schedules", shown(value["schedule"]))


def _bound_faults(entry: catalog.Entry, name: str, value: Any, path: str) -> Iterator[Fault]:
    """Yield the ends, values and `current` of a range that the argument itself may not be; nothing where it cannot be read."""
    try:
        span = RANGE.validate_python(value)
    except ValidationError:
        return
    ends = {"low": span.low, "high": span.high} if isinstance(span, WeightRange) else {}
    listed_values = {} if isinstance(span, WeightRange) else {f"values.{i}": each for i, each in enumerate(span.values)}
    current = {} if span.current is None else {"current": span.current}
    for place, number in {**ends, **listed_values, **current}.items():
        for fault in catalog.argument_faults(entry, name, number, path):
            yield replace(fault, path=f"{path}.{name}.{place}")


def faults(known: ValidationContext) -> Iterator[Fault]:
    """Yield what ranges break elsewhere: the objective, and the names of their parameters."""
    yield from objective_faults(known)
    if known.parts.optimizer is None or not searched_in(known.parts.optimizer.config):
        return
    expected = f"another name: `{OPTIMIZER}.*` are the searched arguments of the optimizer"
    for i, task in known.parts.tasks.items():
        if task.name == OPTIMIZER:
            yield Fault(f"tasks.{i}.name", expected, repr(task.name))
    for i, penalty in known.parts.penalties.items():
        if penalty.name == OPTIMIZER:
            yield Fault(f"penalties.{i}.name", expected, repr(penalty.name))


def objective_faults(known: ValidationContext) -> Iterator[Fault]:
    """Yield the objective's metrics whose value changes with what is searched, as a weighted loss does."""
    moving = {path: searched_in(part.config) for _, path, part, _ in known.parts.terms()}
    declared = measured_paths(known)
    for i, entry in enumerate(known.parts.objective.metrics if known.parts.objective else ()):
        for path in matches(entry.metric, declared) if entry.strategy != "store" else ():
            term = path.removesuffix(VIOLATIONS)
            if arguments := moving.get(term):
                expected = DEPENDS.format(term=term, arguments=listed(arguments))
                yield Fault(f"objective.metrics.{i}.metric", expected, repr(entry.metric))
