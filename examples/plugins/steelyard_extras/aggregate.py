"""The weighted harmonic mean of metrics that are never negative, such as precision and recall: their F-score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.catalog import AggregateEntry
from search.objective.aggregates import OptimizedMetric

HARMONIC_MEAN = AggregateEntry(
    name="harmonic-mean",
    summary="Sum of utilities over the sum of utility / metric. For metrics to maximise that cannot be negative.",
    implementation="steelyard_extras.aggregate:value",
    positive=True,
)


def value(counted: Sequence[OptimizedMetric], config: Mapping[str, Any]) -> float:
    """Return sum u / sum (u / v): 0 where a metric is 0."""
    if any(metric.value == 0 for metric in counted):
        return 0.0
    return sum(metric.utility for metric in counted) / sum(metric.utility / metric.value for metric in counted)
