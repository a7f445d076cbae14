"""How many trainings each phase of a study has at most: told before anything runs. Pure functions."""

from __future__ import annotations

from search.definition import space
from search.definition.finite import affordable
from search.definition.schema import StudyDefinition
from search.planning.baselines import baselines
from search.planning.confirmation import budget_of
from search.planning.references import reference_seeds, referenced_tasks
from storage.records import Role


def phases(definition: StudyDefinition) -> dict[Role, int]:
    """Return the number of trainings of each role in the whole plan, in the order in which they come."""
    unlike = {term.path: i + 1.0 for i, term in enumerate(space.terms(definition))}  # so that no two rules have the same weights
    tasks, rules = len(referenced_tasks(definition)), len(baselines(definition, unlike))
    return {
        Role.REFERENCE: tasks * len(reference_seeds(definition)),
        Role.BASELINE: rules,
        Role.SEARCH: _searches(definition),
        Role.CONFIRMATION: _confirmations(definition, tasks, rules),
    }


def _confirmations(definition: StudyDefinition, tasks: int, rules: int) -> int:
    """Return the most trainings on fresh seeds: fewer candidates than there may be can leave room for more seeds."""
    budget, finalists = budget_of(definition, tasks), _searches(definition)
    if budget is None:
        return 0
    fields = {budget.field(some, others) for some in range(1, min(budget.top, finalists) + 1) for others in range(rules + 1)}
    return max(budget.trainings(*each) for each in fields)


def _searches(definition: StudyDefinition) -> int:
    return affordable(definition, space.trial_budget(definition))


def trainings(definition: StudyDefinition) -> int:
    """Return how many trainings the whole plan has at most."""
    return sum(phases(definition).values())
