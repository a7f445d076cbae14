"""The weighting rules by name: their traits, and the objects that compute."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from search.catalog.plugins import RULE_KIND, installed
from search.catalog.weighting_rules import PLAIN, WeightingRule, find_weighting_rule
from search.errors import PreflightError
from search.training.weighting.protocol import WeightingFormula

FIXED = "fixed"
"""No rule: the weights are a setting's own."""


def rule_named(name: str) -> WeightingRule:
    """Return the traits of rule `name`. Raises PreflightError where this worker has none of the name."""
    found = find_weighting_rule(name) or installed(RULE_KIND).entries.get(name)
    if not isinstance(found, WeightingRule):
        text = f"this worker has no weighting rule {name!r}: is it older than the study, or does it lack a plug-in?"
        raise PreflightError("unknown_weighting_rule", text, "search.baselines")
    return found


def stacks_with(name: str) -> tuple[object, ...]:
    """Return what settings must have alike to be trained in one graph, of those that follow rule `name`, or `fixed`."""
    return PLAIN if name == FIXED else rule_named(name).stacks_with


def moves_by_step(name: str) -> bool:
    """Return whether the weights of settings that follow `name` move within an epoch."""
    return name != FIXED and rule_named(name).moves == "step"


def draws(name: str) -> bool:
    """Return whether the weights of settings that follow `name` depend on the training's seed."""
    return name != FIXED and getattr(computes(name), "draws", True)


@cache
def implementation(place: str) -> WeightingFormula:
    """Return the object at `module:attribute`. Raises PreflightError where there is none, or it is no rule."""
    module, _, attribute = place.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PreflightError("bad_weighting_rule", f"{place} cannot be imported: {error}", "search.baselines") from error
    lacking = [name for name in ("init", "weights", "update", "descends") if not hasattr(found, name)]
    if lacking:
        raise PreflightError(
            "bad_weighting_rule", f"{place} is no weighting rule: it lacks {', '.join(lacking)}", "search.baselines"
        )
    rule: WeightingFormula = found
    return rule


def computes(name: str) -> WeightingFormula:
    """Return the object that computes rule `name`. Raises PreflightError as `rule_named` and `implementation` do."""
    return implementation(rule_named(name).implementation)


def check(name: str) -> None:
    """Raise PreflightError where this worker cannot compute rule `name`, unless it is `fixed`."""
    if name != FIXED:
        computes(name)
