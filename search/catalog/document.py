"""The catalog as one JSON document, for GET /v1/catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from search.catalog.baselines import BASELINES, adaptive
from search.catalog.entries import Entry, LossEntry, Marker, MetricEntry, OptimizerEntry, Parameter, PenaltyEntry, PluginEntry
from search.catalog.losses import LOSS_ALIASES, LOSSES
from search.catalog.metrics import METRIC_ALIASES, METRICS
from search.catalog.optimizers import OPTIMIZER_ALIASES, OPTIMIZERS
from search.catalog.plugins import KINDS, Plugin
from search.catalog.weighting_rules import WeightingRule

RESOLVED = {
    "accuracy": "binary_accuracy, categorical_accuracy or sparse_categorical_accuracy, by the task's loss",
    "iou": "binary_io_u of the foreground or mean_io_u, by the task's loss",
    "pr_auc": "auc with curve PR",
}


def describe(outside: Mapping[str, Sequence[Plugin]] = MappingProxyType({})) -> dict[str, Any]:
    """Return every name that a definition may use, with parameters and properties; JSON-ready, new at each call.

    `outside` has the plug-ins that workers published, by kind.
    """
    plugins = {kind.name: [*kind.built_in.values(), *outside.get(kind.name, ())] for kind in KINDS.values()}
    rules = [rule for rule in plugins["weighting_rules"] if isinstance(rule, WeightingRule)]
    new = [adaptive(rule) for rule in outside.get("weighting_rules", ()) if isinstance(rule, WeightingRule)]
    baselines = [*(each for each in BASELINES if not each.always), *new]
    return {
        "losses": [_loss(entry) for entry in LOSSES],
        "metrics": [_metric(entry) for entry in METRICS],
        "penalties": [_penalty(entry) for entry in plugins["penalties"] if isinstance(entry, PenaltyEntry)],
        "optimizers": [_optimizer(entry) for entry in OPTIMIZERS],
        "samplers": _strategies(plugins["samplers"]),
        "aggregates": _strategies(plugins["aggregates"]),
        "pruners": _strategies(plugins["pruners"]),
        "weighting_rules": [_weighting_rule(rule) for rule in rules],
        "baselines": [{"name": each.name, "summary": each.summary} for each in baselines],
        "aliases": {
            "losses": dict(LOSS_ALIASES),
            "metrics": {**METRIC_ALIASES, **RESOLVED},
            "optimizers": dict(OPTIMIZER_ALIASES),
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    bounds = {name: getattr(parameter, name) for name in ("least", "most", "above", "below")}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    default = parameter.default
    document = {
        "name": parameter.name,
        "kind": parameter.kind,
        "required": parameter.required,
        "default": None if isinstance(default, Marker) else _plain(default),
        "nullable": parameter.nullable,
        "description": parameter.description,
        "searchable": parameter.searchable,
        **given,
    }
    return document | ({"choices": list(parameter.choices)} if parameter.choices else {})


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _entry(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "summary": entry.summary, "parameters": [_parameter(parameter) for parameter in entry.parameters]}


def _loss(entry: LossEntry) -> dict[str, Any]:
    return {
        **_entry(entry),
        "keras_class": entry.keras_class,
        "labels": entry.labels,
        "knows_logits": entry.knows_logits,
        "direction": "minimize",
        "can_be_negative": entry.can_be_negative,
        "batch_statistic": entry.batch_statistic,
    }


def _metric(entry: MetricEntry) -> dict[str, Any]:
    return {
        **_entry(entry),
        "keras_class": entry.keras_class,
        "labels": entry.labels,
        "direction": entry.direction,
        "range": list(entry.range),
        "in_percent": entry.in_percent,
    }


def _penalty(entry: PenaltyEntry) -> dict[str, Any]:
    return {
        **_entry(entry),
        "formula": entry.formula,
        "two_sided": entry.two_sided,
        "direction": "minimize",
        "can_be_negative": entry.can_be_negative,
        "batch_statistic": entry.batch_statistic,
        "has_violations": entry.has_rows,
    }


def _optimizer(entry: OptimizerEntry) -> dict[str, Any]:
    return {**_entry(entry), "keras_class": entry.keras_class, "elementwise": entry.elementwise, "coupling": list(entry.coupling)}


def _strategies(entries: Sequence[Plugin]) -> list[dict[str, Any]]:
    return [{**_entry(entry), "available": True} for entry in entries if isinstance(entry, PluginEntry)]


def _weighting_rule(rule: WeightingRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "summary": rule.summary,
        "formula": rule.formula,
        "source": rule.source,
        "moves": rule.moves,
        "needs": list(rule.needs),
        "domain": rule.domain,
    }
