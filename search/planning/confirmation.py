"""Finalists, baselines and references once more, on fresh seeds: which trials, and on which seeds. Pure functions.

The winner's curse: of 30 single-seed trials the best is partly the luckiest. Only seeds that no choice was made on tell what it is
worth; a held-out split alone does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from search.definition.schema import StudyDefinition
from storage.records import PlannedTrial, Role, TrialRecord

SEED_STEP = 1_000_003
STREAM_STEP = 7_368_787
MAX_SEED = 2**31
STREAM = 0


def fresh_seeds(definition: StudyDefinition) -> list[int]:
    """Return the seeds of the confirmation: none of them is the study's own."""
    count = definition.search.confirmation.seeds if definition.search.confirmation else 0
    return seeds_from(definition, STREAM, count)


def seeds_from(definition: StudyDefinition, stream: int, count: int) -> list[int]:
    """Return `count` seeds that are not the study's own; different streams have different ones."""
    return [(definition.search.seed + STREAM_STEP * stream + SEED_STEP * (i + 1)) % MAX_SEED for i in range(count)]


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


def whole_seeds(planned: Sequence[PlannedTrial], room: int) -> list[PlannedTrial]:
    """Return the first of the planned trainings, at most `room`: all of a seed or none, but for a first seed that is too many.

    Trainings of one seed are trained as one stack, so half a seed costs what a whole one costs.
    """
    return list(_whole_seeds(planned, room))


def _whole_seeds(planned: Sequence[PlannedTrial], room: int) -> Iterator[PlannedTrial]:
    for place, (_, same) in enumerate(groupby(planned, key=lambda trial: trial.seed)):
        group = list(same)
        if len(group) > room:
            yield from group[:room] if place == 0 else ()
            return
        yield from group
        room -= len(group)
