"""How far a study is: counts and pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.leases import COHORT
from storage.models import COHORTS, LEASES, TRIALS
from storage.records import Role, StudyTotals, Throughput, TrialState
from storage.seed_results import is_paced, several_trainings


def study_totals(session: Session, study_ids: Sequence[int]) -> Mapping[int, StudyTotals]:
    """Count the trials of studies, their epochs and their seconds, by study id. In two statements, one of them over the trials.

    Epochs to do, times seconds an epoch, over the cohorts in training is the time left.
    """
    table, several = TRIALS.c, several_trainings(TRIALS.c.study_id.in_(study_ids))
    each = func.coalesce(several.c.trainings, 1)
    searched = (table.role == Role.SEARCH.value) & table.sequence.is_not(None)
    trained, paced = table.epochs * each, is_paced(each)
    rows = session.execute(
        select(
            table.study_id,
            table.state,
            func.count(),
            func.sum(table.epochs),
            func.coalesce(func.sum(trained).filter(paced), 0),
            func.coalesce(func.sum(table.seconds).filter(table.epochs > 0, paced), 0.0),
            func.count().filter(searched),
            func.coalesce(func.sum(trained).filter(searched), 0),
            func.coalesce(func.sum(each).filter(table.sequence.is_not(None)), 0),
        )
        .select_from(TRIALS.outerjoin(several, several.c.trial_id == table.id))
        .where(table.study_id.in_(study_ids))
        .group_by(table.study_id, table.state)
    ).all()
    live = _live_cohorts(session, study_ids)
    return {each: _totals([row[1:] for row in rows if row[0] == each], live.get(each, 0)) for each in study_ids}


def _totals(rows: Sequence[Sequence[Any]], cohorts: int) -> StudyTotals:
    counts = {state.value: 0 for state in TrialState} | {row[0]: row[1] for row in rows}
    trained = {row[0]: int(row[3]) for row in rows}
    pace = Throughput(
        epochs=sum(trained.values()),
        seconds=sum(float(row[4]) for row in rows),
        cohorts=cohorts,
        under_way=trained.get(TrialState.RUNNING.value, 0),
        searched=sum(int(row[5]) for row in rows),
        searched_epochs=sum(int(row[6]) for row in rows),
        ended=sum(int(row[7]) for row in rows),
    )
    return StudyTotals(counts, sum(int(row[2]) for row in rows), pace)


def _live_cohorts(session: Session, study_ids: Sequence[int]) -> Mapping[int, int]:
    rows = session.execute(
        select(LEASES.c.study_id, func.count())
        .where(LEASES.c.study_id.in_(study_ids), LEASES.c.purpose == COHORT)
        .where(LEASES.c.released_at.is_(None), LEASES.c.cohort_id.is_not(None))
        .group_by(LEASES.c.study_id)
    )
    return dict(rows.all())


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
