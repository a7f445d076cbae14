"""Which baselines a definition asks for."""

from __future__ import annotations

from typing import Final

from search.catalog.baselines import USUAL, find_baseline
from search.definition.schema import StudyDefinition

CURRENT: Final = "current"
EQUAL: Final = "equal"
INVERSE: Final = "inverse_initial_loss"
WITHOUT: Final = "without"
"""Baselines that other code means by name: what a trial may be relative to, and what a verdict begins with."""


def wanted_rules(definition: StudyDefinition) -> tuple[str, ...]:
    """Return the baselines that the definition asks for: its own list, else the usual ones, or none where nothing is confirmed."""
    if definition.search.baselines is not None:
        return definition.search.baselines
    return USUAL if definition.search.confirmation is not None else ()


def weighting_of(rule: str | None) -> str:
    """Return the weighting rule that moves the weights of a trial of baseline `rule`, or `fixed`."""
    baseline = find_baseline(rule) if rule is not None else None
    return "fixed" if baseline is None or baseline.weighting is None else baseline.weighting.name
