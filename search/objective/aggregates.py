"""The aggregates: from the optimised metrics and the objective's config to one value, always to be maximised.

Their names, parameters and traits are in `search.catalog.aggregates`. A metric that is NaN makes the value NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.catalog.aggregates import SMOOTHING
from search.definition.schema import Config


@dataclass(frozen=True, slots=True)
class OptimizedMetric:
    """An optimised metric as the aggregates see it.

    `value` is sign x metric, `ideal` sign x its ideal, `reference` sign x what its task reaches alone; NaN where there is none.
    """

    utility: float
    value: float
    ideal: float = math.nan
    reference: float = math.nan


def mean(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return sum_i u_i v_i / sum u."""
    # Not math.fsum, which raises where inf meets -inf: that is NaN here.
    return sum(each.utility * each.value for each in counted) / sum(each.utility for each in counted)


def worst(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return min_i u_i v_i."""
    weighed = [each.utility * each.value for each in counted]
    return math.nan if any(math.isnan(value) for value in weighed) else min(weighed)


def geometric_mean(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return (prod m_i^u_i)^(1 / sum u_i): 0 where a metric is 0, NaN where one is negative."""
    if any(math.isnan(each.value) or each.value < 0 for each in counted):
        return math.nan
    logs = [each.utility * (math.log(each.value) if each.value > 0 else -math.inf) for each in counted]
    return _exp(sum(logs) / sum(each.utility for each in counted))


def _exp(power: float) -> float:
    try:
        return math.exp(power)
    except OverflowError:  # by rounding alone: a mean of logs of floats is no more than the greatest of them
        return math.inf


def tchebycheff(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return -max_i l_i (f_i - z_i), with f_i the metric to be minimised, z_i its ideal, l_i = u_i / sum u.

    In what is maximised here, f_i - z_i is ideal - value; it is negative for a metric beyond its ideal.
    """
    distances = _distances(counted)
    return math.nan if any(math.isnan(distance) for distance in distances) else -max(distances)


def smooth_tchebycheff(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return -mu log sum_i exp(l_i (f_i - z_i) / mu), symbols as for `tchebycheff`.

    Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization" (ICML 2024). With m metrics it lies
    between `tchebycheff` and mu log m below it, so the smaller mu, the closer; a great mu comes near to the mean.
    """
    distances = _distances(counted)
    if any(math.isnan(distance) for distance in distances):
        return math.nan
    greatest, given = max(distances), config.get("mu")
    if math.isinf(greatest):
        return -greatest
    mu = float(given) if isinstance(given, int | float) else SMOOTHING
    # log sum exp(d / mu) = max / mu + log sum exp((d - max) / mu): no power is above 0, so none overflows.
    return -(greatest + mu * math.log(sum(math.exp((distance - greatest) / mu) for distance in distances)))


def _distances(counted: Sequence[OptimizedMetric]) -> list[float]:
    """Return each metric's distance to its ideal, times its share of the utilities."""
    total = sum(each.utility for each in counted)
    return [each.utility / total * (each.ideal - each.value) for each in counted]


def delta_m(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return 100 sum_i u_i (v_i - r_i) / |r_i| / sum u: the mean relative change against each task alone, in percent.

    Maninis et al., "Attentive Single-Tasking of Multiple Tasks" (CVPR 2019), equation 4: there u_i = 1, and the sign is turned for
    what is lower-better, as in v and r here. A reference of 0 has no relative change: NaN.
    """
    if any(each.reference == 0 for each in counted):
        return math.nan
    changes = [each.utility * (each.value - each.reference) / abs(each.reference) for each in counted]
    return 100 * sum(changes) / sum(each.utility for each in counted)


def pareto(counted: Sequence[OptimizedMetric], config: Config) -> float:
    """Return NaN: there is no one value. Trials are compared by dominance (`search.objective.pareto`)."""
    return math.nan
