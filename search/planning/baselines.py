"""Trainings by a rule that needs no search: what a found weighting must beat before anyone may speak of a gain. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module

from search.catalog.baselines import BASELINES, Baseline, find_baseline
from search.definition.rules import CURRENT, EQUAL, INVERSE, WITHOUT, wanted_rules
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace, shared_by
from search.names import rule_for
from search.objective.anchors import measured_by, required_anchors
from search.planning.seeds import several_seeds
from storage.records import ADAPTIVE_ORIGIN, PlannedTrial, Role, TrialRecord, Values

ORIGIN_FIXED = "rule"

Planner = Callable[[StudyDefinition, Values | None], Iterator[PlannedTrial]]
"""Yields a baseline's trainings, none where it cannot be: of a definition, and of the terms' values before training if known."""


def baselines(definition: StudyDefinition, initial: Values | None = None) -> dict[str, PlannedTrial]:
    """Return the study's baselines by rule, in the order of their planning.

    The user's own weights are one wherever the definition names any. Of two rules with the same fixed weights the first stands for
    both. What a constraint is relative to is trained in any case: without it no trial could be scored. `initial` has the terms'
    values before training; a rule that needs them is left out as long as they are not known.
    """
    found: dict[str, PlannedTrial] = {}
    needed = _needed(definition)
    chosen = [baseline for baseline in BASELINES if baseline.always]
    named = (find_baseline(rule, definition.search.plugins) for rule in dict.fromkeys([*wanted_rules(definition), *needed]))
    chosen += [baseline for baseline in named if baseline is not None and baseline not in chosen]
    for planned in (trial for baseline in chosen if baseline.weighting is None for trial in _fixed(baseline, definition, initial)):
        alike = planned.weights in [other.weights for other in found.values()]
        if planned.rule is not None and (not alike or planned.rule in needed):
            found[planned.rule] = planned
    for baseline in chosen:
        if baseline.weighting is not None:
            weights = _equal(definition)
            found[baseline.name] = _baseline(
                definition, baseline.name, weights, _as_parameters(definition, weights), ADAPTIVE_ORIGIN
            )
    return found


def distinct(definition: StudyDefinition, trained: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return baselines of which no two have the same fixed weights: the winner need not meet one setting twice.

    What a constraint is relative to stays in any case, else the first of two.
    """
    needed, found = _needed(definition), list[TrialRecord]()
    for trial in sorted(trained, key=lambda each: each.rule not in needed):
        stays = trial.origin == ADAPTIVE_ORIGIN or trial.rule in needed
        if stays or all(other.origin == ADAPTIVE_ORIGIN or other.weights != trial.weights for other in found):
            found.append(trial)
    return sorted(found, key=lambda each: each.number)


def _needed(definition: StudyDefinition) -> list[str]:
    """Return the baselines that a constraint is relative to."""
    measured = [measured_by(of, path) for of, path in required_anchors(definition.objective)]
    return [rule for role, rule in measured if role is Role.BASELINE]


def _fixed(baseline: Baseline, definition: StudyDefinition, initial: Values | None) -> Iterator[PlannedTrial]:
    module, _, attribute = (baseline.planned_by or "").partition(":")
    plan: Planner = getattr(import_module(module), attribute)
    return plan(definition, initial)


def current(definition: StudyDefinition, initial: Values | None) -> Iterator[PlannedTrial]:
    """Plan the user's own weights, where the definition names any."""
    drawn = SearchSpace(definition).current_parameters()
    if drawn is not None:
        yield _baseline(definition, CURRENT, SearchSpace(definition).term_weights(drawn), drawn)


def equal(definition: StudyDefinition, initial: Values | None) -> Iterator[PlannedTrial]:
    """Plan equal weights: 1 for every term."""
    yield _baseline(definition, EQUAL, _equal(definition))


def inverse_initial_loss(definition: StudyDefinition, initial: Values | None) -> Iterator[PlannedTrial]:
    """Plan `inverse_weights`, once the values before training are known."""
    if initial is not None:
        yield _baseline(definition, INVERSE, inverse_weights(definition, initial))


def without(definition: StudyDefinition, initial: Values | None) -> Iterator[PlannedTrial]:
    """Plan equal weights without each penalty in turn; penalties of one shared weight are left out together."""
    for name, penalties in _left_out(definition).items():
        yield _baseline(definition, rule_for(WITHOUT, name), {**_equal(definition), **dict.fromkeys(penalties, 0.0)})


def _left_out(definition: StudyDefinition) -> dict[str, list[str]]:
    """Return the penalties that are left out together: those of one shared weight by its name, any other by its own."""
    found: dict[str, list[str]] = {}
    for penalty in definition.penalties:
        shared = shared_by(penalty.weight)
        found.setdefault(shared[0] if shared else penalty.name, []).append(penalty.name)
    return found


def inverse_weights(definition: StudyDefinition, initial: Values) -> dict[str, float]:
    """Return 1 / (value before training) for every loss, scaled so that they sum to their number; penalties count 1.

    A penalty may be 0 before training, and a loss that can be negative has no such weight: it counts 1 too.
    """
    inverse = {
        term.path: 1.0 / initial[term.path]
        for term in SearchSpace(definition).terms
        if term.kind == "loss" and initial.get(term.path, 0.0) > 0
    }
    scale = len(inverse) / sum(inverse.values()) if inverse else 1.0
    return {path: inverse[path] * scale if path in inverse else 1.0 for path in _equal(definition)}


def _equal(definition: StudyDefinition) -> dict[str, float]:
    return {term.path: 1.0 for term in SearchSpace(definition).terms}


def _as_parameters(definition: StudyDefinition, weights: Mapping[str, float]) -> dict[str, float]:
    """Return fixed weights as the parameters that stand for them, with the usual value of all else that is searched."""
    drawn = {path: weights.get(path, 1.0) for path in SearchSpace(definition).weights}
    return drawn | SearchSpace(definition).usual_arguments()


def _baseline(
    definition: StudyDefinition, rule: str, weights: Values, drawn: Values | None = None, origin: str = ORIGIN_FIXED
) -> PlannedTrial:
    """Return the training under fixed weights; `drawn` are the parameters that stand for them, where they are not the weights."""
    drawn = _as_parameters(definition, weights) if drawn is None else drawn
    seeds = several_seeds(definition)
    return PlannedTrial(Role.BASELINE, rule, drawn, weights, definition.search.seed, origin=origin, seeds=seeds)
