"""Numbers beside weights that a study may search: a range in place of a number in the config of a loss, penalty or optimizer.

Only what works as a tensor may be searched, so that trials with different values still train in one cohort; the catalog marks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from search.weights import SharedWeight

OPTIMIZER = "optimizer"
"""Head of the parameter paths of the optimizer's arguments: `optimizer.learning_rate`."""

RANGE: TypeAdapter[SharedWeight] = TypeAdapter(SharedWeight)
RANGE_FIELDS = frozenset({"low", "high", "values", "scale", "points", "current"})


def is_range(value: Any) -> bool:
    """Tell whether an argument has the look of what is to be searched, and not of a number."""
    return isinstance(value, dict) and bool(value.keys() & RANGE_FIELDS)


def ranges_in(head: str, config: Mapping[str, Any]) -> Iterator[tuple[str, SharedWeight]]:
    """Yield (parameter path, range) of every argument of a config that is searched; `head` is the term's path, or `optimizer`."""
    for name, value in config.items():
        if is_range(value):
            yield f"{head}.{name}", RANGE.validate_python(value)


def fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config without the arguments that are searched."""
    return {name: value for name, value in config.items() if not is_range(value)}
