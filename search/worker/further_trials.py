"""Further trials of a study for a cohort under way, which take the places that a rung has left free.

At its last rung a cohort under a pruner that halves has most of its epochs before it, and most of its places free. The trials that
go on wait there while the study's next trials train up to the same rung, and then those after them, as long as places are free;
then what is left of all goes on together. The next trials are drawn as a new cohort's are, by the study's plan, and those that wait
are observed as if they had been pruned: no better is known of them. All train under the same lease, so a crash gives back all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from search.definition.plugins import pruner_of, sampler_of
from search.definition.schema import Objective, StudyDefinition
from search.logs import logger
from search.planning.ahead import PlannedAhead, plan_ahead
from search.planning.plan import searches_left
from search.planning.rescoring import objective_of
from search.sampling.pruning import ladder
from search.sampling.suggest import with_the_last
from search.worker.claim import Claim, definition_of, history_of
from search.worker.lease_keeper import Holding
from storage import trial_rows, trials
from storage.database import Database, Session
from storage.fencing import fence
from storage.records import PlannedTrial, Role, StudyRecord, StudyState, TrialRecord, TrialState
from storage.rung_history import search_indices
from storage.study_rows import get_study_by_id

log = logger("steelyard.worker")

QUICK_BATCH = 8
"""A sampler that suggests so many at once is quick."""

Standing = Callable[[Objective], Sequence[TrialRecord]]
"""The trials that go on, scored by an objective after their latest reports."""


def rung_for_more(definition: StudyDefinition, cohort: Sequence[TrialRecord]) -> int | None:
    """Return the rung at which a cohort may take further trials: the last of a pruner that halves; None where it takes none.

    Only search trials of one seed: then all share the order of rows, so that those that are left go on in one stack. Not under a
    sampler that suggests few at a time: it takes long over each, and training waits. Nor beside a trial that was lost before: it
    may have been to blame, and others beside it would be lost with it.
    """
    pruner, sampler = definition.search.pruner, sampler_of(definition.search.sampler)
    if pruner is None or not pruner_of(pruner).halving or definition.search.seeds > 1:
        return None
    if sampler.generation or (sampler.learns and sampler.next_batch < QUICK_BATCH):
        return None
    if any(trial.role is not Role.SEARCH or _suspect(trial) for trial in cohort):
        return None
    return max(ladder(pruner, definition.training), default=None)


def _suspect(trial: TrialRecord) -> bool:
    return trial.cohort_limit is not None or trial.charged > 0 or trial.losses > 0


@dataclass(frozen=True, slots=True)
class Planned:
    """A study's next trials, the study as it was when they were drawn, and the numbers that ran then."""

    study: StudyRecord
    beside: tuple[int, ...]
    ahead: PlannedAhead

    def still(self, study: StudyRecord) -> bool:
        """Return whether they are what the study asks for: its user may have changed that since."""
        was = self.study
        return (was.trial_budget, was.definition, was.cohort_size) == (study.trial_budget, study.definition, study.cohort_size)

    @property
    def trials(self) -> list[PlannedTrial]:
        """Return the trials, which say themselves what they were drawn after."""
        after, beside = self.study.sequence, self.beside
        return [replace(trial, planned_after=after, planned_beside=beside) for trial in self.ahead.trials]


Aside = Callable[[Callable[[], Planned | None]], Planned | None]
"""Does planning while the lease is kept; None where it would take too long. Raises what it raises, LeaseLost."""


def at_once(planning: Callable[[], Planned | None]) -> Planned | None:
    """Plan at once, as is right for a sampler that is quick."""
    return planning()


class FurtherTrials:
    """A study's next trials for one cohort under way, kept from when they are planned until they are written."""

    def __init__(self, database: Database, holding: Holding, aside: Aside = at_once) -> None:
        self._database, self._holding, self._aside = database, holding, aside
        self._planned: Planned | None = None
        self._is_planned = False

    def start(self, claim: Claim, standing: Standing) -> Claim | None:
        """Start them in the cohort; return its claim with them, as it was where there are none.

        None as long as the database is away. Raises LeaseLost, StorageBusy, StorageUnavailable.
        """
        if not self._is_planned:
            self._planned = self._aside(lambda: _planned(self._database, claim, standing))
            self._is_planned = True
        planned = self._planned
        if planned is None or any(trial.role is not Role.SEARCH for trial in planned.ahead.trials):
            return claim
        found: list[Claim] = []

        def start(session: Session) -> None:
            found[:] = [_started(session, self._database, claim, planned, self._holding.token)]

        if not self._holding.write(start):
            return None
        self._is_planned = False
        return found[0]


def _planned(database: Database, claim: Claim, standing: Standing) -> Planned | None:
    with database.reading() as session:
        study = get_study_by_id(session, claim.study.id)
        unfinished = trial_rows.unfinished_trials(session, study.id)
        if study.state is not StudyState.RUNNING or any(trial.state is TrialState.WAITING for trial in unfinished):
            return None
        definition = definition_of(study)
        history = history_of(session, study, definition, database.now(session))
        objective = objective_of(session, study.id, definition)
    going_on = [replace(trial, state=TrialState.PRUNED) for trial in standing(objective)]
    limit = min(claim.study.cohort_size or 1, study.cohort_size or 1)  # the child was ordered no more, and trains no more at once
    try:
        limit = with_the_last(limit, searches_left(definition, history))
        ahead = plan_ahead(definition, replace(history, takes_the_last=True), limit, going_on)
    except (Exception, SystemExit) as error:  # the plan proper says so again, where it counts
        log.warning("no further trials planned", study=study.name, exc_info=error)
        return None
    return None if ahead is None else Planned(study, tuple(trial.number for trial in unfinished), ahead)


def _started(session: Session, database: Database, claim: Claim, planned: Planned, token: int) -> Claim:
    """Start planned trials, where nothing was planned for the study since they were drawn, and it is as it was.

    Those that were started already are taken: the connection may have gone once they were.
    """
    now = database.now(session)
    held = fence(session, token, now)
    if held.cohort_id is None:
        return claim
    known = {trial.number for trial in claim.trials}
    running = trial_rows.trials_of(session, held.study.id, states=[TrialState.RUNNING])
    added = [trial for trial in running if trial.cohort == held.cohort_id and trial.number not in known]
    if not added:
        taken = sum(trial_rows.count_by_role(session, held.study.id).values()) != planned.ahead.first
        if taken or held.study.state is not StudyState.RUNNING or not planned.still(held.study):
            return claim
        added = trials.add_trials(session, held.study, planned.trials, beside=planned.beside, now=now)
        trials.join_cohort(session, held.study, added, held.cohort_id, now)
    indices = search_indices(session, held.study.id, [trial.number for trial in added])
    return replace(claim, trials=(*claim.trials, *added), indices={**claim.indices, **indices})
