"""How large a study's cohorts may be: half as large once memory ran out, and back after cohorts that were trained to their end.

A size counts trainings, as in a plan: a trial on several seeds is one for each of them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from storage.models import COHORTS, TRIALS
from storage.records import StudyRecord, TrialState
from storage.seed_results import trainings
from storage.study_rows import change_study, lock_study

FEWEST_SUCCESSES = 4
MOST_SUCCESSES = 64
"""Cohorts of the full size trained to their end before the next may be twice as large: after every halving twice as many."""


def halve(session: Session, study_id: int, lost: int, now: datetime) -> None:
    """Let no cohort that is planned from now on have more than half of `lost` trainings: memory did not suffice for so many."""
    study = lock_study(session, study_id)
    size = max(1, lost // 2)
    if study.cohort_size is not None and study.cohort_size > size:
        change_study(session, study_id, now, cohort_size=size, cohort_losses=study.cohort_losses + 1, cohort_successes=0)


def most_at_once(session: Session, cohort_id: int) -> int:
    """Return how many trials of a cohort trained at a time, at most."""
    return int(session.scalars(select(COHORTS.c.size).where(COHORTS.c.id == cohort_id)).one())


def count_success(session: Session, study: StudyRecord, cohort_id: int, now: datetime) -> None:
    """Count a cohort of a locked study that was trained to its end; after enough of them cohorts may be twice as large again."""
    size, full = study.cohort_size, study.prepared_cohort_size
    if size is None or full is None or size >= full:
        return
    trained = [state.value for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.DIVERGED)]
    if session.scalar(select(exists().where(TRIALS.c.cohort_id == cohort_id, TRIALS.c.state.not_in(trained)))):
        return  # not all of it was trained: memory may have run out within the process
    own = select(func.sum(trainings()), func.max(trainings())).where(TRIALS.c.cohort_id == cohort_id)
    total, largest = session.execute(own).one()
    if total is None or min(total, most_at_once(session, cohort_id) * largest) + largest <= size:
        return  # one more trial had room: it says nothing of the full size
    wanted = min(MOST_SUCCESSES, FEWEST_SUCCESSES << max(0, study.cohort_losses - 1))
    if study.cohort_successes + 1 < wanted:
        change_study(session, study.id, now, cohort_successes=study.cohort_successes + 1)
    else:
        change_study(session, study.id, now, cohort_size=min(2 * size, full), cohort_successes=0)
