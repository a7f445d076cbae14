"""How far a study is: counts, pace, and the best trial so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from storage.models import COHORTS, LEASES, OBJECTIVE_VALUES, TRIALS
from storage.records import ADAPTIVE_ORIGIN, NO_OBJECTIVE, Role, Throughput, TrialRecord, TrialState
from storage.trial_rows import load_trials

COMPETES = and_(TRIALS.c.role.in_([Role.SEARCH.value, Role.BASELINE.value]), TRIALS.c.origin != ADAPTIVE_ORIGIN)
"""Which trials may win: search trials, and baselines of fixed weights."""

TRAINED = or_(
    TRIALS.c.state == TrialState.COMPLETE.value,
    and_(TRIALS.c.state == TrialState.FAILED.value, TRIALS.c.reason_code == NO_OBJECTIVE),
)
"""Which trials were trained to their last epoch, as `TrialRecord.trained` says: another objective may judge them."""


def progress_counts(session: Session, study_id: int) -> tuple[Mapping[str, int], int]:
    """Count a study's trials by state (every state is there) and its trial-epochs done.

    One statement, so the counts add up whatever happens beside it.
    """
    return progress_counts_of(session, [study_id])[study_id]


def progress_counts_of(session: Session, study_ids: Sequence[int]) -> Mapping[int, tuple[Mapping[str, int], int]]:
    """Do as `progress_counts` for many studies at once, for a list of them."""
    counts = {each: {state.value: 0 for state in TrialState} for each in study_ids}
    epochs = dict.fromkeys(study_ids, 0)
    rows = session.execute(
        select(TRIALS.c.study_id, TRIALS.c.state, func.count(), func.sum(TRIALS.c.epochs))
        .where(TRIALS.c.study_id.in_(study_ids))
        .group_by(TRIALS.c.study_id, TRIALS.c.state)
    )
    for study_id, state, count, done in rows:
        counts[study_id][state] = count
        epochs[study_id] += int(done)
    return {each: (counts[each], epochs[each]) for each in study_ids}


def trained_seconds(session: Session, study_id: int, now: datetime) -> float:
    """Tell how long a study has trained so far: the time in which one of its cohorts or more did, until `now` for those that do."""
    rows = session.execute(
        select(COHORTS.c.started_at, COHORTS.c.ended_at).where(COHORTS.c.study_id == study_id).order_by(COHORTS.c.started_at)
    )
    seconds, until = 0.0, None
    for started, ended in rows:
        end = now if ended is None else ended
        begin = started if until is None else max(started, until)
        seconds += max(0.0, (end - begin).total_seconds())
        until = end if until is None else max(until, end)
    return seconds


def trial_durations(session: Session, study_id: int) -> Throughput:
    """Tell how fast a study goes: epochs still to do, times seconds an epoch, over the cohorts in training is the time left."""
    epochs, seconds = session.execute(
        select(func.coalesce(func.sum(TRIALS.c.epochs), 0), func.coalesce(func.sum(TRIALS.c.seconds), 0.0)).where(
            TRIALS.c.study_id == study_id, TRIALS.c.epochs > 0
        )
    ).one()
    live = select(func.count()).where(
        LEASES.c.study_id == study_id, LEASES.c.purpose == "cohort", LEASES.c.released_at.is_(None), LEASES.c.cohort_id.is_not(None)
    )
    running = TRIALS.c.state == TrialState.RUNNING.value
    searched = (TRIALS.c.role == Role.SEARCH.value) & TRIALS.c.sequence.is_not(None)
    under_way, ended, ended_epochs = session.execute(
        select(
            func.coalesce(func.sum(TRIALS.c.epochs).filter(running), 0),
            func.count().filter(searched),
            func.coalesce(func.sum(TRIALS.c.epochs).filter(searched), 0),
        ).where(TRIALS.c.study_id == study_id)
    ).one()
    return Throughput(int(epochs), float(seconds), session.scalar(live) or 0, int(under_way), int(ended), int(ended_epochs))


def best_trial(session: Session, study_id: int) -> TrialRecord | None:
    """Find the COMPLETE search trial or baseline that wins: feasible first, then the greatest value, then the lowest number.

    None where none has a finite value. An infeasible one is given only where no feasible one exists.
    """
    best = (
        select(TRIALS)
        .where(
            TRIALS.c.study_id == study_id,
            TRIALS.c.state == TrialState.COMPLETE.value,
            COMPETES,
            TRIALS.c.feasible.is_not(None),
            TRIALS.c.value.is_not(None),
        )
        .order_by(TRIALS.c.feasible.desc(), TRIALS.c.value.desc(), TRIALS.c.number)
        .limit(1)
    )
    return next(iter(load_trials(session, best)), None)


def closest_trial(session: Session, study_id: int) -> TrialRecord | None:
    """Find the COMPLETE search trial or baseline that misses its constraints by the least sum, the lowest number first."""
    missed = (
        select(func.coalesce(func.sum(OBJECTIVE_VALUES.c.value), 0.0))
        .where(OBJECTIVE_VALUES.c.trial_id == TRIALS.c.id, OBJECTIVE_VALUES.c.kind == "violation")
        .scalar_subquery()
    )
    infinite = (
        select(func.count(OBJECTIVE_VALUES.c.not_finite))
        .where(OBJECTIVE_VALUES.c.trial_id == TRIALS.c.id, OBJECTIVE_VALUES.c.kind == "violation")
        .scalar_subquery()
    )
    closest = (
        select(TRIALS)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.state == TrialState.COMPLETE.value, COMPETES)
        .order_by(infinite, missed, TRIALS.c.number)
        .limit(1)
    )
    return next(iter(load_trials(session, closest)), None)
