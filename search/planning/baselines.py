"""Trainings by a rule that needs no search: what a found weighting must beat before anyone may speak of a gain. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from search.definition import space
from search.definition.rules import ADAPTIVE, CURRENT, EQUAL, INVERSE, WITHOUT, wanted_rules
from search.definition.schema import StudyDefinition
from search.names import rule_for
from storage.records import ADAPTIVE_ORIGIN, PlannedTrial, Role, Values

ORIGIN_FIXED = "rule"


def baselines(definition: StudyDefinition, initial: Values | None = None) -> dict[str, PlannedTrial]:
    """Return the study's baselines by rule, in the order of their planning.

    The user's own weights are one wherever the definition names any. Of two rules with the same fixed weights the first stands for
    both. `initial` has the terms' values before training; a rule that needs them is left out as long as they are not known.
    """
    found: dict[str, PlannedTrial] = {}
    drawn = space.current_parameters(definition)
    if drawn is not None:
        found[CURRENT] = _baseline(definition, CURRENT, drawn, space.term_weights(definition, drawn))
    for rule, weights in _fixed(definition, initial):
        if weights not in [dict(other.weights) for other in found.values()]:
            found[rule] = _baseline(definition, rule, _as_parameters(definition, weights), weights)
    for rule in wanted_rules(definition):
        if rule in ADAPTIVE:
            equal = _equal(definition)
            found[rule] = _baseline(definition, rule, _as_parameters(definition, equal), equal, ADAPTIVE_ORIGIN)
    return found


def _fixed(definition: StudyDefinition, initial: Values | None) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield (rule, weights) of the rules of fixed weights that the definition asks for."""
    equal = _equal(definition)
    for rule in wanted_rules(definition):
        if rule == EQUAL:
            yield EQUAL, equal
        elif rule == INVERSE and initial is not None:
            yield INVERSE, inverse_weights(definition, initial)
        elif rule == WITHOUT:
            for name, penalties in _left_out(definition).items():
                yield rule_for(WITHOUT, name), {**equal, **dict.fromkeys(penalties, 0.0)}


def _left_out(definition: StudyDefinition) -> dict[str, list[str]]:
    """Return the penalties that are left out together: those of one shared weight by its name, any other by its own."""
    found: dict[str, list[str]] = {}
    for penalty in definition.penalties:
        shared = space.shared_by(penalty.weight)
        found.setdefault(shared[0] if shared else penalty.name, []).append(penalty.name)
    return found


def inverse_weights(definition: StudyDefinition, initial: Values) -> dict[str, float]:
    """Return 1 / (value before training) for every loss, scaled so that they sum to their number; penalties count 1.

    A penalty may be 0 before training, and a loss that can be negative has no such weight: it counts 1 too.
    """
    inverse = {
        term.path: 1.0 / initial[term.path]
        for term in space.terms(definition)
        if term.kind == "loss" and initial.get(term.path, 0.0) > 0
    }
    scale = len(inverse) / sum(inverse.values()) if inverse else 1.0
    return {path: inverse[path] * scale if path in inverse else 1.0 for path in _equal(definition)}


def _equal(definition: StudyDefinition) -> dict[str, float]:
    return {term.path: 1.0 for term in space.terms(definition)}


def _as_parameters(definition: StudyDefinition, weights: Mapping[str, float]) -> dict[str, float]:
    """Return fixed weights as the parameters that stand for them, with the usual value of all else that is searched."""
    drawn = {path: weights.get(path, 1.0) for path in space.searched_weights(definition)}
    return drawn | space.usual_arguments(definition)


def _baseline(definition: StudyDefinition, rule: str, drawn: Values, weights: Values, origin: str = ORIGIN_FIXED) -> PlannedTrial:
    return PlannedTrial(Role.BASELINE, rule, drawn, weights, definition.search.seed, origin=origin)
