"""A winner at the edge of its range: better weights may lie outside, and the range to search next. Pure functions.

The range to try is in the definition's units, which under `normalize` are not those of used weights: it is what the user writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from search.definition.axes import Axis, axes
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.definition.weights import MAX_WEIGHT, SharedWeight, WeightChoice

OUTER = 0.1
"""A place is at an end of its range within this share of it, on its scale."""

DECADES = 1000.0
"""How far below its old end a range reaches that changes from a linear to a logarithmic scale."""

WIDE = 1e6
"""Where every value is as good and the highest is so many times the lowest, the weight hardly matters.

Losses of two tasks differ by four decades easily: a range of four around 1 may be as good throughout, and the best outside.
"""

LEAST = 1e-12
SAME = 1e-12

End = Literal["low", "high"]
BOTH: Literal["both"] = "both"


@dataclass(frozen=True, slots=True)
class Edge:
    """At which end of its range the winner lies, and what to write in the definition next: a range, or values of a choice.

    `both` where every value is as good: then where the winner lies is luck, and better ones, if there are any, lie outside.
    `sentence` says so. `suggested` is None where nothing lies beyond, it is not known what may, or the weight hardly matters.
    """

    end: End | Literal["both"]
    suggested: dict[str, Any] | None
    sentence: str


def end_of(axis: Axis, at: float) -> End | None:
    """Return at which end a coordinate (0 to 1) lies, None between; of choices, the first or last of three or more."""
    if axis.names or (axis.choices and len(axis.choices) < 3):
        return None
    outer = 0.0 if axis.choices else OUTER
    return "low" if at <= outer else "high" if at >= 1 - outer else None


def edge(definition: StudyDefinition, path: str, end: End, drawn: float, subject: str) -> Edge | None:
    """Return the edge of a parameter whose best value, drawn as `drawn`, lies at an end; None at 0, which nothing lies below.

    None too at the end of a simplex where a share is all there is.

    `subject` says what lies there, in used units. What a parameter that is no weight may be is its own matter: none is suggested.
    """
    if (end == "low" and drawn == 0) or (end == "high" and _reaches_all(definition, path)):
        return None
    weights = SearchSpace(definition).weights
    suggested = _suggested(weights[path], end) if path in weights else None
    where = f"{subject} is at the {end} end of what was searched, so the range may be the limit"
    if suggested is None:
        return Edge(end, None, where)
    return Edge(end, suggested, f"{where}: search {_words(suggested, end)}{_units(definition, path)} next")


def everywhere(definition: StudyDefinition, path: str, subject: str) -> Edge | None:
    """Return the edges of a searched weight of which every value is as good as the winner's; None for any other parameter.

    None too on a simplex where a share may be nothing and all there is. Over a wide range none is suggested.

    `subject` names the weight and its values, in used units.
    """
    weights = SearchSpace(definition).weights
    if _reaches_all(definition, path) and axes(definition)[path].low <= 0:
        return None
    suggested = _wider(weights[path]) if path in weights else None
    if suggested is None:
        return None
    axis = axes(definition)[path]
    where = f"every {subject} is as good as the winner's"
    if 0 < axis.low * WIDE <= axis.high:
        return Edge(BOTH, None, f"{where}: this weight hardly matters in so wide a range")
    where += ", so the range may be the limit"
    return Edge(BOTH, suggested, f"{where}: search {_words(suggested, BOTH)}{_units(definition, path)} next")


def _reaches_all(definition: StudyDefinition, path: str) -> bool:
    """Return whether a share of a simplex may be the whole of it: then no other range has more."""
    axis = axes(definition)[path]
    return axis.total is not None and axis.high >= axis.total * (1 - SAME)


def _units(definition: StudyDefinition, path: str) -> str:
    return " in the definition" if definition.search.normalize or path in SearchSpace(definition).members else ""


def _wider(span: SharedWeight) -> dict[str, Any] | None:
    """Return twice as wide a range, on its scale, or the values of a choice with one more at each end that has room."""
    if isinstance(span, WeightChoice):
        values = sorted(span.values)
        more = [_one_more(values, "low"), _one_more(values, "high")]
        found = sorted({value for each in more if each is not None for value in each["values"]})
        return {"values": found} if found else None
    if span.scale == "log":
        half = math.sqrt(span.high / span.low)
        return _range(span.low / half, span.high * half, "log")
    half = (span.high - span.low) / 2
    return {"low": max(_short(span.low - half), 0.0), "high": min(_short(span.high + half), MAX_WEIGHT), "scale": "linear"}


def _suggested(span: SharedWeight, end: End) -> dict[str, Any] | None:
    """Return as wide a range with the old end in its middle, or the values of a choice with one more.

    At the low end of a linear range from 0 a logarithmic one, since there is no room below.
    """
    if isinstance(span, WeightChoice):
        return _one_more(sorted(span.values), end)
    if span.scale == "log":
        half = math.sqrt(span.high / span.low)
        middle = span.low if end == "low" else span.high
        return _range(middle / half, middle * half, "log")
    half = (span.high - span.low) / 2
    if end == "high":
        return _range(span.high - half, span.high + half, "linear")
    if span.low - half > 0:
        return _range(span.low - half, span.low + half, "linear")
    top = span.low + half / 2
    return _range((span.low or top) / DECADES, top, "log")


def _range(low: float, high: float, scale: str) -> dict[str, Any] | None:
    low, high = (_short(min(max(value, LEAST), MAX_WEIGHT)) for value in (low, high))
    return {"low": low, "high": high, "scale": scale} if low < high else None


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _one_more(values: list[float], end: End) -> dict[str, Any] | None:
    last, before = (values[0], values[1]) if end == "low" else (values[-1], values[-2])
    further = last * last / before if values[0] > 0 else last + (last - before)
    further = _short(min(further, MAX_WEIGHT))
    if further in values or further <= 0:
        return None
    return {"values": [further, *values] if end == "low" else [*values, further]}


def _words(suggested: dict[str, Any], end: End | Literal["both"]) -> str:
    if "values" in suggested and end == BOTH:
        return f"{suggested['values'][0]:g} and {suggested['values'][-1]:g} too"
    if "values" in suggested:
        return f"{suggested['values'][0 if end == 'low' else -1]:g} too"
    return f"from {suggested['low']:g} to {suggested['high']:g}"
