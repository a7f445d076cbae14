"""Trainings by a rule that needs no search: what a found weighting must beat before anyone may speak of a gain. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from search import space
from search.definition import StudyDefinition
from storage.records import PlannedTrial, Role, Values

CURRENT = "current"
EQUAL = "equal"
WITHOUT = "without:"
"""Rules: the user's own weights; every term counts 1; the same without one penalty (`without:agreement`)."""


def baselines(definition: StudyDefinition) -> dict[str, PlannedTrial]:
    """Return the study's baselines by rule, in the order of their planning.

    The user's own weights are one wherever the definition names any. A study with a confirmation has the others too: there they are
    what the winner is held against. Of two rules with the same weights the first stands for both.
    """
    found: dict[str, PlannedTrial] = {}
    drawn = space.current_parameters(definition)
    if drawn is not None:
        found[CURRENT] = _baseline(definition, CURRENT, drawn, space.term_weights(definition, drawn))
    if definition.search.confirmation is not None:
        for rule, weights in _uniform(definition).items():
            if weights not in [dict(other.weights) for other in found.values()]:
                drawn = {path: weights.get(path, 1.0) for path in space.parameters(definition)}
                found[rule] = _baseline(definition, rule, drawn, weights)
    return found


def _uniform(definition: StudyDefinition) -> Mapping[str, dict[str, float]]:
    equal = {term.path: 1.0 for term in space.terms(definition)}
    return {EQUAL: equal} | {f"{WITHOUT}{penalty.name}": {**equal, penalty.name: 0.0} for penalty in definition.penalties}


def _baseline(definition: StudyDefinition, rule: str, drawn: Values, weights: Values) -> PlannedTrial:
    return PlannedTrial(Role.BASELINE, rule, drawn, weights, definition.search.seed, origin="rule")
