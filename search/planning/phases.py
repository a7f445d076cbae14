"""How many trainings each phase of a study has at most, known before anything runs. Pure functions."""

from __future__ import annotations

from search.definition.finite import affordable
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace
from search.planning.baselines import baselines
from search.planning.confirmation import budget_of
from search.planning.references import reference_seeds, referenced_tasks
from storage.records import Role

SEEDED = (Role.BASELINE, Role.SEARCH)
"""Roles of the trials that train on as many seeds as `search.seeds` says."""


def phases(definition: StudyDefinition) -> dict[Role, int]:
    """Return the number of trainings of each role in the whole plan, in the order in which they come."""
    unlike = {
        term.path: i + 1.0 for i, term in enumerate(SearchSpace(definition).terms)
    }  # so that no two rules have the same weights
    seeds = definition.search.seeds
    tasks, rules = len(referenced_tasks(definition)), len(baselines(definition, unlike))
    return {
        Role.REFERENCE: tasks * len(reference_seeds(definition)),
        Role.BASELINE: rules * seeds,
        Role.SEARCH: _searches(definition) * seeds,
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
    return affordable(definition, SearchSpace(definition).trial_budget())


def trials(definition: StudyDefinition) -> dict[Role, int]:
    """Return the number of trials of each role in the whole plan: one of several seeds is one trial and as many trainings."""
    seeds = definition.search.seeds
    return {role: count // seeds if role in SEEDED else count for role, count in phases(definition).items()}


def trainings(definition: StudyDefinition) -> int:
    """Return how many trainings the whole plan has at most."""
    return sum(phases(definition).values())


def cost(definition: StudyDefinition, seconds: float | None = None) -> str:
    """Return what the plan costs as a sentence without its end, such as "32 to search + at most 48 to confirm, about 4 min".

    `seconds` is how long all of it takes, where that is known.
    """
    counts = phases(definition)
    confirmed = f" + at most {counts[Role.CONFIRMATION]} to confirm" if counts[Role.CONFIRMATION] else ""
    lasts = "" if seconds is None else f", about {_about(seconds)}"
    before = {"single-task": counts[Role.REFERENCE], "baseline": counts[Role.BASELINE]}
    first = " and ".join(f"{count} {kind}" for kind, count in before.items() if count)
    one = sum(before.values()) == 1
    ahead = f"; before them {first} training{'' if one else 's'}" if first else ""
    seeds = definition.search.seeds
    several = f" ({_searches(definition)} trials on {seeds} seeds each)" if seeds > 1 else ""
    most = "" if definition.search.stop is None else "at most "
    return f"{most}{counts[Role.SEARCH]} to search{several}{confirmed}{lasts}{ahead}"


def _about(seconds: float) -> str:
    """Return a duration in its greatest unit, as an estimate."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{round(seconds / length)} {unit}"
    return f"{max(1, round(seconds))} s"
