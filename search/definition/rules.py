"""The names of the rules that need no search, and which of them a definition asks for."""

from __future__ import annotations

from typing import Final

from search.definition.schema import Rule, StudyDefinition

CURRENT: Final = "current"
EQUAL: Final = "equal"
INVERSE: Final = "inverse_initial_loss"
WITHOUT: Final = "without"
"""Rules of fixed weights: the user's own; every term counts 1; every loss counts 1 / its value before training; equal without one
penalty (`without:agreement`)."""

ADAPTIVE = ("uncertainty", "dwa", "random", "gradnorm")
"""Rules whose weights move in training: see `search.training.weighting.formulas`. They end with no weights to hand over."""

DEFAULT: tuple[Rule, ...] = (EQUAL, INVERSE, WITHOUT, "uncertainty")


def wanted_rules(definition: StudyDefinition) -> tuple[Rule, ...]:
    """Return the rules that the definition asks for: its own list, else the usual ones, or none where nothing is confirmed."""
    if definition.search.baselines is not None:
        return definition.search.baselines
    return DEFAULT if definition.search.confirmation is not None else ()
