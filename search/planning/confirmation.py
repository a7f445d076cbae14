"""How finalists, baselines and references are trained once more on fresh seeds, and within which budget. Pure functions.

The winner's curse: of 30 single-seed trials the best is partly the luckiest. Only seeds that no choice was made on show what it is
worth; a held-out split alone does not. What happens on them is `search.planning.meeting`; here is how many of what there may be.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from search.definition.effort import Confirmation
from search.definition.finite import affordable
from search.definition.schema import Objective, StudyDefinition
from search.definition.space import SearchSpace
from search.planning.candidates import Candidate
from search.planning.looks import schedule
from search.planning.meeting import CHOOSING, RIVALS, Design, Meeting, Trained, Training, meet
from search.planning.seeds import CONFIRMATION, seeds_from
from storage.records import AnchorRecord, PlannedTrial, Role, TrialRecord

SHARE_OF_SEARCH = 1.5
LEAST_TRAININGS = 24
"""Trainings on fresh seeds at most, unless the definition says otherwise: so many times those of the search, but no fewer."""

ENOUGH_SEEDS = 5
"""Fewer candidates train where the winner would meet its rivals on fewer seeds than that."""

LEAST_FINALISTS, LEAST_BASELINES = 2, 3
REFERENCE_SEEDS = 4
"""Fresh seeds that each reference trains on at most: it is an anchor, not a rival."""

SHARE_OF_REFERENCES = 6
"""The references get this part of the trainings at most."""


def fresh_seeds(definition: StudyDefinition) -> list[int]:
    """Return all seeds that a confirmation may train on, in their order: none of them is one of the search's."""
    wanted = definition.search.confirmation
    return seeds_from(definition, CONFIRMATION, CHOOSING + wanted.seeds) if wanted else []


def most_trainings(definition: StudyDefinition, wanted: Confirmation) -> int:
    """Return how many trainings on fresh seeds there are at most, those of baselines and references included."""
    if wanted.trainings is not None:
        return wanted.trainings
    searched = affordable(definition, SearchSpace(definition).trial_budget()) * definition.search.seeds
    return max(LEAST_TRAININGS, math.ceil(SHARE_OF_SEARCH * searched))


