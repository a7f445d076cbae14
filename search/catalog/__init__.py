"""The names that a definition may use, with parameters, defaults and directions: a checked-in table, compared with Keras by a test.

Imports nothing heavy, because the API process reads it.
"""

from search.catalog.baselines import BASELINES, Baseline, baseline_names, find_baseline
from search.catalog.configs import argument_faults, config_faults, keras_arguments
from search.catalog.document import describe
from search.catalog.entries import (
    FROM_OUTPUT,
    REQUIRED,
    Direction,
    Entry,
    Labels,
    LossEntry,
    MetricEntry,
    OptimizerEntry,
    Parameter,
    PenaltyEntry,
    StrategyEntry,
)
from search.catalog.lookup import (
    LOSS_NAMES,
    METRIC_NAMES,
    OPTIMIZER_NAMES,
    PENALTY_NAMES,
    SAMPLER_NAMES,
    did_you_mean,
    find_aggregate,
    find_loss,
    find_metric,
    find_optimizer,
    find_penalty,
    find_pruner,
    find_sampler,
    resolve_metric,
    unresolved,
)
from search.catalog.losses import LOSSES
from search.catalog.metrics import METRICS
from search.catalog.optimizers import OPTIMIZERS
from search.catalog.penalties import PENALTIES, REDUCES
from search.catalog.strategies import AGGREGATES, PRUNERS, SAMPLERS
from search.catalog.weighting_rules import WEIGHTING_RULES, WeightingRule, find_weighting_rule
from search.names import NAME_PATTERN, RESERVED

__all__ = [
    "AGGREGATES",
    "BASELINES",
    "FROM_OUTPUT",
    "LOSSES",
    "LOSS_NAMES",
    "METRICS",
    "METRIC_NAMES",
    "NAME_PATTERN",
    "OPTIMIZERS",
    "OPTIMIZER_NAMES",
    "PENALTIES",
    "PENALTY_NAMES",
    "PRUNERS",
    "REDUCES",
    "REQUIRED",
    "RESERVED",
    "SAMPLERS",
    "SAMPLER_NAMES",
    "WEIGHTING_RULES",
    "Baseline",
    "Direction",
    "Entry",
    "Labels",
    "LossEntry",
    "MetricEntry",
    "OptimizerEntry",
    "Parameter",
    "PenaltyEntry",
    "StrategyEntry",
    "WeightingRule",
    "argument_faults",
    "baseline_names",
    "config_faults",
    "describe",
    "did_you_mean",
    "find_aggregate",
    "find_baseline",
    "find_loss",
    "find_metric",
    "find_optimizer",
    "find_penalty",
    "find_pruner",
    "find_sampler",
    "find_weighting_rule",
    "keras_arguments",
    "resolve_metric",
    "unresolved",
]
