"""What a study trains next, worked out while a cohort still trains: draws that the plan may use once the cohort has ended.

Nothing is stored of it. The plan alone decides what is trained: for the same trials it takes draws that were made ahead in place of
new ones. So what is stored is what the sampler said of the cohort as it stood at its last report but one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search.definition.plugins import sampler_of
from search.definition.schema import StudyDefinition
from search.planning.plan import History, Run, plan, wants_finalists, wants_gain
from search.sampling.suggest import DrawIndex, Drawn, DrawnAhead
from storage.records import PlannedTrial, Role, TrialRecord, TrialState


@dataclass(frozen=True, slots=True)
class PlannedAhead:
    """A study's next trials as they are expected: numbered from `first`, after `searched` search trials."""

    first: int
    trials: tuple[PlannedTrial, ...]
    searched: int

    def draws(self, after: int, beside: Sequence[int]) -> DrawnAhead:
        """Return the draws of the search trials among them, which come last: made after outcome `after`, while `beside` ran."""
        drawn = tuple(Drawn(each.parameters, each.sampler_state) for each in self.trials if each.role is Role.SEARCH)
        place = DrawIndex(self.first + len(self.trials) - len(drawn), self.searched)
        return DrawnAhead(place, drawn, after, tuple(beside))


def plan_ahead(definition: StudyDefinition, history: History, limit: int, cohort: Sequence[TrialRecord]) -> PlannedAhead | None:
    """Return what the plan would say if the trials of `cohort`, which run, ended as they are given; None where it cannot be known.

    A sampler of generations is not asked while one trains: it learns from a generation's own values and no others.
    """
    generational = cohort and sampler_of(definition.search.sampler).generation
    if generational or any(trial.role is Role.CONFIRMATION for trial in cohort):
        return None
    expected = _expected(history, cohort)
    if wants_gain(definition, expected) or wants_finalists(definition, expected):  # an analysis comes first
        return None
    step = plan(definition, expected, limit)
    return PlannedAhead(history.next_number, step.trials, history.searched) if isinstance(step, Run) else None


def _expected(history: History, cohort: Sequence[TrialRecord]) -> History:
    """Return the history as if the cohort had ended. What was worked out of the search before holds no longer where it goes on."""
    searches = any(trial.role is Role.SEARCH for trial in cohort)
    ended = {trial.number: trial for trial in cohort}
    counts = Counter(history.counts)
    for trial in cohort:
        counts[trial.role, TrialState.RUNNING] -= 1
        counts[trial.role, trial.state] += 1

    def as_ended(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        return [ended.get(trial.number, trial) for trial in trials]

    return replace(
        history,
        counts=counts,
        trials=as_ended(history.trials),
        references=as_ended(history.references),
        baselines=as_ended(history.baselines),
        expected_gain=None if searches else history.expected_gain,
        finalists=() if searches else history.finalists,
    )
