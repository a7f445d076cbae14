"""The fence: no write of a worker counts once its lease has ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from storage.errors import LeaseLost
from storage.models import LEASES, STUDIES, TRIALS
from storage.records import StudyRecord, TrialState
from storage.study_rows import study_record


@dataclass(frozen=True, slots=True)
class LockedLease:
    """A lease that stands, and its study; both are locked."""

    study: StudyRecord
    cohort_id: int | None


def fence(session: Session, token: int, now: datetime) -> LockedLease:
    """Make sure that a lease still stands, and hold it until this transaction ends. Raises LeaseLost.

    The update is the fence: a reaper or a cancel that ends the lease waits for this transaction, or comes first and leaves no
    row to hit. The study is locked before it, as everywhere (see `lock_study`).
    """
    studied = select(STUDIES).join(LEASES, LEASES.c.study_id == STUDIES.c.id).where(LEASES.c.id == token)
    study = session.execute(studied.with_for_update(of=STUDIES, key_share=True)).one_or_none()
    standing = update(LEASES).where(LEASES.c.id == token, LEASES.c.released_at.is_(None)).values(written_at=now)
    held = session.execute(standing.returning(LEASES.c.cohort_id)).one_or_none()
    if study is None or held is None:
        raise LeaseLost(token)
    return LockedLease(study_record(study), held.cohort_id)


def running_under(session: Session, cohort_id: int, numbers: Collection[int]) -> Sequence[Row[int, int, int]]:
    """Pick those of these trials that are in training in a cohort: rows of `id`, `number`, `attempt`."""
    return session.execute(
        select(TRIALS.c.id, TRIALS.c.number, TRIALS.c.attempt).where(
            TRIALS.c.cohort_id == cohort_id, TRIALS.c.state == TrialState.RUNNING.value, TRIALS.c.number.in_(numbers)
        )
    ).all()
