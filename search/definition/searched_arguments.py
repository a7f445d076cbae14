"""Numbers beside weights that a study may search: a range in place of a number in the config of a loss, penalty or optimizer.

Only what works as a tensor may be searched, so that trials with different values still train in one cohort; the catalog marks it.
What must hold of such a range is in `search.validation.range_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from search.definition.schema import StudyDefinition
from search.definition.weights import SharedWeight

OPTIMIZER = "optimizer"
"""Head of the parameter paths of the optimizer's arguments: `optimizer.learning_rate`."""

RANGE: TypeAdapter[SharedWeight] = TypeAdapter(SharedWeight)
RANGE_FIELDS = frozenset({"low", "high", "values", "scale", "points", "current"})


def is_range(value: Any) -> bool:
    """Return whether an argument has the look of what is to be searched, and not of a number."""
    return isinstance(value, dict) and bool(value.keys() & RANGE_FIELDS)


def ranges_in(head: str, config: Mapping[str, Any]) -> Iterator[tuple[str, SharedWeight]]:
    """Yield (parameter path, range) of every argument of a config that is searched; `head` is the term's path, or `optimizer`."""
    for name, value in config.items():
        if is_range(value):
            yield f"{head}.{name}", RANGE.validate_python(value)


def fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config without the arguments that are searched."""
    return {name: value for name, value in config.items() if not is_range(value)}


def searched_in(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the arguments of a config that are searched."""
    return tuple(name for name, value in config.items() if is_range(value))


def with_defaults(definition: StudyDefinition) -> StudyDefinition:
    """Return the definition with its arguments' ranges spelled out (`scale`): one text for one meaning."""
    return _with_configs(definition, lambda head, config: {name: _echoed(value) for name, value in config.items()})


def substitute(definition: StudyDefinition, values: Mapping[str, float]) -> StudyDefinition:
    """Return the definition with numbers in place of its arguments' ranges; `values` has them by parameter path."""

    def put(head: str, config: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[f"{head}.{name}"] if is_range(value) else value for name, value in config.items()}

    return _with_configs(definition, put)


def _echoed(value: Any) -> Any:
    return RANGE.validate_python(value).model_dump(mode="json", exclude_none=True) if is_range(value) else value


def _with_configs(definition: StudyDefinition, change: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> StudyDefinition:
    """Return the definition with `change(head, config)` in place of the config of every loss, penalty, and of the optimizer."""
    tasks = []
    for task in definition.tasks:
        losses = (loss.model_copy(update={"config": change(f"{task.name}.{loss.name}", loss.config)}) for loss in task.losses)
        tasks.append(task.model_copy(update={"losses": tuple(losses)}))
    penalties = (part.model_copy(update={"config": change(part.name, part.config)}) for part in definition.penalties)
    optimizer = definition.training.optimizer
    optimizer = optimizer.model_copy(update={"config": change(OPTIMIZER, optimizer.config)})
    training = definition.training.model_copy(update={"optimizer": optimizer})
    return definition.model_copy(update={"tasks": tuple(tasks), "penalties": tuple(penalties), "training": training})