@dataclass(frozen=True, slots=True)
class Budget:
    """What a confirmation may use: `most` trainings, `top` finalists, `seeds` for the last ones. `tasks` is how many references
    there are."""

    top: int
    seeds: int
    most: int
    tasks: int

    @property
    def reference_seeds(self) -> int:
        """On how many fresh seeds each reference is trained; 0 where they would take more than their part."""
        part = self.most // SHARE_OF_REFERENCES
        return min(REFERENCE_SEEDS, part // self.tasks) if 0 < self.tasks <= part else 0

    def choosing(self, finalists: int, baselines: int) -> int:
        """Return how many trainings the choice takes. There is none of one finalist: then all baselines meet it."""
        return 0 if finalists < 2 else CHOOSING * (finalists + (baselines if baselines > RIVALS else 0))

    def meeting(self, finalists: int, baselines: int) -> int:
        """Return on how many seeds the winner can meet its rivals."""
        left = self.most - self.tasks * self.reference_seeds - self.choosing(finalists, baselines)
        return max(0, min(self.seeds, left // (1 + rivals_of(finalists, baselines))))

    def field(self, finalists: int, baselines: int) -> tuple[int, int]:
        """Return how many of so many finalists and baselines are trained: all, or fewer where seeds to meet on would be lacking.

        Finalists give way down to two, then baselines down to three, until the winner can meet its rivals on `ENOUGH_SEEDS` seeds;
        beyond that only where it could not meet them on two.
        """
        finalists, enough = min(finalists, self.top), min(self.seeds, ENOUGH_SEEDS)
        while finalists > LEAST_FINALISTS and self.meeting(finalists, baselines) < enough:
            finalists -= 1
        while baselines > LEAST_BASELINES and self.meeting(finalists, baselines) < enough:
            baselines -= 1
        while baselines > 1 and self.meeting(finalists, baselines) < 2:
            baselines -= 1
        while finalists > 1 and self.meeting(finalists, baselines) < 2:
            finalists -= 1
        return finalists, baselines

    def trainings(self, finalists: int, baselines: int) -> int:
        """Return how many trainings there are at most with so many finalists and baselines."""
        together = self.meeting(finalists, baselines) * (1 + rivals_of(finalists, baselines))
        return self.choosing(finalists, baselines) + self.tasks * self.reference_seeds + together


def rivals_of(finalists: int, baselines: int) -> int:
    """Return how many baselines the winner meets."""
    return baselines if finalists < 2 else min(baselines, RIVALS)


def budget_of(definition: StudyDefinition, tasks: int) -> Budget | None:
    """Return what the definition's confirmation may use, with so many references; None where nothing is confirmed."""
    wanted = definition.search.confirmation
    return None if wanted is None else Budget(wanted.top, wanted.seeds, most_trainings(definition, wanted), tasks)


def design(seeds: Sequence[int], budget: Budget, finalists: int, baselines: int, there: int = 0) -> Design:
    """Return how a confirmation of so many candidates is laid out over fresh seeds.

    `there` is on how many of them everything was trained already, as earlier versions did: they are not left unused.
    """
    seeds = tuple(seeds)
    choosing = CHOOSING if finalists > 1 else 0
    count = max(budget.meeting(finalists, baselines), min(there - choosing, budget.seeds))
    first = choosing + (schedule(count)[0] if count else 0)
    measured = min(budget.reference_seeds if budget.tasks else REFERENCE_SEEDS, first)
    return Design(seeds[:choosing], seeds[choosing : choosing + count], seeds[:measured], budget.trainings(finalists, baselines))


def standing(
    definition: StudyDefinition, objective: Objective, trained: Trained, known: Sequence[AnchorRecord] = ()
) -> Meeting | None:
    """Return how far the confirmation of these candidates is; None where there is no finalist among them.

    `objective` gives trials a value; `known` are the anchors of the search.
    """
    finalists = sum(each.is_finalist for each in trained.candidates)
    baselines = sum(each.is_baseline for each in trained.candidates)
    budget = budget_of(definition, sum(each.is_reference for each in trained.candidates))
    if not finalists or budget is None:
        return None
    seeds = _seeds(definition, trained)
    there = _everywhere(seeds, trained, 1 + rivals_of(finalists, baselines))
    return meet(objective, design(seeds, budget, finalists, baselines, there), trained, known)


def _seeds(definition: StudyDefinition, trained: Trained) -> list[int]:
    """Return the fresh seeds in their order: the definition's, or those of the rows where none of these is among them."""
    fresh, there = fresh_seeds(definition), {seed for _, seed in trained.planned}
    return fresh if not there or not there.isdisjoint(fresh) else sorted(there)


def _everywhere(seeds: Sequence[int], trained: Trained, least: int) -> int:
    """Return on how many of the seeds, from the first, at least so many finalists and baselines were trained."""
    competing = {each.number for each in trained.candidates if not each.is_reference}
    counts = Counter(seed for number, seed in trained.planned if number in competing)
    return len(list(takewhile(lambda seed: counts[seed] >= least, seeds)))


def again(due: Sequence[Training], candidates: Sequence[Candidate]) -> list[PlannedTrial]:
    """Return the trainings of candidates that are due, as they are planned."""
    trials = {each.number: each.trial for each in candidates}
    return [_again(trials[number], seed) for number, seed in due]


def _again(candidate: TrialRecord, seed: int) -> PlannedTrial:
    return PlannedTrial(
        role=Role.CONFIRMATION,
        rule=candidate.rule,
        parameters=candidate.parameters,
        weights=candidate.weights,
        seed=seed,
        origin="confirmation",
        confirms=candidate.number,
    )
