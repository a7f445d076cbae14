"""Finalists and baselines once more, on fresh seeds: which trials, and on which seeds. Pure functions.

The winner's curse: of 30 single-seed trials the best is partly the luckiest. Only seeds that no choice was made on tell what it is
worth; a held-out split alone does not.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from search.definition import StudyDefinition
from storage.records import PlannedTrial, Role, TrialRecord, TrialState

SEED_STEP = 1_000_003
MAX_SEED = 2**31


def fresh_seeds(definition: StudyDefinition) -> list[int]:
    """Return the seeds of the confirmation: none of them is the study's own."""
    count = definition.search.confirmation.seeds if definition.search.confirmation else 0
    return [(definition.search.seed + SEED_STEP * (i + 1)) % MAX_SEED for i in range(count)]


def finalists(definition: StudyDefinition, searched: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the best complete and feasible search trials, the best first; of equals the earlier."""
    top = definition.search.confirmation.top if definition.search.confirmation else 0
    values = {
        trial.number: trial.value
        for trial in searched
        if trial.role is Role.SEARCH and trial.state is TrialState.COMPLETE and trial.feasible and trial.value is not None
    }
    known = [trial for trial in searched if math.isfinite(values.get(trial.number, math.nan))]
    return sorted(known, key=lambda trial: (-values[trial.number], trial.number))[:top]


def confirmations(
    definition: StudyDefinition, candidates: Sequence[TrialRecord], confirmed: Collection[tuple[int, int]]
) -> list[PlannedTrial]:
    """Return the trainings that are still to be planned: each candidate on each fresh seed, seed by seed.

    `confirmed` has the (trial number, seed) of those that there are.
    """
    return [
        PlannedTrial(
            role=Role.CONFIRMATION,
            rule=candidate.rule,
            parameters=candidate.parameters,
            weights=candidate.weights,
            seed=seed,
            origin="confirmation",
            confirms=candidate.number,
        )
        for seed in fresh_seeds(definition)
        for candidate in candidates
        if (candidate.number, seed) not in confirmed
    ]


def most_confirmations(definition: StudyDefinition, baselines: int) -> int:
    """Return how many trainings the confirmation has at most, for a study with so many baselines."""
    wanted = definition.search.confirmation
    return 0 if wanted is None else (wanted.top + baselines) * wanted.seeds
