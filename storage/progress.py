"""How far a study is: counts and pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.models import COHORTS, LEASES, STUDIES, TRIALS
from storage.records import Role, Throughput, TrialState
from storage.seed_results import trainings


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
    """Return the seconds in which at least one cohort of a study's search trained; one that still does counts up to `now`.

    Cohorts on fresh seeds do not count, so what a search is stopped by does not grow after its end.
    """
    again = select(TRIALS.c.id).where(TRIALS.c.cohort_id == COHORTS.c.id, TRIALS.c.role == Role.CONFIRMATION.value)
    rows = session.execute(
        select(COHORTS.c.started_at, COHORTS.c.ended_at)
        .where(COHORTS.c.study_id == study_id, ~again.exists())
        .order_by(COHORTS.c.started_at)
    )
    seconds, until = 0.0, None
    for started, ended in rows:
        end = now if ended is None else ended
        begin = started if until is None else max(started, until)
        seconds += max(0.0, (end - begin).total_seconds())
        until = end if until is None else max(until, end)
    return seconds


def trial_durations(session: Session, study_ids: Sequence[int]) -> Mapping[int, Throughput]:
    """Return how fast studies go, by id: epochs to do, times seconds an epoch, over the cohorts in training is the time left."""
    live = (
        select(func.count())
        .where(LEASES.c.study_id == STUDIES.c.id, LEASES.c.purpose == "cohort")
        .where(LEASES.c.released_at.is_(None), LEASES.c.cohort_id.is_not(None))
        .correlate(STUDIES)
        .scalar_subquery()
    )
    running = TRIALS.c.state == TrialState.RUNNING.value
    epochs = TRIALS.c.epochs * trainings()
    searched = (TRIALS.c.role == Role.SEARCH.value) & TRIALS.c.sequence.is_not(None)
    rows = session.execute(
        select(
            STUDIES.c.id,
            func.coalesce(func.sum(epochs), 0),
            func.coalesce(func.sum(TRIALS.c.seconds).filter(TRIALS.c.epochs > 0), 0.0),
            live,
            func.coalesce(func.sum(epochs).filter(running), 0),
            func.count(TRIALS.c.id).filter(searched),
            func.coalesce(func.sum(epochs).filter(searched), 0),
            func.coalesce(func.sum(trainings()).filter(TRIALS.c.sequence.is_not(None)), 0),
        )
        .outerjoin(TRIALS, TRIALS.c.study_id == STUDIES.c.id)
        .where(STUDIES.c.id.in_(study_ids))
        .group_by(STUDIES.c.id)
    )
    return {
        study_id: Throughput(int(done), float(seconds), int(cohorts), int(under_way), int(ended), int(ended_epochs), int(over))
        for study_id, done, seconds, cohorts, under_way, ended, ended_epochs, over in rows
    }
