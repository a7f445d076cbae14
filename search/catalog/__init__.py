"""The names that a definition may use, with parameters, defaults and directions: a checked-in table, compared with Keras by a test.

Imports nothing heavy, because the API process reads it.
"""

from search.catalog.aggregates import AGGREGATES
from search.catalog.baselines import BASELINES, Baseline, baseline_names, find_baseline
from search.catalog.configs import argument_faults, config_faults, keras_arguments
from search.catalog.document import describe
from search.catalog.entries import (
    FROM_OUTPUT,
    REQUIRED,
    AggregateEntry,
    Direction,
    Entry,
    Extra,
    Labels,
    LossEntry,
    Marker,
    MetricEntry,
    OptimizerEntry,
    Parameter,
    PenaltyEntry,
    PluginEntry,
    PrunerEntry,
    SamplerEntry,
    boolean,
    choice,
    integer,
    number,
)
from search.catalog.lookup import (
    LOSS_NAMES,
    METRIC_NAMES,
    OPTIMIZER_NAMES,
    PENALTY_NAMES,
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
from search.catalog.plugins import KINDS, Traits, entry_of, implementation
from search.catalog.pruners import PRUNERS
from search.catalog.samplers import SAMPLERS
from search.catalog.weighting_rules import WEIGHTING_RULES, WeightingRule, find_weighting_rule
from search.names import NAME_PATTERN, RESERVED

__all__ = [
    "AGGREGATES",
    "BASELINES",
    "FROM_OUTPUT",
    "KINDS",
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
    "WEIGHTING_RULES",
    "AggregateEntry",
    "Baseline",
    "Direction",
    "Entry",
    "Extra",
    "Labels",
    "LossEntry",
    "Marker",
    "MetricEntry",
    "OptimizerEntry",
    "Parameter",
    "PenaltyEntry",
    "PluginEntry",
    "PrunerEntry",
    "SamplerEntry",
    "Traits",
    "WeightingRule",
    "argument_faults",
    "baseline_names",
    "boolean",
    "choice",
    "config_faults",
    "describe",
    "did_you_mean",
    "entry_of",
    "find_aggregate",
    "find_baseline",
    "find_loss",
    "find_metric",
    "find_optimizer",
    "find_penalty",
    "find_pruner",
    "find_sampler",
    "find_weighting_rule",
    "implementation",
    "integer",
    "keras_arguments",
    "number",
    "resolve_metric",
    "unresolved",
]
