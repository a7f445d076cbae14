"""Trainings of one task alone: what each task can reach by itself, which others are held against. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from search.definition.effort import References
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.names import rule_for
from search.objective import anchors
from search.planning.seeds import REFERENCES, seeds_from
from storage.records import PlannedTrial, Role, TrialRecord, TrialState


def wanted_references(definition: StudyDefinition) -> References | None:
    """Return the references that the definition asks for: its own word, else the usual ones where the objective needs them."""
    needed = any(of == anchors.REFERENCE for of, _ in anchors.required_anchors(definition.objective))
    return definition.search.references or (References() if needed else None)


def referenced_tasks(definition: StudyDefinition) -> list[str]:
    """Return the tasks that are trained alone: those with a loss of their own."""
    return [task.name for task in definition.tasks if task.losses] if wanted_references(definition) else []


def reference_seeds(definition: StudyDefinition) -> list[int]:
    """Return the seeds of the references: the study's own, so that one of them joins the first cohort, then others."""
    wanted = wanted_references(definition)
    return [definition.search.seed, *seeds_from(definition, REFERENCES, wanted.seeds - 1)] if wanted else []


def references(definition: StudyDefinition, planned: Collection[tuple[str | None, int]] = ()) -> list[PlannedTrial]:
    """Return the references that are still to be planned, seed by seed; `planned` has the (rule, seed) of those there are.

    The task's losses have their `current` weights, or 1; every other term has weight 0.
    """
    return [
        _reference(definition, task, seed)
        for seed in reference_seeds(definition)
        for task in referenced_tasks(definition)
        if (rule_for(anchors.ALONE, task), seed) not in planned
    ]


def one_of_each(trained: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return one complete reference of each task, the first: it stands for the task where references are confirmed."""
    first: dict[str | None, TrialRecord] = {}
    for trial in trained:
        if trial.state is TrialState.COMPLETE:
            first.setdefault(trial.rule, trial)
    return list(first.values())


def _reference(definition: StudyDefinition, task: str, seed: int) -> PlannedTrial:
    space = SearchSpace(definition)
    drawn = {path: weight.current for path, weight in space.weights.items() if weight.current}
    usual = space.term_weights({**dict.fromkeys(space.weights, 1.0), **drawn})
    own = {term.path for term in space.terms if term.task is not None and term.task.name == task}
    weights = {path: (weight or 1.0) if path in own else 0.0 for path, weight in usual.items()}
    parameters = {path: weights.get(path, 1.0) for path in space.weights} | space.usual_arguments()
    return PlannedTrial(Role.REFERENCE, rule_for(anchors.ALONE, task), parameters, weights, seed, origin="reference")
