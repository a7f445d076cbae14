"""Further trials of a study for a cohort under way, which take the places that a rung has left free.

At its last rung a cohort under a pruner that halves has most of its epochs before it, and most of its places free. The trials that
go on wait there while the study's next trials train up to the same rung; then what is left of both goes on together. The next
trials are drawn as a new cohort's are, by the study's plan, and those that wait are observed as if they had been pruned: no better
is known of them. All train under the same lease, so a crash gives back all of them. This is done once a cohort, so that other
studies have their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from search.definition.plugins import pruner_of, sampler_of
from search.definition.schema import Objective, StudyDefinition
from search.logs import logger
from search.planning.ahead import PlannedAhead, plan_ahead
from search.planning.rescoring import objective_of
from search.sampling.pruning import ladder
from search.worker.claim import Claim, history_of
from search.worker.lease_keeper import Holding
from storage import trial_rows, trials
from storage.database import Database, Session
from storage.fencing import fence
from storage.records import Role, StudyState, TrialRecord, TrialState
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
    sampler that suggests few at a time: it takes long over each, and training waits.
    """
    pruner, sampler = definition.search.pruner, sampler_of(definition.search.sampler)
    if pruner is None or not pruner_of(pruner).halving or definition.search.seeds > 1:
        return None
    if sampler.generation or (sampler.learns and sampler.next_batch < QUICK_BATCH):
        return None
    if any(trial.role is not Role.SEARCH for trial in cohort):
        return None
    return max(ladder(pruner, definition.training), default=None)


def further_trials(database: Database, claim: Claim, holding: Holding, standing: Standing) -> Claim | None:
    """Plan and start a study's next trials in a cohort under way; return its claim with them, as it was where there are none.

    None as long as the database is away. Raises LeaseLost, StorageBusy, StorageUnavailable.
    """
    planned = _planned(database, claim, standing)
    if planned is None or any(trial.role is not Role.SEARCH for trial in planned.trials):
        return claim
    found: list[Claim] = []

    def start(session: Session) -> None:
        found[:] = [_started(session, database, claim, planned, holding.token)]

    return found[0] if holding.write(start) else None


def _planned(database: Database, claim: Claim, standing: Standing) -> PlannedAhead | None:
    with database.reading() as session:
        study = get_study_by_id(session, claim.study.id)
        waiting = any(trial.state is TrialState.WAITING for trial in trial_rows.unfinished_trials(session, study.id))
        if study.state is not StudyState.RUNNING or waiting:
            return None
        history = history_of(session, study, claim.definition, database.now(session))
        objective = objective_of(session, study.id, claim.definition)
    going_on = [replace(trial, state=TrialState.PRUNED) for trial in standing(objective)]
    try:
        return plan_ahead(claim.definition, history, study.cohort_size or 1, going_on)
    except Exception as error:  # the plan proper says so again, where it counts
        log.warning("no further trials planned", study=study.name, exc_info=error)
        return None


def _started(session: Session, database: Database, claim: Claim, planned: PlannedAhead, token: int) -> Claim:
    """Start planned trials, where nothing was planned for the study since they were drawn."""
    now = database.now(session)
    held = fence(session, token, now)
    unfinished = trial_rows.unfinished_trials(session, held.study.id)
    taken = sum(trial_rows.count_by_role(session, held.study.id).values()) != planned.first
    if taken or held.study.state is not StudyState.RUNNING or held.cohort_id is None:
        return claim
    beside = [trial.number for trial in unfinished if trial.state is TrialState.RUNNING]
    added = trials.add_trials(session, held.study, planned.trials, beside=beside, now=now)
    trials.join_cohort(session, held.study, added, held.cohort_id, now)
    indices = search_indices(session, held.study.id, [trial.number for trial in added])
    return replace(claim, trials=(*claim.trials, *added), indices={**claim.indices, **indices})
